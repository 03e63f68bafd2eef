//! [`Line`] for JavaScript without any glue: an audio worklet has neither `TextDecoder` nor `fetch`.
//!
//! The module has one line. Samples are passed in buffers of its memory, whose addresses never change; views of the memory
//! are to be made anew whenever it has grown. Times and positions are `f64`, which JavaScript counts in.
#![allow(unsafe_code, reason = "only for the names of the functions: nothing here reads or writes through a pointer")]

use std::cell::RefCell;

use crate::{LONGEST_PACKET, Line, PACKET};

/// Frames that can be processed at a time. A render quantum has 128.
const LONGEST_QUANTUM: usize = 960;

/// How many numbers [`hutong_voice_stats`] gives.
const STATS: usize = 12;

struct Module {
    line: Line,
    remote: Box<[f32]>,
    microphone: Box<[f32]>,
    speaker: Box<[f32]>,
    captured: Box<[f32]>,
    captured_at: f64,
    stats: Box<[f64]>,
}

impl Default for Module {
    fn default() -> Self {
        Self {
            line: Line::default(),
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
    static MODULE: RefCell<Module> = RefCell::default();
}

fn with<T>(access: impl FnOnce(&mut Module) -> T) -> T {
    MODULE.with_borrow_mut(access)
}

/// The whole number that JavaScript can still count from.
fn whole(number: f64) -> i64 {
    const EXACT: f64 = (1u64 << 53) as f64;
    number.clamp(-EXACT, EXACT) as i64
}

/// Where the samples of a packet go, before [`hutong_voice_insert`].
#[unsafe(no_mangle)]
pub extern "C" fn hutong_voice_remote() -> *mut f32 {
    with(|module| module.remote.as_mut_ptr())
}

/// How many samples fit there.
#[unsafe(no_mangle)]
pub extern "C" fn hutong_voice_longest_packet() -> usize {
    LONGEST_PACKET
}

/// Where the microphone's samples go, before [`hutong_voice_process`].
#[unsafe(no_mangle)]
pub extern "C" fn hutong_voice_microphone() -> *mut f32 {
    with(|module| module.microphone.as_mut_ptr())
}

/// Where the speaker's samples are, after [`hutong_voice_process`].
#[unsafe(no_mangle)]
pub extern "C" fn hutong_voice_speaker() -> *const f32 {
    with(|module| module.speaker.as_ptr())
}

/// How many samples [`hutong_voice_process`] takes at most.
#[unsafe(no_mangle)]
pub extern "C" fn hutong_voice_longest_quantum() -> usize {
    LONGEST_QUANTUM
}

/// Where the samples of a captured packet are, after [`hutong_voice_process`].
#[unsafe(no_mangle)]
pub extern "C" fn hutong_voice_captured() -> *const f32 {
    with(|module| module.captured.as_ptr())
}

/// How many samples a captured packet has.
#[unsafe(no_mangle)]
pub extern "C" fn hutong_voice_packet() -> usize {
    PACKET
}

/// Takes the `samples` samples at [`hutong_voice_remote`], which arrived at `frame`. See [`Line::insert`].
#[unsafe(no_mangle)]
pub extern "C" fn hutong_voice_insert(timestamp: f64, frame: f64, samples: usize) {
    with(|module| {
        let samples = &module.remote[..samples.min(LONGEST_PACKET)];
        module.line.insert(whole(timestamp), whole(frame), samples);
    });
}

/// Whether the microphone's packets are wanted (not 0). See [`Line::capture`].
#[unsafe(no_mangle)]
pub extern "C" fn hutong_voice_capture(on: u32) {
    with(|module| module.line.capture(on != 0));
}

/// Plays and hears `samples` frames from `frame` on. `microphone` is 0 where there is none. See [`Line::process`].
///
/// Gives 1 when a packet was captured, else 0.
#[unsafe(no_mangle)]
pub extern "C" fn hutong_voice_process(frame: f64, samples: usize, microphone: u32) -> u32 {
    with(|module| {
        let samples = samples.min(LONGEST_QUANTUM);
        let heard = (microphone != 0).then_some(&module.microphone[..samples]);
        let (captured, captured_at) = (&mut module.captured, &mut module.captured_at);
        let mut is_captured = 0;
        module.line.process(whole(frame), heard, &mut module.speaker[..samples], |at, packet| {
            captured.copy_from_slice(packet);
            *captured_at = at as f64;
            is_captured = 1;
        });
        is_captured
    })
}

/// The time of the packet's first frame at [`hutong_voice_captured`], in microseconds.
#[unsafe(no_mangle)]
pub extern "C" fn hutong_voice_captured_at() -> f64 {
    with(|module| module.captured_at)
}

/// The sender's timestamp of what is played, in microseconds, or NaN. See [`Line::playing`].
#[unsafe(no_mangle)]
pub extern "C" fn hutong_voice_playing() -> f64 {
    with(|module| module.line.playing().map_or(f64::NAN, |timestamp| timestamp as f64))
}

/// Where the counters are: those of [`Stats`](crate::Stats) in their order, then the delay aimed at, in frames.
#[unsafe(no_mangle)]
pub extern "C" fn hutong_voice_stats() -> *const f64 {
    with(|module| {
        let stats = *module.line.stats();
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
        module.stats[..2].copy_from_slice(&[stats.delay, stats.target_delay]);
        for (to, from) in module.stats[2..].iter_mut().zip(counters) {
            *to = from as f64;
        }
        module.stats[STATS - 1] = module.line.target() as f64;
        module.stats.as_ptr()
    })
}
