//! Records of the injected script `instrument.js`: received media, open resources, roster changes, clicks and call
//! timeline.

use serde::Deserialize;

use crate::{Result, ensure};

/// Totals received so far over all open peer connections of a page (`inbound-rtp` statistics).
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct ReceivedTotals {
    /// Time in milliseconds; comparable between pages of one machine.
    pub at: f64,
    /// Decoded video frames.
    pub frames: u64,
    /// `totalAudioEnergy`: the squared level of the played audio (full scale 1) times seconds.
    pub energy: f64,
    /// Received audio samples, concealed ones included.
    pub samples: u64,
    /// Received RTP packets.
    pub packets: u64,
}

/// Media resources and timers that a page holds open.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenResources {
    /// Peer connections that are not closed.
    pub peers: usize,
    /// Live tracks of the page's own devices.
    pub tracks: usize,
    /// Those of them that are video tracks.
    pub video_tracks: usize,
    /// Pending timers.
    pub timers: usize,
    /// Delay and call stack of each pending timer.
    pub timer_sources: Vec<String>,
    /// Audio contexts that are not closed.
    pub audio_contexts: usize,
}

/// One change in the roster that a page shows.
#[derive(Clone, Debug, Deserialize)]
pub struct RosterChange {
    /// The user's name.
    pub name: String,
    /// The new state, or `gone`.
    pub state: String,
    /// Time in milliseconds.
    pub at: f64,
}

/// One event in the timeline of a page's calls.
#[derive(Clone, Debug, Deserialize)]
pub struct TimelineMark {
    /// The event, such as `signalingState stable`.
    pub what: String,
    /// Time in milliseconds.
    pub at: f64,
}

/// One click.
#[derive(Clone, Debug, Deserialize)]
pub struct Click {
    /// The clicked element's `data-testid`.
    pub id: String,
    /// Time in milliseconds.
    pub at: f64,
}

/// The first presented frame of a remote video.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct FirstFrame {
    /// Time in milliseconds.
    pub at: f64,
}

/// Checks that video frames, audio samples and audio energy grow from each sample to the next.
///
/// # Errors
///
/// Returns an error with all samples when one of them did not grow, or with fewer than two samples.
pub fn ensure_unbroken(name: &str, samples: &[ReceivedTotals]) -> Result<()> {
    ensure!(samples.len() >= 2, "{name}: only {} samples", samples.len());
    for (one, next) in samples.iter().zip(samples.iter().skip(1)) {
        let seconds = (next.at - one.at) / 1000.0;
        ensure!(next.frames > one.frames, "{name}: no video frame for {seconds:.1} s: {samples:#?}");
        ensure!(next.samples > one.samples, "{name}: no audio sample for {seconds:.1} s: {samples:#?}");
        ensure!(next.energy > one.energy, "{name}: silence for {seconds:.1} s: {samples:#?}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frozen_video_and_silence_are_detected() {
        let sample = |at, frames, energy| ReceivedTotals { at, frames, energy, samples: at as u64, packets: 0 };
        let good = [sample(1.0, 1, 0.1), sample(2.0, 2, 0.2)];
        assert!(ensure_unbroken("good", &good).is_ok());
        assert!(ensure_unbroken("still", &[sample(1.0, 1, 0.1), sample(2.0, 1, 0.2)]).is_err());
        assert!(ensure_unbroken("silent", &[sample(1.0, 1, 0.1), sample(2.0, 2, 0.1)]).is_err());
        assert!(ensure_unbroken("one", good.get(..1).unwrap()).is_err());
    }
}
