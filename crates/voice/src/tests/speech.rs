//! Something like speech, the same every time.

use std::f32::consts::TAU;

use crate::RATE;

/// Numbers that look random (xorshift, Marsaglia 2003).
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
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

/// A resonance of the mouth: a filter with two poles.
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

/// Seconds of syllables, with and without a voice, and pauses between words. The loudest is 0.5.
pub fn speech(seconds: f32, seed: u64) -> Vec<f32> {
    let mut dice = Dice::new(seed);
    let frames = (seconds * RATE as f32) as usize;
    let mut sound = Vec::with_capacity(frames);
    while sound.len() < frames {
        let length = (dice.between(0.12, 0.3) * RATE as f32) as usize;
        if dice.next() < 0.15 {
            sound.extend(std::iter::repeat_n(0.0, length));
        } else {
            syllable(&mut sound, length, &mut dice);
        }
    }
    sound.truncate(frames);
    let loudest = sound.iter().fold(f32::MIN_POSITIVE, |most, sample| most.max(sample.abs()));
    sound.iter_mut().for_each(|sample| *sample *= 0.5 / loudest);
    sound
}

/// A voice that never stops, whose pitch moves.
pub fn vowel(seconds: f32, seed: u64) -> Vec<f32> {
    let mut dice = Dice::new(seed);
    let mut sound = Vec::new();
    let frames = (seconds * RATE as f32) as usize;
    let mut formants = [Formant::new(600.0, 80.0), Formant::new(1200.0, 100.0), Formant::new(2500.0, 150.0)];
    let mut phase = 0.0f32;
    for index in 0..frames {
        let pitch = 140.0 + 30.0 * (TAU * 0.2 * index as f32 / RATE as f32).sin();
        phase += pitch / RATE as f32;
        let pulse = if phase >= 1.0 { 1.0 } else { 0.0 };
        phase = phase.fract();
        let source = pulse + 0.002 * dice.between(-1.0, 1.0);
        sound.push(formants.iter_mut().map(|formant| formant.next(source)).sum::<f32>());
    }
    let loudest = sound.iter().fold(f32::MIN_POSITIVE, |most, sample| most.max(sample.abs()));
    sound.iter_mut().for_each(|sample| *sample *= 0.5 / loudest);
    sound
}

fn syllable(sound: &mut Vec<f32>, length: usize, dice: &mut Dice) {
    let mut formants = [
        Formant::new(dice.between(300.0, 800.0), 80.0),
        Formant::new(dice.between(900.0, 2200.0), 110.0),
        Formant::new(dice.between(2300.0, 3500.0), 160.0),
    ];
    let is_voiced = dice.next() < 0.8;
    let (from, to) = (dice.between(90.0, 220.0), dice.between(90.0, 220.0));
    let mut phase = 0.0;
    for index in 0..length {
        let part = index as f32 / length as f32;
        phase += (from + (to - from) * part) / RATE as f32;
        let source = match (is_voiced, phase >= 1.0) {
            (true, true) => 1.0,
            (true, false) => 0.004 * dice.between(-1.0, 1.0),
            (false, _) => 0.03 * dice.between(-1.0, 1.0),
        };
        phase = phase.fract();
        let loudness = (part * std::f32::consts::PI).sin().sqrt();
        sound.push(loudness * formants.iter_mut().map(|formant| formant.next(source)).sum::<f32>());
    }
}

/// The mean power, in dB of full scale.
pub fn level(sound: &[f32]) -> f32 {
    let power = sound.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / sound.len().max(1) as f64;
    10.0 * (power.max(1e-12)).log10() as f32
}

/// How alike two sounds are, whatever their loudness, at the best of the first `delays` delays of the second.
pub fn likeness(one: &[f32], two: &[f32], delays: usize) -> (f32, usize) {
    let frames = one.len().min(two.len().saturating_sub(delays));
    let alike = |delay: usize, step: usize| {
        let (mut both, mut first, mut second) = (0.0f64, 0.0f64, 0.0f64);
        for index in (0..frames).step_by(step) {
            let (one, two) = (f64::from(one[index]), f64::from(two[index + delay]));
            both += one * two;
            first += one * one;
            second += two * two;
        }
        (both / (first * second).sqrt().max(1e-12)) as f32
    };
    // A part of the frames tells the delay; prime, so that no voice keeps step with it.
    let delay = (0..=delays).max_by(|one, two| alike(*one, 101).total_cmp(&alike(*two, 101))).unwrap();
    (alike(delay, 1), delay)
}
