//! Exports of the WebAssembly module: [`AudioProcessor`] for JavaScript, without generated bindings, since an audio worklet has
//! neither `TextDecoder` nor `fetch`.
//!
//! The module has one processor. Samples are passed in buffers in its memory, whose addresses never change; JavaScript must
//! recreate its views when the memory grows. Times and positions are `f64`, JavaScript's number type.
#![allow(unsafe_code, reason = "only for exporting symbols: nothing here dereferences a pointer")]

use std::cell::RefCell;

use crate::{AudioProcessor, LONGEST_PACKET, PACKET};

/// Samples that can be processed at a time. A render quantum has 128.
const LONGEST_QUANTUM: usize = 960;

/// Number of values that [`hutong_voice_stats`] returns.
const STATS: usize = 12;

/// The processor, and the buffers that JavaScript reads and writes.
struct WorkletState {
    processor: AudioProcessor,
    remote: Box<[f32]>,
    microphone: Box<[f32]>,
    speaker: Box<[f32]>,
    captured: Box<[f32]>,
    captured_at: f64,
    stats: Box<[f64]>,
}

impl Default for WorkletState {
    fn default() -> Self {
        Self {
            processor: AudioProcessor::default(),
            remote: vec![0.0; LONGEST_PACKET].into(),
            microphone: vec![0.0; LONGEST_QUANTUM].into(),
            speaker: vec![0.0; LONGEST_QUANTUM].into(),
            captured: vec![0.0; PACKET].into(),
            captured_at: 0.0,
            stats: vec![0.0; STATS].into(),
        }
    }
}

thread_local! {
    static STATE: RefCell<WorkletState> = RefCell::default();
}

fn with_state<T>(access: impl FnOnce(&mut WorkletState) -> T) -> T {
    STATE.with_borrow_mut(access)
}

/// Converts to an integer, within the range that JavaScript represents exactly.
fn to_integer(number: f64) -> i64 {
    const EXACT: f64 = (1u64 << 53) as f64;
    number.clamp(-EXACT, EXACT) as i64
}

/// Address of the buffer for a received packet, written before [`hutong_voice_insert`].
#[unsafe(no_mangle)]
pub extern "C" fn hutong_voice_remote() -> *mut f32 {
    with_state(|state| state.remote.as_mut_ptr())
}

/// Capacity of that buffer in samples.
#[unsafe(no_mangle)]
pub extern "C" fn hutong_voice_longest_packet() -> usize {
    LONGEST_PACKET
}

/// Address of the buffer for the microphone's samples, written before [`hutong_voice_process`].
#[unsafe(no_mangle)]
pub extern "C" fn hutong_voice_microphone() -> *mut f32 {
    with_state(|state| state.microphone.as_mut_ptr())
}

/// Address of the buffer with the speaker's samples, filled by [`hutong_voice_process`].
#[unsafe(no_mangle)]
pub extern "C" fn hutong_voice_speaker() -> *const f32 {
    with_state(|state| state.speaker.as_ptr())
}

/// Largest number of samples for [`hutong_voice_process`].
#[unsafe(no_mangle)]
pub extern "C" fn hutong_voice_longest_quantum() -> usize {
    LONGEST_QUANTUM
}

/// Address of the buffer with a captured packet, filled by [`hutong_voice_process`].
#[unsafe(no_mangle)]
pub extern "C" fn hutong_voice_captured() -> *const f32 {
    with_state(|state| state.captured.as_ptr())
}

/// Number of samples in a captured packet.
#[unsafe(no_mangle)]
pub extern "C" fn hutong_voice_packet() -> usize {
    PACKET
}

/// Inserts the first `samples` samples at [`hutong_voice_remote`], which arrived at `frame`. See [`AudioProcessor::insert`].
#[unsafe(no_mangle)]
pub extern "C" fn hutong_voice_insert(timestamp: f64, frame: f64, samples: usize) {
    with_state(|state| {
        let samples = &state.remote[..samples.min(LONGEST_PACKET)];
        state.processor.insert(to_integer(timestamp), to_integer(frame), samples);
    });
}

/// Sets whether the microphone's packets are output (not 0). See [`AudioProcessor::set_capturing`].
#[unsafe(no_mangle)]
pub extern "C" fn hutong_voice_capture(on: u32) {
    with_state(|state| state.processor.set_capturing(on != 0));
}

/// Processes `samples` samples from `frame` on. `microphone` is 0 if there is none. See [`AudioProcessor::process`].
///
/// Returns 1 if a packet was captured, else 0.
#[unsafe(no_mangle)]
pub extern "C" fn hutong_voice_process(frame: f64, samples: usize, microphone: u32) -> u32 {
    with_state(|state| {
        let samples = samples.min(LONGEST_QUANTUM);
        let microphone = (microphone != 0).then_some(&state.microphone[..samples]);
        let (captured, captured_at) = (&mut state.captured, &mut state.captured_at);
        let mut is_captured = 0;
        state.processor.process(to_integer(frame), microphone, &mut state.speaker[..samples], |at, packet| {
            captured.copy_from_slice(packet);
            *captured_at = at as f64;
            is_captured = 1;
        });
        is_captured
    })
}

/// Capture time of the first sample at [`hutong_voice_captured`], in microseconds.
#[unsafe(no_mangle)]
pub extern "C" fn hutong_voice_captured_at() -> f64 {
    with_state(|state| state.captured_at)
}

/// The sender's timestamp of the audio being played, in microseconds, or NaN. See [`AudioProcessor::playing`].
#[unsafe(no_mangle)]
pub extern "C" fn hutong_voice_playing() -> f64 {
    with_state(|state| state.processor.playing().map_or(f64::NAN, |timestamp| timestamp as f64))
}

/// Address of the statistics: the members of [`JitterBufferStats`](crate::JitterBufferStats) in their order, then the target delay
/// in samples.
#[unsafe(no_mangle)]
pub extern "C" fn hutong_voice_stats() -> *const f64 {
    with_state(|state| {
        let stats = *state.processor.stats();
        let counters = [
            stats.emitted,
            stats.received,
            stats.concealed,
            stats.silent,
            stats.concealments,
            stats.inserted,
            stats.removed,
            stats.discarded,
            stats.packets,
        ];
        state.stats[..2].copy_from_slice(&[stats.delay, stats.target_delay]);
        for (to, from) in state.stats[2..].iter_mut().zip(counters) {
            *to = from as f64;
        }
        state.stats[STATS - 1] = state.processor.target() as f64;
        state.stats.as_ptr()
    })
}
