//! Double talk from the start of a call: near speech must not be interrupted.

use super::continuous_voices::{HIGH, LOW, buzz, murmur};
use super::room::{Room, add, cut, gap, noise, process};
use super::synthetic_speech::{speech, vowel};

const SECONDS: usize = 16;

/// Longest tolerable gap, in milliseconds.
const LONGEST_GAP: usize = 100;

fn softer(audio: &[f32], by: f32) -> Vec<f32> {
    audio.iter().map(|sample| sample * by).collect()
}

/// The longest gaps in the near speech, in milliseconds: before the second `from`, and after it.
fn longest_gaps(far: &[f32], near: &[f32], room: Option<Room>, from: usize) -> (usize, usize) {
    let echo = room.map_or_else(|| vec![0.0; far.len()], |room| room.echo(far));
    let sent = process(far, &add(&add(&echo, near), &noise(far.len())));
    let gap_between = |from, to| gap(cut(near, from, to), cut(&sent, from, to));
    (gap_between(0, from), gap_between(from, SECONDS))
}

/// Continuous voices with a pitch: far, then near.
fn pitched_voices() -> Vec<(&'static str, Vec<f32>, Vec<f32>)> {
    let seconds = SECONDS as f32;
    let (low, high) = (buzz(seconds, LOW), buzz(seconds, HIGH));
    vec![
        ("near high", low.clone(), high.clone()),
        ("near low", high.clone(), low.clone()),
        ("near high and soft", low.clone(), softer(&high, 0.25)),
        ("near low and soft", high.clone(), softer(&low, 0.25)),
        ("near high, far vowel", vowel(seconds, 5), high),
    ]
}

/// Continuous voices without a pitch: far, then near.
fn unpitched_voices() -> Vec<(&'static str, Vec<f32>, Vec<f32>)> {
    let seconds = SECONDS as f32;
    vec![
        ("murmurs", murmur(seconds, 1), murmur(seconds, 2)),
        ("near murmur soft", murmur(seconds, 3), softer(&murmur(seconds, 4), 0.25)),
    ]
}

/// Speech with pauses, in which the canceller cannot adapt.
fn speeches() -> impl Iterator<Item = (u64, Vec<f32>, Vec<f32>)> {
    (40..48).map(|seed| (seed, speech(SECONDS as f32, seed), speech(SECONDS as f32, seed + 10)))
}

#[test]
fn headphones_do_not_interrupt_near_voices() {
    for (name, far, near) in pitched_voices().into_iter().chain(unpitched_voices()) {
        let (before, after) = longest_gaps(&far, &near, None, 2);
        println!("headphones, {name}: {before} ms in the first 2 s, then {after} ms");
        assert!(after <= LONGEST_GAP, "{name}: {after} ms");
    }
}

#[test]
fn headphones_do_not_interrupt_near_speech() {
    for (seed, far, near) in speeches() {
        let (before, after) = longest_gaps(&far, &near, None, 4);
        println!("headphones, speech {seed}: {before} ms in the first 4 s, then {after} ms");
        assert!(after <= LONGEST_GAP, "{seed}: {after} ms");
    }
}

/// Without pitched voices: with those the canceller adapts badly to a room, as does WebRTC's.
#[test]
fn a_loudspeaker_does_not_interrupt_near_voices() {
    let room = Room { delay: 60, gain: 0.5 };
    for (name, far, near) in unpitched_voices() {
        let (before, after) = longest_gaps(&far, &near, Some(room), 2);
        println!("loudspeaker, {name}: {before} ms in the first 2 s, then {after} ms");
        assert!(after <= LONGEST_GAP, "{name}: {after} ms");
    }
}
