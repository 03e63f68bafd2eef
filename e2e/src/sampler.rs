//! Media sampler (`sampler.js`): one sample a second of the received video and audio, at little cost to the page.
//!
//! [`playback_monitor`](crate::playback_monitor) reads pixels and audio many times a second, for quality tests. Without
//! a GPU the app's page is drawn in software, and that costs more than the call. A sample costs next to nothing:
//!
//! - in a browser, frames and audio come from `getStats`, and the pixels are read once;
//! - in the app's webview, frames are the video element's count, and audio is what the media engine's audio context
//!   rendered since the previous sample (the last 0.7 s at most). Pixels are not read there.
//!
//! Where nothing plays, the level is `None` and not 0: a missing measurement is not silence.

use std::time::Duration;

use serde::Deserialize;
use tokio::time::timeout;

use crate::{Context, Result, TestPage, ensure};

const SAMPLER: &str = include_str!("sampler.js");

/// Lowest audible level, root mean square of full scale 1: -60 dB.
const AUDIBLE: f64 = 1e-3;

/// Media received within one second.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sample {
    /// Length of the sample.
    pub seconds: f64,
    /// Decoded frames.
    pub frames: u64,
    /// Audio level, root mean square of full scale 1; `None` without a measurement, because nothing played.
    pub level: Option<f64>,
    /// Whether the image differs from that of the previous sample; `None` where pixels are not read, or there is no
    /// image.
    pub changed: Option<bool>,
    /// Standard deviation of the pixels' luma: 0 for a single colour, 127 at most.
    pub luma_deviation: Option<f64>,
    /// Video width in pixels.
    pub width: u32,
    /// Video height in pixels.
    pub height: u32,
}

impl Sample {
    /// Whether new frames arrived, with another image where pixels are read.
    #[must_use]
    pub fn is_moving(&self) -> bool {
        self.frames > 0 && self.changed != Some(false) && self.luma_deviation.is_none_or(|deviation| deviation > 4.0)
    }

    /// Whether audio was measured and audible.
    #[must_use]
    pub fn is_audible(&self) -> bool {
        self.level.is_some_and(|level| level > AUDIBLE)
    }

    /// Whether audio was measured and silent.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.level.is_some_and(|level| level < AUDIBLE)
    }
}

/// Media that a test waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpectedMedia {
    /// New frames, with another image where pixels are read, and audible audio within the same second.
    VideoAndAudio,
    /// Audible audio.
    Audio,
    /// Measured and silent audio in two samples in a row: one may fall into a pause of the source.
    Silence,
}

impl ExpectedMedia {
    /// JavaScript condition for a sample `it`. A level of `null` never meets it: JavaScript compares `null` as 0.
    fn condition(self) -> String {
        match self {
            Self::VideoAndAudio => {
                format!("it.frames > 0 && it.changed !== false && it.level !== null && it.level > {AUDIBLE}")
            }
            Self::Audio => format!("it.level !== null && it.level > {AUDIBLE}"),
            Self::Silence => format!("it.level !== null && it.level < {AUDIBLE}"),
        }
    }

    /// Consecutive samples that have to meet the condition.
    const fn in_a_row(self) -> usize {
        match self {
            Self::VideoAndAudio | Self::Audio => 1,
            Self::Silence => 2,
        }
    }
}

#[derive(Deserialize)]
struct WaitReply {
    met: bool,
    samples: Vec<Sample>,
}

impl TestPage {
    /// Installs the sampler for all later calls. Once for each load of the page, before a call.
    ///
    /// # Errors
    ///
    /// Returns an error when the script fails.
    pub async fn install_sampler(&self) -> Result<()> {
        self.inject(SAMPLER).await
    }

    /// Samples the next seconds.
    ///
    /// # Errors
    ///
    /// Returns an error when the sampler is not installed, or does not answer.
    pub async fn sample_for(&self, seconds: usize) -> Result<Vec<Sample>> {
        self.run_sampler(seconds, &format!("return await window.__sampler.take({seconds})")).await
    }

    /// Waits for this media and returns the samples up to then.
    ///
    /// # Errors
    ///
    /// Returns an error when it does not arrive within so many seconds.
    pub async fn wait_for_media(&self, expected: ExpectedMedia, seconds: usize) -> Result<Vec<Sample>> {
        let (condition, in_a_row) = (expected.condition(), expected.in_a_row());
        let script = format!("return await window.__sampler.until((it) => {condition}, {in_a_row}, {seconds})");
        let WaitReply { met, samples } = self.run_sampler(seconds, &script).await?;
        ensure!(met, "{}: no {expected:?} within {seconds} s: {samples:?}", self.name());
        Ok(samples)
    }

    async fn run_sampler<T: serde::de::DeserializeOwned>(&self, seconds: usize, script: &str) -> Result<T> {
        // A busy page samples more slowly.
        let limit = Duration::from_secs(2 * seconds as u64 + 10);
        let sampled = timeout(limit, self.run(script)).await;
        sampled.with_context(|| format!("{}: {seconds} samples took longer than {limit:?}", self.name()))?
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
        luma_deviation: Some(40.0),
        width: 320,
        height: 180,
    };

    #[test]
    fn frames_of_one_image_or_of_a_single_colour_are_not_moving() {
        assert!(GOOD.is_moving() && Sample { changed: None, luma_deviation: None, ..GOOD }.is_moving());
        for frozen in [
            Sample { frames: 0, ..GOOD },
            Sample { changed: Some(false), ..GOOD },
            Sample { luma_deviation: Some(0.5), ..GOOD },
        ] {
            assert!(!frozen.is_moving(), "{frozen:?}");
        }
    }

    #[test]
    fn audio_below_minus_60_db_is_silence() {
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
