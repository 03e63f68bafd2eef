//! Audio processing of a voice call inside an audio worklet: jitter buffer for received audio, echo cancellation for the
//! microphone.
//!
//! [`AudioProcessor`] does both, one render quantum at a time. It takes decoded packets with their timestamps as they arrive,
//! and outputs gapless audio for the speaker ([`JitterBuffer`]). It outputs the microphone's audio in packets of 20 ms, without
//! the echo of the speaker ([`MicrophoneProcessor`]). The module [`abi`] exports it to JavaScript, which loads this crate as
//! WebAssembly (`ui/static-app/voice-worklet.js`).
//!
//! All audio is mono at 48 kHz. Nothing here has a clock, a thread or a random source: the current time is an argument, counted
//! in samples of the sound card (`currentFrame` of the Web Audio API).

pub mod abi;
mod audio_processor;
mod delay_estimator;
mod echo_canceller;
mod jitter_buffer;
mod jitter_stats;
mod microphone_processor;
mod packet_buffer;
mod pitch;
mod plc;
mod time_stretch;
#[cfg(target_arch = "wasm32")]
mod wasm_fmaf;

pub use audio_processor::AudioProcessor;
pub use jitter_buffer::JitterBuffer;
pub use jitter_stats::JitterBufferStats;
pub use microphone_processor::MicrophoneProcessor;

/// Sample rate in Hz: native to both Opus and the echo canceller. Callers reject other rates.
pub const RATE: u32 = 48_000;

/// Samples in a block of the microphone's processing: 10 ms.
pub const BLOCK: usize = 480;

/// Samples in a packet of the microphone: 20 ms, the frame size of the Opus encoder.
pub const PACKET: usize = 960;

/// Samples in the longest accepted packet: 120 ms, the longest of Opus (RFC 6716, section 2.1.4).
pub const LONGEST_PACKET: usize = 5760;

/// Converts milliseconds to samples.
const fn ms(ms: i64) -> i64 {
    ms * (RATE as i64) / 1000
}

/// Limits a sample to the range from -1 to 1; NaN and infinity become silence.
fn sanitize(sample: f32) -> f32 {
    if sample.is_finite() { sample.clamp(-1.0, 1.0) } else { 0.0 }
}

#[cfg(test)]
mod tests;
