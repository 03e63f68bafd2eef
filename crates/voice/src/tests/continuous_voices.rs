//! Synthetic voices without pauses, in which any silence is a gap.

use std::f32::consts::TAU;

use super::synthetic_speech::Xorshift;
use crate::RATE;

/// Parameters of a voice, as in the end-to-end tests (`e2e/src/synthetic_media.rs`), in Hz: pitch and its range, then the rates at which pitch,
/// timbre and loudness change.
#[derive(Debug, Clone, Copy)]
pub struct SawtoothVoice(pub [f32; 5]);

/// The pitch of a man's voice.
pub const LOW: SawtoothVoice = SawtoothVoice([140.0, 25.0, 0.7, 2.3, 3.9]);

/// The pitch of a child's voice.
pub const HIGH: SawtoothVoice = SawtoothVoice([310.0, 70.0, 1.1, 3.1, 4.7]);

/// A sawtooth through a low-pass filter with changing cutoff, as Web Audio generates it. Never below a third of its peak.
pub fn buzz(seconds: f32, SawtoothVoice([pitch, swing, slow, middle, quick]): SawtoothVoice) -> Vec<f32> {
    const RESONANCE_DB: f32 = 4.0;
    let resonance = 10.0f32.powf(RESONANCE_DB / 20.0);
    let (mut phase, mut past, mut filtered) = (0.0f32, [0.0f32; 2], [0.0f32; 2]);
    (0..(seconds * RATE as f32) as usize)
        .map(|index| {
            let sway = |frequency: f32| (TAU * (index as f32 / RATE as f32 * frequency).fract()).sin();
            let step = (pitch + swing * sway(slow)) / RATE as f32;
            phase = (phase + step).fract();
            let source = 2.0 * phase - 1.0 - smooth(phase, step);
            let angle = TAU * (1400.0 + 700.0 * sway(middle)) / RATE as f32;
            let (alpha, cosine) = (angle.sin() / (2.0 * resonance), angle.cos());
            let value = ((1.0 - cosine) * (0.5 * source + past[0] + 0.5 * past[1]) + 2.0 * cosine * filtered[0]
                - (1.0 - alpha) * filtered[1])
                / (1.0 + alpha);
            past = [source, past[0]];
            filtered = [value, filtered[0]];
            (0.2 + 0.1 * sway(quick)) * value
        })
        .collect()
}

/// Noise with formants, whose loudness changes as in syllables. Has no pitch, so that it correlates only with itself.
pub fn murmur(seconds: f32, seed: u64) -> Vec<f32> {
    let mut random = Xorshift::new(seed);
    let rates = [random.between(2.0, 3.0), random.between(3.0, 5.0), random.between(0.6, 1.4)];
    let (mut first, mut second) = ([0.0f32; 2], [0.0f32; 2]);
    let mut audio: Vec<f32> = (0..(seconds * RATE as f32) as usize)
        .map(|index| {
            let sway = |frequency: f32| (TAU * (index as f32 / RATE as f32 * frequency).fract()).sin();
            let source = random.between(-1.0, 1.0);
            let low = resonate(&mut first, source, 500.0 + 200.0 * sway(rates[0]));
            let high = resonate(&mut second, source, 1500.0 + 600.0 * sway(rates[2]));
            (0.65 + 0.35 * sway(rates[1])) * (low + 0.4 * high)
        })
        .collect();
    let loudest = audio.iter().fold(f32::MIN_POSITIVE, |most, sample| most.max(sample.abs()));
    audio.iter_mut().for_each(|sample| *sample *= 0.5 / loudest);
    audio
}

/// Correction of a sawtooth against aliasing (polyBLEP, Välimäki 2007).
fn smooth(phase: f32, step: f32) -> f32 {
    if phase < step {
        let part = phase / step;
        2.0 * part - part * part - 1.0
    } else if phase > 1.0 - step {
        let part = (phase - 1.0) / step;
        part * part + 2.0 * part + 1.0
    } else {
        0.0
    }
}

/// A resonance 150 Hz wide.
fn resonate(past: &mut [f32; 2], source: f32, frequency: f32) -> f32 {
    let radius = (-TAU / 2.0 * 150.0 / RATE as f32).exp();
    let value = (1.0 - radius) * source + 2.0 * radius * (TAU * frequency / RATE as f32).cos() * past[0]
        - radius * radius * past[1];
    *past = [value, past[0]];
    value
}
