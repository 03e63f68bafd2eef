//! Speaker and microphone together, a render quantum at a time.

use crate::{BLOCK, JitterBuffer, Microphone, PACKET, RATE, Stats, sound};

/// A call's voice, both ways, on the clock of one sound card.
#[derive(Debug)]
pub struct Line {
    remote: JitterBuffer,
    microphone: Microphone,
    speaker: Box<[f32; BLOCK]>,
    heard: Box<[f32; BLOCK]>,
    clean: Box<[f32; BLOCK]>,
    /// How much of the block there is.
    filled: usize,
    /// Whether the microphone was there for all of the block.
    is_heard: bool,
    is_capturing: bool,
    packet: Vec<f32>,
}

impl Default for Line {
    fn default() -> Self {
        Self {
            remote: JitterBuffer::default(),
            microphone: Microphone::default(),
            speaker: Box::new([0.0; BLOCK]),
            heard: Box::new([0.0; BLOCK]),
            clean: Box::new([0.0; BLOCK]),
            filled: 0,
            is_heard: true,
            is_capturing: false,
            packet: Vec::with_capacity(PACKET),
        }
    }
}

impl Line {
    /// Takes a decoded packet. See [`JitterBuffer::insert`].
    pub fn insert(&mut self, timestamp: i64, frame: i64, samples: &[f32]) {
        self.remote.insert(timestamp, frame, samples);
    }

    /// Whether the microphone's packets are wanted. Without them it is still listened to: the echo is learned all the time.
    pub fn capture(&mut self, on: bool) {
        if on != self.is_capturing {
            self.is_capturing = on;
            self.microphone.set_used(on);
            self.packet.clear();
        }
    }

    /// Plays and hears the frames from `frame` on: fills `speaker`, and takes as many of `microphone`, if there is one.
    ///
    /// `captured` is given every packet of the microphone that is complete, with the time of its first frame by the sound
    /// card's clock, in microseconds. Without a microphone it is silence.
    pub fn process(
        &mut self,
        frame: i64,
        microphone: Option<&[f32]>,
        speaker: &mut [f32],
        mut captured: impl FnMut(i64, &[f32]),
    ) {
        self.remote.pull(frame, speaker);
        for (index, played) in speaker.iter().enumerate() {
            let heard = microphone.map(|samples| samples.get(index).copied().unwrap_or(0.0));
            self.is_heard &= heard.is_some();
            self.speaker[self.filled] = *played;
            self.heard[self.filled] = sound(heard.unwrap_or(0.0));
            self.filled += 1;
            if self.filled == BLOCK {
                self.block();
                if self.packet.len() == PACKET {
                    let start = frame + index as i64 + 1 - PACKET as i64;
                    captured(start.max(0).saturating_mul(1_000_000) / i64::from(RATE), &self.packet);
                    self.packet.clear();
                }
            }
        }
    }

    /// See [`JitterBuffer::playing`].
    pub fn playing(&self) -> Option<i64> {
        self.remote.playing()
    }

    /// See [`JitterBuffer::target`].
    pub fn target(&self) -> i64 {
        self.remote.target()
    }

    /// See [`JitterBuffer::stats`].
    pub fn stats(&self) -> &Stats {
        self.remote.stats()
    }

    fn block(&mut self) {
        if self.is_heard {
            self.microphone.process(&self.speaker, &self.heard, &mut self.clean);
        } else {
            self.clean.fill(0.0);
        }
        if self.is_capturing {
            self.packet.extend_from_slice(&self.clean[..]);
        }
        (self.filled, self.is_heard) = (0, true);
    }
}
