//! Pitch detection: finds the lag at which audio repeats itself, by autocorrelation.

/// Shortest lag searched, in samples: 2.5 ms, a voice of 400 Hz.
pub const SHORTEST: usize = 120;
/// Longest lag searched, in samples: 15 ms, a voice of 66 Hz.
pub const LONGEST: usize = 720;

/// Number of samples compared: 7.5 ms.
pub const WINDOW: usize = 360;

/// Step of lags and samples in the first, coarse search.
const COARSE_STEP: usize = 4;

/// Mean square below which audio counts as silence: -60 dB of full scale.
const SILENCE: f32 = 1e-6;

/// The best lag, and its correlation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pitch {
    /// In samples, from [`SHORTEST`] to the longest that the caller permits.
    pub lag: usize,
    /// Normalized correlation: 1 if both pieces are equal but for their loudness, 0 if they are unrelated.
    pub correlation: f32,
}

/// Direction from the anchor to the other piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SearchDirection {
    /// Earlier than the anchor.
    Backward,
    /// Later than the anchor.
    Forward,
}

/// Compares the [`WINDOW`] samples at `anchor` with those at a distance of [`SHORTEST`] to `longest` samples.
///
/// Returns `None` if there are too few samples.
pub fn find(audio: &[f32], anchor: usize, direction: SearchDirection, longest: usize) -> Option<Pitch> {
    let longest = longest.min(LONGEST);
    let room = match direction {
        SearchDirection::Backward => anchor,
        SearchDirection::Forward => audio.len().checked_sub(anchor + WINDOW)?,
    };
    let longest = longest.min(room);
    let here = audio.get(anchor..anchor + WINDOW)?;
    if longest < SHORTEST {
        return None;
    }
    let other = |lag: usize| match direction {
        SearchDirection::Backward => anchor - lag,
        SearchDirection::Forward => anchor + lag,
    };
    if energy(here) < SILENCE * WINDOW as f32
        && energy(audio.get(other(longest)..)?.get(..WINDOW)?) < SILENCE * WINDOW as f32
    {
        return Some(Pitch { lag: longest, correlation: 1.0 });
    }
    let correlation = |lag: usize, step: usize| {
        let there = &audio[other(lag)..other(lag) + WINDOW];
        correlate(here, there, step)
    };
    let coarse = (SHORTEST..=longest).step_by(COARSE_STEP).map(|lag| (lag, correlation(lag, COARSE_STEP)));
    let (near, _) = coarse.max_by(|(_, a), (_, b)| a.total_cmp(b))?;
    let fine = (near.saturating_sub(COARSE_STEP - 1).max(SHORTEST)..=(near + COARSE_STEP - 1).min(longest))
        .map(|lag| (lag, correlation(lag, 1)));
    let (lag, correlation) = fine.max_by(|(_, a), (_, b)| a.total_cmp(b))?;
    Some(Pitch { lag, correlation })
}

/// Normalized correlation of every `step`th sample.
fn correlate(a: &[f32], b: &[f32], step: usize) -> f32 {
    let (mut product, mut a_energy, mut b_energy) = (0.0f32, 0.0f32, 0.0f32);
    for (a, b) in a.iter().step_by(step).zip(b.iter().step_by(step)) {
        product += a * b;
        a_energy += a * a;
        b_energy += b * b;
    }
    product / (a_energy * b_energy).sqrt().max(f32::MIN_POSITIVE)
}

fn energy(audio: &[f32]) -> f32 {
    audio.iter().map(|sample| sample * sample).sum()
}
