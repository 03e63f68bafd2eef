//! How much of what the speaker plays is left of it, and what becomes of who speaks meanwhile.

use super::room::{Room, add, cut, noise, process};
use super::speech::{level, likeness, speech};

/// How much less of an echo there is after the processing, in dB.
#[derive(Debug)]
struct Less {
    /// In the first two seconds of the call.
    at_once: f32,
    /// From the second second to the third.
    soon: f32,
    /// From the fourth second on.
    later: f32,
}

fn attenuation(seconds: usize, delay: usize) -> Less {
    let far = speech(seconds as f32, 22);
    let heard = add(&Room { delay, gain: 0.5 }.echo(&far), &noise(far.len()));
    let clean = process(&far, &heard);
    let less = |from, to| level(cut(&heard, from, to)) - level(cut(&clean, from, to));
    let less = Less { at_once: less(0, 2), soon: less(1, 3), later: less(4, seconds) };
    println!("echo after {delay} ms: {less:.1?} dB less");
    less
}

#[test]
fn the_echo_goes_away() {
    for delay in [20, 60, 150] {
        let less = attenuation(8, delay);
        assert!(less.at_once >= 20.0 && less.soon >= 25.0 && less.later >= 30.0, "{delay} ms: {less:?}");
    }
}

/// An echo within less than 3 ms would not be found; no sound card is that quick. Slow without optimisation.
#[test]
#[ignore = "the same at more delays, and longer"]
fn the_echo_goes_away_at_any_delay() {
    for delay in [3, 5, 10, 20, 40, 60, 100, 150, 200, 300, 400] {
        assert!(attenuation(15, delay).later >= 25.0, "{delay} ms");
    }
}

#[test]
fn who_speaks_at_the_same_time_is_heard() {
    let far = speech(12.0, 23);
    let mut near = speech(12.0, 24);
    near[..4 * 48_000].fill(0.0);
    let heard = add(&add(&Room { delay: 60, gain: 0.5 }.echo(&far), &near), &noise(far.len()));
    let clean = process(&far, &heard);
    let alone = process(&vec![0.0; near.len()], &add(&near, &noise(near.len())));
    let (like, _) = likeness(cut(&alone, 5, 12), cut(&clean, 5, 12), 960);
    let (before, _) = likeness(cut(&near, 5, 12), cut(&heard, 5, 12), 960);
    let (after, delay) = likeness(cut(&near, 5, 12), cut(&clean, 5, 12), 960);
    let lost = level(cut(&alone, 5, 12)) - level(cut(&clean, 5, 12));
    println!("both speak: likeness to the voice {before:.2} before, {after:.2} after ({delay} frames late);");
    println!("to what comes out when nothing is played {like:.2}, {lost:.1} dB softer");
    assert!(like > 0.85 && after > 0.7, "{like} {after}");
    assert!(lost.abs() < 3.0, "{lost} dB");
}

#[test]
fn without_anything_played_the_voice_is_left_alone() {
    let near = speech(10.0, 25);
    let clean = process(&vec![0.0; near.len()], &add(&near, &noise(near.len())));
    let (like, delay) = likeness(cut(&near, 4, 10), cut(&clean, 4, 10), 960);
    let louder = level(cut(&clean, 4, 10)) - level(cut(&near, 4, 10));
    println!("alone: likeness {like:.3}, {louder:.1} dB louder, {delay} frames late");
    assert!(like > 0.95, "{like}");
    assert!(louder.abs() < 6.0, "{louder} dB");
}
