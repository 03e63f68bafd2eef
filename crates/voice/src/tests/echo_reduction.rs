//! Echo reduction, and preservation of near speech.

use super::room::{Room, add, cut, noise, process};
use super::synthetic_speech::{correlation, level, speech};

/// Echo reduction in dB.
#[derive(Debug)]
struct EchoReduction {
    /// In the first 2 s of the call.
    at_once: f32,
    /// From 1 s to 3 s.
    soon: f32,
    /// From 4 s on.
    later: f32,
}

fn echo_reduction(seconds: usize, delay: usize) -> EchoReduction {
    let far = speech(seconds as f32, 22);
    let microphone = add(&Room { delay, gain: 0.5 }.echo(&far), &noise(far.len()));
    let clean = process(&far, &microphone);
    let reduction = |from, to| level(cut(&microphone, from, to)) - level(cut(&clean, from, to));
    let reduction = EchoReduction { at_once: reduction(0, 2), soon: reduction(1, 3), later: reduction(4, seconds) };
    println!("echo after {delay} ms, reduced by: {reduction:.1?} dB");
    reduction
}

#[test]
fn echo_is_cancelled() {
    for delay in [20, 60, 150] {
        let reduction = echo_reduction(8, delay);
        assert!(
            reduction.at_once >= 20.0 && reduction.soon >= 25.0 && reduction.later >= 30.0,
            "{delay} ms: {reduction:?}"
        );
    }
}

/// An echo within less than 3 ms is not found; no sound card is that fast. Slow without optimization.
#[test]
#[ignore = "slow: the same at more delays, for longer"]
fn echo_is_cancelled_at_any_delay() {
    for delay in [3, 5, 10, 20, 40, 60, 100, 150, 200, 300, 400] {
        assert!(echo_reduction(15, delay).later >= 25.0, "{delay} ms");
    }
}

#[test]
fn near_speech_is_preserved_during_far_speech() {
    let far = speech(12.0, 23);
    let mut near = speech(12.0, 24);
    near[..4 * 48_000].fill(0.0);
    let microphone = add(&add(&Room { delay: 60, gain: 0.5 }.echo(&far), &near), &noise(far.len()));
    let clean = process(&far, &microphone);
    let alone = process(&vec![0.0; near.len()], &add(&near, &noise(near.len())));
    let (to_alone, _) = correlation(cut(&alone, 5, 12), cut(&clean, 5, 12), 960);
    let (before, _) = correlation(cut(&near, 5, 12), cut(&microphone, 5, 12), 960);
    let (after, delay) = correlation(cut(&near, 5, 12), cut(&clean, 5, 12), 960);
    let lost = level(cut(&alone, 5, 12)) - level(cut(&clean, 5, 12));
    println!(
        "double talk: correlation with the near speech {before:.2} before, {after:.2} after ({delay} samples late);"
    );
    println!("correlation with the output without far speech {to_alone:.2}, {lost:.1} dB softer");
    assert!(to_alone > 0.85 && after > 0.7, "{to_alone} {after}");
    assert!(lost.abs() < 3.0, "{lost} dB");
}

#[test]
fn near_speech_without_echo_is_unchanged() {
    let near = speech(10.0, 25);
    let clean = process(&vec![0.0; near.len()], &add(&near, &noise(near.len())));
    let (like, delay) = correlation(cut(&near, 4, 10), cut(&clean, 4, 10), 960);
    let louder = level(cut(&clean, 4, 10)) - level(cut(&near, 4, 10));
    println!("near speech only: correlation {like:.3}, {louder:.1} dB louder, {delay} samples late");
    assert!(like > 0.95, "{like}");
    assert!(louder.abs() < 6.0, "{louder} dB");
}
