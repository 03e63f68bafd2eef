//! Playing faster or slower without changing the pitch: a period of the voice is left out, or played twice.
//!
//! Overlap and add at the place where the voice is most like itself (WSOLA; Verhelst and Roelands, ICASSP 1993).

use crate::pitch::{self, Pitch, Side, WINDOW};

/// Leaves out one period at the start of `ahead`, of at most `most` frames, when it repeats itself at least `alike` well.
/// Gives the number of frames that are gone.
pub fn faster(ahead: &mut Vec<f32>, most: usize, alike: f32) -> Option<usize> {
    let longest = most.min(ahead.len() / 2);
    let pitch = pitch::find(ahead, 0, Side::After, longest).filter(|pitch| pitch.likeness >= alike)?;
    for index in 0..pitch.lag {
        ahead[index] = blend(ahead[index], ahead[pitch.lag + index], index, pitch);
    }
    ahead.drain(pitch.lag..2 * pitch.lag);
    Some(pitch.lag)
}

/// Plays the last period of `history` once more before `ahead`, when it was at least `alike` well the same as what follows.
/// Gives the number of frames that `ahead` is longer. `scratch` is kept to be used again.
pub fn slower(history: &[f32], ahead: &mut Vec<f32>, alike: f32, scratch: &mut Vec<f32>) -> Option<usize> {
    scratch.clear();
    scratch.extend_from_slice(history);
    scratch.extend_from_slice(ahead.get(..WINDOW)?);
    let pitch =
        pitch::find(scratch, history.len(), Side::Before, ahead.len()).filter(|pitch| pitch.likeness >= alike)?;
    let last = &history[history.len() - pitch.lag..];
    scratch.clear();
    scratch.extend(last.iter().enumerate().map(|(index, again)| blend(ahead[index], *again, index, pitch)));
    ahead.splice(..0, scratch.iter().copied());
    Some(pitch.lag)
}

/// From `one` to `two` over the length of the period. What is alike adds up as amplitudes, what is not as energies.
fn blend(one: f32, two: f32, index: usize, pitch: Pitch) -> f32 {
    let part = (index as f32 + 0.5) / pitch.lag as f32;
    if pitch.likeness < 0.5 { one * (1.0 - part).sqrt() + two * part.sqrt() } else { one * (1.0 - part) + two * part }
}
