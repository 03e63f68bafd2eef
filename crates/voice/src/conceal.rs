//! What is played where nothing arrived: the voice goes on as it was, and fades.
//!
//! After ITU-T G.711, appendix I: the last period of the voice is repeated, its end blended into its beginning.

use crate::ms;
use crate::pitch::{self, LONGEST, Side, WINDOW};

/// Frames at full loudness: most losses are no longer.
const FULL: i64 = ms(20);

/// From here on there is silence.
pub const SILENT: i64 = ms(120);

/// Below this likeness the sound was noise, and the longest period is the least like a tone.
const NOISE: f32 = 0.5;

/// Sound in the place of what is missing.
#[derive(Debug)]
pub struct Concealment {
    period: Vec<f32>,
    frames: i64,
}

impl Default for Concealment {
    fn default() -> Self {
        Self { period: Vec::with_capacity(LONGEST), frames: 0 }
    }
}

impl Concealment {
    /// Begins, after the frames in `history`.
    pub fn start(&mut self, history: &[f32]) {
        self.frames = 0;
        self.period.clear();
        let Some(anchor) = history.len().checked_sub(WINDOW) else { return };
        let pitch = pitch::find(history, anchor, Side::Before, LONGEST);
        let lag = pitch.filter(|pitch| pitch.likeness >= NOISE).map_or(LONGEST, |pitch| pitch.lag);
        let Some(before) = history.len().checked_sub(2 * lag) else { return };
        let (earlier, last) = (&history[before..before + lag], &history[before + lag..]);
        let overlap = lag / 4;
        self.period.extend(last.iter().zip(earlier).enumerate().map(|(index, (last, earlier))| {
            let part = (index + overlap).saturating_sub(lag) as f32 / overlap as f32;
            last * (1.0 - part) + earlier * part
        }));
    }

    /// How many frames were made.
    pub fn frames(&self) -> i64 {
        self.frames
    }

    /// Whether nothing but silence is to come.
    pub fn is_silent(&self) -> bool {
        self.frames >= SILENT || self.period.is_empty()
    }

    /// The next frame.
    pub fn next(&mut self) -> f32 {
        let at = usize::try_from(self.frames).unwrap_or(0) % self.period.len().max(1);
        let fading = (self.frames - FULL).max(0) as f32 / (SILENT - FULL) as f32;
        self.frames += 1;
        self.period.get(at).map_or(0.0, |sample| sample * (1.0 - fading).max(0.0))
    }
}
