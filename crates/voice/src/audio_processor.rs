//! Audio processor of a call: jitter buffer and microphone processing, one render quantum at a time.

use crate::{BLOCK, JitterBuffer, JitterBufferStats, MicrophoneProcessor, PACKET, RATE, sanitize};

/// Processes the audio of a call in both directions, on the clock of one sound card.
#[derive(Debug)]
pub struct AudioProcessor {
    jitter_buffer: JitterBuffer,
    microphone_processor: MicrophoneProcessor,
    speaker: Box<[f32; BLOCK]>,
    microphone: Box<[f32; BLOCK]>,
    clean: Box<[f32; BLOCK]>,
    /// Number of samples in the current block.
    filled: usize,
    /// Whether all of the current block has microphone audio.
    has_microphone: bool,
    is_capturing: bool,
    packet: Vec<f32>,
}

impl Default for AudioProcessor {
    fn default() -> Self {
        Self {
            jitter_buffer: JitterBuffer::default(),
            microphone_processor: MicrophoneProcessor::default(),
            speaker: Box::new([0.0; BLOCK]),
            microphone: Box::new([0.0; BLOCK]),
            clean: Box::new([0.0; BLOCK]),
            filled: 0,
            has_microphone: true,
            is_capturing: false,
            packet: Vec::with_capacity(PACKET),
        }
    }
}

impl AudioProcessor {
    /// Inserts a decoded packet. See [`JitterBuffer::insert`].
    pub fn insert(&mut self, timestamp: i64, now: i64, samples: &[f32]) {
        self.jitter_buffer.insert(timestamp, now, samples);
    }

    /// Sets whether the microphone's packets are output. The echo canceller adapts in either case.
    pub fn set_capturing(&mut self, on: bool) {
        if on != self.is_capturing {
            self.is_capturing = on;
            self.microphone_processor.set_output_used(on);
            self.packet.clear();
        }
    }

    /// Processes the render quantum that starts at sample `now`: fills `speaker`, and reads as many samples of `microphone`.
    ///
    /// Calls `captured` for each complete packet of the microphone, with the capture time of its first sample on the sound
    /// card's clock, in microseconds. Without a microphone the packets are silent.
    pub fn process(
        &mut self,
        now: i64,
        microphone: Option<&[f32]>,
        speaker: &mut [f32],
        mut captured: impl FnMut(i64, &[f32]),
    ) {
        self.jitter_buffer.pull(now, speaker);
        for (index, played) in speaker.iter().enumerate() {
            let sample = microphone.map(|samples| samples.get(index).copied().unwrap_or(0.0));
            self.has_microphone &= sample.is_some();
            self.speaker[self.filled] = *played;
            self.microphone[self.filled] = sanitize(sample.unwrap_or(0.0));
            self.filled += 1;
            if self.filled == BLOCK {
                self.process_block();
                if self.packet.len() == PACKET {
                    let start = now + index as i64 + 1 - PACKET as i64;
                    captured(start.max(0).saturating_mul(1_000_000) / i64::from(RATE), &self.packet);
                    self.packet.clear();
                }
            }
        }
    }

    /// See [`JitterBuffer::playing`].
    pub fn playing(&self) -> Option<i64> {
        self.jitter_buffer.playing()
    }

    /// See [`JitterBuffer::target`].
    pub fn target(&self) -> i64 {
        self.jitter_buffer.target()
    }

    /// See [`JitterBuffer::stats`].
    pub fn stats(&self) -> &JitterBufferStats {
        self.jitter_buffer.stats()
    }

    fn process_block(&mut self) {
        if self.has_microphone {
            self.microphone_processor.process(&self.speaker, &self.microphone, &mut self.clean);
        } else {
            self.clean.fill(0.0);
        }
        if self.is_capturing {
            self.packet.extend_from_slice(&self.clean[..]);
        }
        (self.filled, self.has_microphone) = (0, true);
    }
}
