//! Both sides speak at the same time, from the first moment of a call on: nobody is to be chopped.

use super::room::{Room, add, cut, gap, noise, process};
use super::speech::{speech, vowel};
use super::voices::{HIGH, LOW, buzz, murmur};

const SECONDS: usize = 16;

/// As long as the ear forgives, in milliseconds.
const LONGEST_GAP: usize = 100;

fn softer(sound: &[f32], by: f32) -> Vec<f32> {
    sound.iter().map(|sample| sample * by).collect()
}

/// The longest gaps of who speaks here, in milliseconds: before the second `from`, and after it.
fn gaps(far: &[f32], near: &[f32], room: Option<Room>, from: usize) -> (usize, usize) {
    let echo = room.map_or_else(|| vec![0.0; far.len()], |room| room.echo(far));
    let sent = process(far, &add(&add(&echo, near), &noise(far.len())));
    let part = |from, to| gap(cut(near, from, to), cut(&sent, from, to));
    (part(0, from), part(from, SECONDS))
}

/// Voices that never stop: those of the end-to-end tests, and with them others that have a pitch. Far, then near.
fn buzzes() -> Vec<(&'static str, Vec<f32>, Vec<f32>)> {
    let seconds = SECONDS as f32;
    let (low, high) = (buzz(seconds, LOW), buzz(seconds, HIGH));
    vec![
        ("high here", low.clone(), high.clone()),
        ("low here", high.clone(), low.clone()),
        ("high and soft here", low.clone(), softer(&high, 0.25)),
        ("low and soft here", high.clone(), softer(&low, 0.25)),
        ("high against a vowel", vowel(seconds, 5), high),
    ]
}

/// And such without a pitch.
fn murmurs() -> Vec<(&'static str, Vec<f32>, Vec<f32>)> {
    let seconds = SECONDS as f32;
    vec![
        ("murmurs", murmur(seconds, 1), murmur(seconds, 2)),
        ("soft murmur here", murmur(seconds, 3), softer(&murmur(seconds, 4), 0.25)),
    ]
}

/// With pauses, in which the canceller learns nothing, so that it takes longer to know.
fn talks() -> impl Iterator<Item = (u64, Vec<f32>, Vec<f32>)> {
    (40..48).map(|seed| (seed, speech(SECONDS as f32, seed), speech(SECONDS as f32, seed + 10)))
}

#[test]
fn with_headphones_nobody_is_chopped() {
    for (name, far, near) in buzzes().into_iter().chain(murmurs()) {
        let (before, after) = gaps(&far, &near, None, 2);
        println!("headphones, {name}: {before} ms in the first 2 s, then {after} ms");
        assert!(after <= LONGEST_GAP, "{name}: {after} ms");
    }
}

#[test]
fn with_headphones_and_pauses_nobody_is_chopped_for_long() {
    for (seed, far, near) in talks() {
        let (before, after) = gaps(&far, &near, None, 4);
        println!("headphones, speech {seed}: {before} ms in the first 4 s, then {after} ms");
        assert!(after <= LONGEST_GAP, "{seed}: {after} ms");
    }
}

/// Of voices with a pitch that never stops the canceller learns the room badly, here as in WebRTC: those are not asked.
#[test]
fn with_a_loudspeaker_nobody_is_chopped() {
    let room = Room { delay: 60, gain: 0.5 };
    for (name, far, near) in murmurs() {
        let (before, after) = gaps(&far, &near, Some(room), 2);
        println!("loudspeaker, {name}: {before} ms in the first 2 s, then {after} ms");
        assert!(after <= LONGEST_GAP, "{name}: {after} ms");
    }
}
