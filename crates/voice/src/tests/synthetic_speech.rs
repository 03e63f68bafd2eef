//! Synthetic speech, deterministic by seed.

use std::f32::consts::TAU;

use crate::RATE;

/// Pseudorandom number generator (xorshift, Marsaglia 2003).
#[derive(Debug, Clone)]
pub struct Xorshift(u64);

impl Xorshift {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// From 0 to 1.
    pub fn next(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 40) as f32 / (1u64 << 24) as f32
    }

    /// From `from` to `to`.
    pub fn between(&mut self, from: f32, to: f32) -> f32 {
        from + (to - from) * self.next()
    }
}

/// Formant: a resonance of the vocal tract, as a filter with two poles.
#[derive(Debug, Clone, Copy)]
struct Formant {
    feedback: [f32; 2],
    past: [f32; 2],
}

impl Formant {
    fn new(frequency: f32, width: f32) -> Self {
        let rate = RATE as f32;
        let radius = (-TAU / 2.0 * width / rate).exp();
        Self { feedback: [2.0 * radius * (TAU * frequency / rate).cos(), -radius * radius], past: [0.0; 2] }
    }

    fn next(&mut self, input: f32) -> f32 {
        let output = input * (1.0 - self.feedback[0] - self.feedback[1])
            + self.feedback[0] * self.past[0]
            + self.feedback[1] * self.past[1];
        self.past = [output, self.past[0]];
        output
    }
}

/// Voiced and unvoiced syllables, with pauses between words. The peak is 0.5.
pub fn speech(seconds: f32, seed: u64) -> Vec<f32> {
    let mut random = Xorshift::new(seed);
    let samples = (seconds * RATE as f32) as usize;
    let mut audio = Vec::with_capacity(samples);
    while audio.len() < samples {
        let length = (random.between(0.12, 0.3) * RATE as f32) as usize;
        if random.next() < 0.15 {
            audio.extend(std::iter::repeat_n(0.0, length));
        } else {
            syllable(&mut audio, length, &mut random);
        }
    }
    audio.truncate(samples);
    let loudest = audio.iter().fold(f32::MIN_POSITIVE, |most, sample| most.max(sample.abs()));
    audio.iter_mut().for_each(|sample| *sample *= 0.5 / loudest);
    audio
}

/// A continuous vowel with changing pitch.
pub fn vowel(seconds: f32, seed: u64) -> Vec<f32> {
    let mut random = Xorshift::new(seed);
    let mut audio = Vec::new();
    let samples = (seconds * RATE as f32) as usize;
    let mut formants = [Formant::new(600.0, 80.0), Formant::new(1200.0, 100.0), Formant::new(2500.0, 150.0)];
    let mut phase = 0.0f32;
    for index in 0..samples {
        let pitch = 140.0 + 30.0 * (TAU * 0.2 * index as f32 / RATE as f32).sin();
        phase += pitch / RATE as f32;
        let pulse = if phase >= 1.0 { 1.0 } else { 0.0 };
        phase = phase.fract();
        let source = pulse + 0.002 * random.between(-1.0, 1.0);
        audio.push(formants.iter_mut().map(|formant| formant.next(source)).sum::<f32>());
    }
    let loudest = audio.iter().fold(f32::MIN_POSITIVE, |most, sample| most.max(sample.abs()));
    audio.iter_mut().for_each(|sample| *sample *= 0.5 / loudest);
    audio
}

fn syllable(audio: &mut Vec<f32>, length: usize, random: &mut Xorshift) {
    let mut formants = [
        Formant::new(random.between(300.0, 800.0), 80.0),
        Formant::new(random.between(900.0, 2200.0), 110.0),
        Formant::new(random.between(2300.0, 3500.0), 160.0),
    ];
    let is_voiced = random.next() < 0.8;
    let (from, to) = (random.between(90.0, 220.0), random.between(90.0, 220.0));
    let mut phase = 0.0;
    for index in 0..length {
        let part = index as f32 / length as f32;
        phase += (from + (to - from) * part) / RATE as f32;
        let source = match (is_voiced, phase >= 1.0) {
            (true, true) => 1.0,
            (true, false) => 0.004 * random.between(-1.0, 1.0),
            (false, _) => 0.03 * random.between(-1.0, 1.0),
        };
        phase = phase.fract();
        let loudness = (part * std::f32::consts::PI).sin().sqrt();
        audio.push(loudness * formants.iter_mut().map(|formant| formant.next(source)).sum::<f32>());
    }
}

/// Mean power in dB of full scale.
pub fn level(audio: &[f32]) -> f32 {
    let power = audio.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / audio.len().max(1) as f64;
    10.0 * (power.max(1e-12)).log10() as f32
}

/// The largest normalized correlation over delays of the second signal of up to `delays` samples, and that delay.
pub fn correlation(one: &[f32], two: &[f32], delays: usize) -> (f32, usize) {
    let samples = one.len().min(two.len().saturating_sub(delays));
    let correlate = |delay: usize, step: usize| {
        let (mut product, mut one_energy, mut two_energy) = (0.0f64, 0.0f64, 0.0f64);
        for index in (0..samples).step_by(step) {
            let (one, two) = (f64::from(one[index]), f64::from(two[index + delay]));
            product += one * two;
            one_energy += one * one;
            two_energy += two * two;
        }
        (product / (one_energy * two_energy).sqrt().max(1e-12)) as f32
    };
    // Every 101st sample suffices for the delay. 101 is prime, so that no pitch period is a multiple of it.
    let delay = (0..=delays).max_by(|one, two| correlate(*one, 101).total_cmp(&correlate(*two, 101))).unwrap();
    (correlate(delay, 1), delay)
}
