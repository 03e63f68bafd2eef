//! A room: what the speaker plays comes back to the microphone, and somebody may speak.

use super::speech::{Dice, level};
use crate::{BLOCK, Microphone};

/// How sound gets from the speaker to the microphone.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    /// Until it arrives, in milliseconds, with the time that the devices take.
    pub delay: usize,
    /// How loud it then is.
    pub gain: f32,
}

impl Room {
    /// What the microphone hears of it: the loudspeaker is not quite linear, and walls reflect.
    pub fn echo(self, played: &[f32]) -> Vec<f32> {
        let paths = [(0.0, 1.0), (3.1, 0.4), (7.7, -0.3), (14.9, 0.2), (23.3, -0.12), (41.0, 0.06)];
        let distorted: Vec<f32> = played.iter().map(|sample| (sample * 1.2).tanh() / 1.2).collect();
        let mut heard = vec![0.0; played.len()];
        for (later, part) in paths {
            let delay = self.delay * 48 + (later * 48.0) as usize;
            for (to, from) in heard[delay..].iter_mut().zip(&distorted) {
                *to += self.gain * part * from;
            }
        }
        heard
    }
}

/// Noise of a quiet room, -66 dB of full scale.
pub fn noise(frames: usize) -> Vec<f32> {
    let mut dice = Dice::new(21);
    (0..frames).map(|_| 0.0009 * dice.between(-1.0, 1.0)).collect()
}

pub fn add(one: &[f32], two: &[f32]) -> Vec<f32> {
    one.iter().zip(two).map(|(one, two)| one + two).collect()
}

/// What becomes of the microphone's sound, from the first moment of a call on.
pub fn process(speaker: &[f32], microphone: &[f32]) -> Vec<f32> {
    let mut processing = Microphone::default();
    let mut clean = [0.0; BLOCK];
    let mut output = Vec::new();
    for (speaker, microphone) in speaker.as_chunks::<BLOCK>().0.iter().zip(microphone.as_chunks::<BLOCK>().0) {
        processing.process(speaker, microphone, &mut clean);
        output.extend_from_slice(&clean);
    }
    output
}

/// The seconds from `from` to `to`.
pub fn cut(sound: &[f32], from: usize, to: usize) -> &[f32] {
    &sound[from * 48_000..to * 48_000]
}

/// The longest time, in milliseconds, for which a voice is under -60 dB of full scale, or 40 dB softer than it was spoken.
///
/// Where it was itself under -50 dB, nothing is asked. What comes out may be up to 30 ms late.
pub fn gap(spoken: &[f32], sent: &[f32]) -> usize {
    let levels = |sound: &[f32]| sound.as_chunks::<BLOCK>().0.iter().map(|block| level(block)).collect::<Vec<_>>();
    let (spoken, sent) = (levels(spoken), levels(sent));
    let (mut run, mut longest) = (0, 0);
    for (index, sent) in sent.iter().enumerate() {
        let softest = spoken[index.saturating_sub(3)..=index].iter().fold(f32::MAX, |least, level| least.min(*level));
        let is_gap = softest > -50.0 && (*sent < -60.0 || *sent < softest - 40.0);
        run = if is_gap { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest * 10
}
