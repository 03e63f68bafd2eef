//! Packet loss concealment (PLC): repeats the last pitch period, and fades it out.
//!
//! After ITU-T G.711, appendix I. The end of the period is blended into its beginning.

use crate::ms;
use crate::pitch::{self, LONGEST, SearchDirection, WINDOW};

/// Samples at full loudness: most losses are not longer.
const FULL: i64 = ms(20);

/// Samples until silence.
pub const SILENT: i64 = ms(120);

/// Correlation below which audio counts as noise. Noise repeats the longest period, which sounds least like a tone.
const NOISE: f32 = 0.5;

/// Generator of audio in place of lost packets.
#[derive(Debug)]
pub struct LossConcealer {
    period: Vec<f32>,
    samples: i64,
}

impl Default for LossConcealer {
    fn default() -> Self {
        Self { period: Vec::with_capacity(LONGEST), samples: 0 }
    }
}

impl LossConcealer {
    /// Starts a concealment that continues `history`, the samples played last.
    pub fn start(&mut self, history: &[f32]) {
        self.samples = 0;
        self.period.clear();
        let Some(anchor) = history.len().checked_sub(WINDOW) else { return };
        let pitch = pitch::find(history, anchor, SearchDirection::Backward, LONGEST);
        let lag = pitch.filter(|pitch| pitch.correlation >= NOISE).map_or(LONGEST, |pitch| pitch.lag);
        let Some(before) = history.len().checked_sub(2 * lag) else { return };
        let (earlier, last) = (&history[before..before + lag], &history[before + lag..]);
        let overlap = lag / 4;
        self.period.extend(last.iter().zip(earlier).enumerate().map(|(index, (last, earlier))| {
            let weight = (index + overlap).saturating_sub(lag) as f32 / overlap as f32;
            last * (1.0 - weight) + earlier * weight
        }));
    }

    /// Number of samples generated since the start.
    pub fn samples(&self) -> i64 {
        self.samples
    }

    /// Whether all further samples are silence.
    pub fn is_silent(&self) -> bool {
        self.samples >= SILENT || self.period.is_empty()
    }

    /// Generates the next sample.
    pub fn next(&mut self) -> f32 {
        let at = usize::try_from(self.samples).unwrap_or(0) % self.period.len().max(1);
        let fade = (self.samples - FULL).max(0) as f32 / (SILENT - FULL) as f32;
        self.samples += 1;
        self.period.get(at).map_or(0.0, |sample| sample * (1.0 - fade).max(0.0))
    }
}
