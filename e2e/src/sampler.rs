//! One sample a second of what arrives from the other side (`sampler.js`), by what costs the page little.
//!
//! [`watch`](crate::watch) reads pixels and sound many times a second, for tests of quality. In the app's page, which is drawn in
//! software where there is no GPU, that takes more of the processors than the call itself does. A sample costs next to nothing:
//!
//! - in a browser, frames and sound are those of `getStats`, and the picture is looked at once;
//! - in the app's webview, frames are those that the video element counts, drawn or not, and sound is what the media engine's own audio context
//!   rendered since the sample before, of the last 0.7 s. Pixels are not read there.
//!
//! Where nothing plays there is no level, rather than one of 0: a missing measurement is no silence.

use std::time::Duration;

use serde::Deserialize;
use tokio::time::timeout;

use crate::{Context, Page, Result, ensure};

const SAMPLER: &str = include_str!("sampler.js");

/// From this level on (root mean square, of full scale 1) something is heard: -60 dB.
const AUDIBLE: f64 = 1e-3;

/// What arrived within a second.
#[derive(Clone, Debug, Deserialize)]
pub struct Sample {
    /// How long it was.
    pub seconds: f64,
    /// Frames decoded.
    pub frames: u64,
    /// The audio level: root mean square, of full scale 1; `None` where none was measured, since nothing played.
    pub level: Option<f64>,
    /// Whether the picture differs from that of the sample before; `None` where pixels are not read, or there is no picture.
    pub changed: Option<bool>,
    /// The standard deviation of its pixels' brightness, from 0 for a single colour to 127.
    pub spread: Option<f64>,
    /// Its width in pixels.
    pub width: u32,
    /// Its height in pixels.
    pub height: u32,
}

impl Sample {
    /// Whether there were new frames, and another picture in them as far as that can be told.
    #[must_use]
    pub fn is_moving(&self) -> bool {
        self.frames > 0 && self.changed != Some(false) && self.spread.is_none_or(|spread| spread > 4.0)
    }

    /// Whether something was heard.
    #[must_use]
    pub fn is_audible(&self) -> bool {
        self.level.is_some_and(|level| level > AUDIBLE)
    }

    /// Whether there was audio to measure, and nothing was heard in it.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.level.is_some_and(|level| level < AUDIBLE)
    }
}

/// What a page is awaited to receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// New frames, of another picture as far as that can be told, and sound within the same second.
    VideoAndAudio,
    /// Sound.
    Audio,
    /// Audio that is measured, and silent for two samples in a row: one may fall into a pause.
    Silence,
}

impl Arrival {
    /// The condition for a sample `it`, as the page checks it. A level that is `null` meets none: JavaScript takes it for 0.
    fn condition(self) -> String {
        match self {
            Self::VideoAndAudio => {
                format!("it.frames > 0 && it.changed !== false && it.level !== null && it.level > {AUDIBLE}")
            }
            Self::Audio => format!("it.level !== null && it.level > {AUDIBLE}"),
            Self::Silence => format!("it.level !== null && it.level < {AUDIBLE}"),
        }
    }

    /// How many samples in a row have to meet the condition.
    const fn in_a_row(self) -> usize {
        match self {
            Self::VideoAndAudio | Self::Audio => 1,
            Self::Silence => 2,
        }
    }
}

#[derive(Deserialize)]
struct Awaited {
    met: bool,
    samples: Vec<Sample>,
}

impl Page {
    /// Prepares the page for being sampled in any later call. Once for each load of the page.
    ///
    /// # Errors
    ///
    /// When the page does not run the script.
    pub async fn prepare_sampler(&self) -> Result<()> {
        self.driver().execute(SAMPLER, Vec::new()).await.with_context(|| format!("{}: the sampler", self.name()))?;
        Ok(())
    }

    /// The samples of the next seconds.
    ///
    /// # Errors
    ///
    /// When the page is not prepared, or does not answer.
    pub async fn samples_of(&self, seconds: usize) -> Result<Vec<Sample>> {
        self.sampled(seconds, &format!("return await window.__sampler.next({seconds})")).await
    }

    /// Waits until this arrives, and gives the samples up to then.
    ///
    /// # Errors
    ///
    /// When it does not within so many seconds.
    pub async fn until_arrival(&self, arrival: Arrival, seconds: usize) -> Result<Vec<Sample>> {
        let (condition, in_a_row) = (arrival.condition(), arrival.in_a_row());
        let script = format!("return await window.__sampler.until((it) => {condition}, {in_a_row}, {seconds})");
        let Awaited { met, samples } = self.sampled(seconds, &script).await?;
        ensure!(met, "{}: no {arrival:?} within {seconds} s: {samples:?}", self.name());
        Ok(samples)
    }

    async fn sampled<T: serde::de::DeserializeOwned>(&self, seconds: usize, script: &str) -> Result<T> {
        // A page that is busy samples more slowly.
        let limit = Duration::from_secs(2 * seconds as u64 + 10);
        let sampled = timeout(limit, self.run(script)).await;
        sampled.with_context(|| format!("{}: {seconds} samples took more than {limit:?}", self.name()))?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: Sample = Sample {
        seconds: 1.0,
        frames: 9,
        level: Some(0.1),
        changed: Some(true),
        spread: Some(40.0),
        width: 320,
        height: 180,
    };

    #[test]
    fn frames_of_the_same_picture_or_of_one_colour_do_not_move() {
        assert!(GOOD.is_moving() && Sample { changed: None, spread: None, ..GOOD }.is_moving());
        for still in [
            Sample { frames: 0, ..GOOD },
            Sample { changed: Some(false), ..GOOD },
            Sample { spread: Some(0.5), ..GOOD },
        ] {
            assert!(!still.is_moving(), "{still:?}");
        }
    }

    #[test]
    fn what_is_under_60_db_is_silence() {
        let quiet = Sample { level: Some(1e-4), ..GOOD };
        assert!(GOOD.is_audible() && !GOOD.is_silent());
        assert!(quiet.is_silent() && !quiet.is_audible());
    }

    #[test]
    fn a_sample_without_a_level_is_neither_audible_nor_silent() {
        let unmeasured = Sample { level: None, ..GOOD };
        assert!(!unmeasured.is_audible() && !unmeasured.is_silent());
    }
}
