//! Two voices that never stop, for whom silence on the other side is a gap.

use std::f32::consts::TAU;

use super::speech::Dice;
use crate::RATE;

/// What a voice of the end-to-end tests is made of (`e2e/src/voice.rs`), in hertz: its pitch and how far that moves; how often
/// in a second pitch, colour and loudness move.
#[derive(Debug, Clone, Copy)]
pub struct Voice(pub [f32; 5]);

/// About as high as a man's.
pub const LOW: Voice = Voice([140.0, 25.0, 0.7, 2.3, 3.9]);

/// About as high as a child's.
pub const HIGH: Voice = Voice([310.0, 70.0, 1.1, 3.1, 4.7]);

/// A sawtooth through a lowpass filter that sways, as WebAudio makes it. Never below a third of its loudest.
pub fn buzz(seconds: f32, Voice([pitch, swing, slow, middle, quick]): Voice) -> Vec<f32> {
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

/// Noise with a mouth's resonances, whose loudness moves as syllables do. Without a pitch it is like nothing but itself.
pub fn murmur(seconds: f32, seed: u64) -> Vec<f32> {
    let mut dice = Dice::new(seed);
    let rates = [dice.between(2.0, 3.0), dice.between(3.0, 5.0), dice.between(0.6, 1.4)];
    let (mut first, mut second) = ([0.0f32; 2], [0.0f32; 2]);
    let mut sound: Vec<f32> = (0..(seconds * RATE as f32) as usize)
        .map(|index| {
            let sway = |frequency: f32| (TAU * (index as f32 / RATE as f32 * frequency).fract()).sin();
            let source = dice.between(-1.0, 1.0);
            let low = resonate(&mut first, source, 500.0 + 200.0 * sway(rates[0]));
            let high = resonate(&mut second, source, 1500.0 + 600.0 * sway(rates[2]));
            (0.65 + 0.35 * sway(rates[1])) * (low + 0.4 * high)
        })
        .collect();
    let loudest = sound.iter().fold(f32::MIN_POSITIVE, |most, sample| most.max(sample.abs()));
    sound.iter_mut().for_each(|sample| *sample *= 0.5 / loudest);
    sound
}

/// What a sawtooth's jump is rounded by, so that it has no overtones beyond half the rate (a polynomial, Välimäki 2007).
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
