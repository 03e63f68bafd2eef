//! Simulation of a room, in which the speaker's audio reaches the microphone.

use super::synthetic_speech::{Xorshift, level};
use crate::{BLOCK, MicrophoneProcessor};

/// Acoustic path from the speaker to the microphone.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    /// Delay in milliseconds, including the devices.
    pub delay: usize,
    /// Gain of the direct path.
    pub gain: f32,
}

impl Room {
    /// The echo in the microphone: distorted by the loudspeaker, and reflected by walls.
    pub fn echo(self, played: &[f32]) -> Vec<f32> {
        let paths = [(0.0, 1.0), (3.1, 0.4), (7.7, -0.3), (14.9, 0.2), (23.3, -0.12), (41.0, 0.06)];
        let distorted: Vec<f32> = played.iter().map(|sample| (sample * 1.2).tanh() / 1.2).collect();
        let mut echo = vec![0.0; played.len()];
        for (later, part) in paths {
            let delay = self.delay * 48 + (later * 48.0) as usize;
            for (to, from) in echo[delay..].iter_mut().zip(&distorted) {
                *to += self.gain * part * from;
            }
        }
        echo
    }
}

/// Noise of a quiet room: -66 dB of full scale.
pub fn noise(samples: usize) -> Vec<f32> {
    let mut random = Xorshift::new(21);
    (0..samples).map(|_| 0.0009 * random.between(-1.0, 1.0)).collect()
}

pub fn add(one: &[f32], two: &[f32]) -> Vec<f32> {
    one.iter().zip(two).map(|(one, two)| one + two).collect()
}

/// Processes a call's microphone from its start.
pub fn process(speaker: &[f32], microphone: &[f32]) -> Vec<f32> {
    let mut processor = MicrophoneProcessor::default();
    let mut clean = [0.0; BLOCK];
    let mut output = Vec::new();
    for (speaker, microphone) in speaker.as_chunks::<BLOCK>().0.iter().zip(microphone.as_chunks::<BLOCK>().0) {
        processor.process(speaker, microphone, &mut clean);
        output.extend_from_slice(&clean);
    }
    output
}

/// The part from second `from` to second `to`.
pub fn cut(audio: &[f32], from: usize, to: usize) -> &[f32] {
    &audio[from * 48_000..to * 48_000]
}

/// The longest time, in milliseconds, for which sent speech is below -60 dB of full scale, or 40 dB softer than spoken.
///
/// Ignores speech below -50 dB. The output may be up to 30 ms late.
pub fn gap(spoken: &[f32], sent: &[f32]) -> usize {
    let levels = |audio: &[f32]| audio.as_chunks::<BLOCK>().0.iter().map(|block| level(block)).collect::<Vec<_>>();
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
