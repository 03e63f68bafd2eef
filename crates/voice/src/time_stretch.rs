//! Time stretching: plays faster or slower at the same pitch, by removing or repeating one pitch period.
//!
//! Overlap-add at the lag of the highest correlation (WSOLA; Verhelst and Roelands, ICASSP 1993).

use crate::pitch::{self, Pitch, SearchDirection, WINDOW};

/// Removes one period of at most `longest` samples at the start of `ahead`, if its correlation with the next is at least
/// `min_correlation`. Returns the number of samples removed.
pub fn accelerate(ahead: &mut Vec<f32>, longest: usize, min_correlation: f32) -> Option<usize> {
    let longest = longest.min(ahead.len() / 2);
    let pitch = pitch::find(ahead, 0, SearchDirection::Forward, longest);
    let pitch = pitch.filter(|pitch| pitch.correlation >= min_correlation)?;
    for index in 0..pitch.lag {
        ahead[index] = blend(ahead[index], ahead[pitch.lag + index], index, pitch);
    }
    ahead.drain(pitch.lag..2 * pitch.lag);
    Some(pitch.lag)
}

/// Repeats the last period of `history` in front of `ahead`, if its correlation with the start of `ahead` is at least
/// `min_correlation`. Returns the number of samples inserted. `scratch` avoids an allocation.
pub fn decelerate(
    history: &[f32],
    ahead: &mut Vec<f32>,
    min_correlation: f32,
    scratch: &mut Vec<f32>,
) -> Option<usize> {
    scratch.clear();
    scratch.extend_from_slice(history);
    scratch.extend_from_slice(ahead.get(..WINDOW)?);
    let pitch = pitch::find(scratch, history.len(), SearchDirection::Backward, ahead.len());
    let pitch = pitch.filter(|pitch| pitch.correlation >= min_correlation)?;
    let last = &history[history.len() - pitch.lag..];
    scratch.clear();
    scratch.extend(last.iter().enumerate().map(|(index, repeated)| blend(ahead[index], *repeated, index, pitch)));
    ahead.splice(..0, scratch.iter().copied());
    Some(pitch.lag)
}

/// Crossfades from `from` to `to` over the period: linearly if they correlate, else at constant power.
fn blend(from: f32, to: f32, index: usize, pitch: Pitch) -> f32 {
    let weight = (index as f32 + 0.5) / pitch.lag as f32;
    if pitch.correlation < 0.5 {
        from * (1.0 - weight).sqrt() + to * weight.sqrt()
    } else {
        from * (1.0 - weight) + to * weight
    }
}
