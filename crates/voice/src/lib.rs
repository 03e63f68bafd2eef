//! A call's voice, as it runs inside an audio worklet: what the speaker plays, and what becomes of the microphone.
//!
//! [`Line`] is both together, a render quantum at a time: decoded voice goes in with its timestamps as it arrives, sound for
//! the speaker comes out without gaps ([`JitterBuffer`]), and the microphone's sound comes out in packets of 20 ms, without
//! what the speaker played ([`Microphone`]). The module [`abi`] is the same for JavaScript, which loads this crate as
//! WebAssembly (`ui/static/voice-worklet.js`).
//!
//! Everything here is mono at 48 kHz, and nothing here has a clock, a thread or a random source: time is the number of the
//! frame that the sound card is at, and comes in as an argument.

pub mod abi;
mod conceal;
mod delay;
mod echo;
#[cfg(target_arch = "wasm32")]
mod fused_wasm;
mod jitter;
mod line;
mod microphone;
mod pitch;
mod stats;
mod store;
mod stretch;

pub use jitter::JitterBuffer;
pub use line::Line;
pub use microphone::Microphone;
pub use stats::Stats;

/// Frames (samples of the one channel) a second. Opus and the voice processing both know it; others are refused outside.
pub const RATE: u32 = 48_000;

/// Frames that the voice processing takes at a time: 10 ms.
pub const BLOCK: usize = 480;

/// Frames in a packet of the microphone: 20 ms, as Opus encodes it.
pub const PACKET: usize = 960;

/// Frames of the longest packet that is taken: 120 ms, the longest of Opus (RFC 6716, section 2.1.4).
pub const LONGEST_PACKET: usize = 5760;

/// Frames in `ms` milliseconds.
const fn ms(ms: i64) -> i64 {
    ms * (RATE as i64) / 1000
}

/// What a sound card may be given: a number between -1 and 1.
fn sound(sample: f32) -> f32 {
    if sample.is_finite() { sample.clamp(-1.0, 1.0) } else { 0.0 }
}

#[cfg(test)]
mod tests;
