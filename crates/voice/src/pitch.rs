//! Finding out after which time a voice repeats itself.

/// Lags that are tried, in frames: 2.5 to 15 ms, voices from 400 down to 66 Hz.
pub const SHORTEST: usize = 120;
/// See [`SHORTEST`].
pub const LONGEST: usize = 720;

/// Frames that are compared: 7.5 ms.
pub const WINDOW: usize = 360;

/// Every how many frames are looked at first.
const COARSE: usize = 4;

/// The mean square below which sound counts as silence, about -60 dB of full scale.
const SILENCE: f32 = 1e-6;

/// Where the sound repeats itself, and how well.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pitch {
    /// In frames, from [`SHORTEST`] to the longest that was allowed.
    pub lag: usize,
    /// 1 where both are equal but for their loudness, 0 where they have nothing in common.
    pub likeness: f32,
}

/// In which direction the other piece lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Earlier than the anchor.
    Before,
    /// Later than the anchor.
    After,
}

/// Compares the [`WINDOW`] frames at `anchor` with those that lie 2.5 ms to `longest` frames to one side.
///
/// Nothing when there is too little sound for that.
pub fn find(sound: &[f32], anchor: usize, side: Side, longest: usize) -> Option<Pitch> {
    let longest = longest.min(LONGEST);
    let room = match side {
        Side::Before => anchor,
        Side::After => sound.len().checked_sub(anchor + WINDOW)?,
    };
    let longest = longest.min(room);
    let here = sound.get(anchor..anchor + WINDOW)?;
    if longest < SHORTEST {
        return None;
    }
    let other = |lag: usize| match side {
        Side::Before => anchor - lag,
        Side::After => anchor + lag,
    };
    if energy(here) < SILENCE * WINDOW as f32
        && energy(sound.get(other(longest)..)?.get(..WINDOW)?) < SILENCE * WINDOW as f32
    {
        return Some(Pitch { lag: longest, likeness: 1.0 });
    }
    let likeness = |lag: usize, step: usize| {
        let there = &sound[other(lag)..other(lag) + WINDOW];
        alike(here, there, step)
    };
    let coarse = (SHORTEST..=longest).step_by(COARSE).map(|lag| (lag, likeness(lag, COARSE)));
    let (near, _) = coarse.max_by(|(_, one), (_, two)| one.total_cmp(two))?;
    let fine = (near.saturating_sub(COARSE - 1).max(SHORTEST)..=(near + COARSE - 1).min(longest))
        .map(|lag| (lag, likeness(lag, 1)));
    let (lag, likeness) = fine.max_by(|(_, one), (_, two)| one.total_cmp(two))?;
    Some(Pitch { lag, likeness })
}

/// The normalized correlation of every `step`th frame.
fn alike(one: &[f32], two: &[f32], step: usize) -> f32 {
    let (mut both, mut first, mut second) = (0.0f32, 0.0f32, 0.0f32);
    for (a, b) in one.iter().step_by(step).zip(two.iter().step_by(step)) {
        both += a * b;
        first += a * a;
        second += b * b;
    }
    both / (first * second).sqrt().max(f32::MIN_POSITIVE)
}

fn energy(sound: &[f32]) -> f32 {
    sound.iter().map(|sample| sample * sample).sum()
}
