//! What came in over peer connections, as the injected script tells it.

use serde::Deserialize;

use crate::{Result, ensure};

/// What a page has received so far, over all its open peer connections.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Received {
    /// When, in milliseconds; comparable between pages of one machine.
    pub at: f64,
    /// Frames of video decoded.
    pub frames: u64,
    /// Energy of the sound that was played.
    pub energy: f64,
    /// Samples of sound received.
    pub samples: u64,
    /// Packets received.
    pub packets: u64,
}

/// What a page holds open.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Leftovers {
    /// Peer connections that are not closed.
    pub peers: usize,
    /// Tracks of own devices that are live.
    pub tracks: usize,
    /// Those of them that are pictures.
    pub cameras: usize,
    /// Timers that wait.
    pub timers: usize,
    /// Where those timers were set.
    pub timer_sources: Vec<String>,
    /// Audio contexts that are not closed.
    pub sounds: usize,
}

/// A change in the roster of a page.
#[derive(Clone, Debug, Deserialize)]
pub struct RosterChange {
    /// Whose.
    pub name: String,
    /// The new state, or `gone`.
    pub state: String,
    /// When, in milliseconds.
    pub at: f64,
}

/// A step that a page's call took.
#[derive(Clone, Debug, Deserialize)]
pub struct Mark {
    /// Which.
    pub what: String,
    /// When, in milliseconds.
    pub at: f64,
}

/// Something that was clicked.
#[derive(Clone, Debug, Deserialize)]
pub struct Click {
    /// Its data-testid.
    pub id: String,
    /// When, in milliseconds.
    pub at: f64,
}

/// The first frame of a remote video.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct FirstFrame {
    /// When, in milliseconds.
    pub at: f64,
}

/// Checks that picture and sound went on from each sample to the next.
///
/// # Errors
///
/// When one of them stood still, with all samples.
pub fn ensure_unbroken(who: &str, samples: &[Received]) -> Result<()> {
    ensure!(samples.len() >= 2, "{who}: only {} samples", samples.len());
    for (one, next) in samples.iter().zip(samples.iter().skip(1)) {
        let seconds = (next.at - one.at) / 1000.0;
        ensure!(next.frames > one.frames, "{who}: the picture stood still for {seconds:.1} s: {samples:#?}");
        ensure!(next.samples > one.samples, "{who}: no sound came for {seconds:.1} s: {samples:#?}");
        ensure!(next.energy > one.energy, "{who}: silence for {seconds:.1} s: {samples:#?}");
    }
    Ok(())
}

/// The least, the middle and the greatest of some times.
#[must_use]
pub fn spread(times: &[f64]) -> Option<(f64, f64, f64)> {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = (sorted.get((sorted.len().checked_sub(1)?) / 2)? + sorted.get(sorted.len() / 2)?) / 2.0;
    Some((*sorted.first()?, middle, *sorted.last()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_an_even_number_lies_between_two() {
        assert_eq!(spread(&[3.0, 1.0, 2.0]), Some((1.0, 2.0, 3.0)));
        assert_eq!(spread(&[4.0, 1.0, 2.0, 3.0]), Some((1.0, 2.5, 4.0)));
        assert_eq!(spread(&[]), None);
    }

    #[test]
    fn a_standing_picture_and_silence_are_found() {
        let sample = |at, frames, energy| Received { at, frames, energy, samples: at as u64, packets: 0 };
        let good = [sample(1.0, 1, 0.1), sample(2.0, 2, 0.2)];
        assert!(ensure_unbroken("good", &good).is_ok());
        assert!(ensure_unbroken("still", &[sample(1.0, 1, 0.1), sample(2.0, 1, 0.2)]).is_err());
        assert!(ensure_unbroken("silent", &[sample(1.0, 1, 0.1), sample(2.0, 2, 0.1)]).is_err());
        assert!(ensure_unbroken("one", good.get(..1).unwrap()).is_err());
    }
}
