//! The functions that JavaScript calls, called as it does.

use super::link::{PACKET, QUANTUM, timestamp};
use super::speech::vowel;
use crate::Line;
use crate::abi::*;

/// What a line does with a voice and a microphone, by its own interface.
fn line(sound: &[f32], microphone: Option<f32>) -> (Vec<(i64, Vec<f32>)>, Line) {
    let mut line = Line::default();
    line.capture(true);
    let (mut out, mut captured) = ([0.0; QUANTUM], Vec::new());
    let heard = microphone.map(|level| [level; QUANTUM]);
    let mut frame = 0;
    for (index, packet) in sound.as_chunks::<PACKET>().0.iter().enumerate() {
        line.insert(timestamp(index * PACKET), frame, packet);
        while frame < ((index + 1) * PACKET) as i64 {
            line.process(frame, heard.as_ref().map(|heard| &heard[..]), &mut out, |at, packet| {
                captured.push((at, packet.to_vec()));
            });
            frame += QUANTUM as i64;
        }
    }
    (captured, line)
}

#[test]
fn packets_of_the_microphone_follow_each_other_without_a_gap() {
    let (captured, _) = line(&vowel(1.0, 31), Some(0.0));
    assert_eq!(captured.len(), 50);
    for (index, (at, packet)) in captured.iter().enumerate() {
        assert_eq!((*at, packet.len()), (index as i64 * 20_000, 960));
    }
}

#[test]
fn without_a_microphone_there_is_silence() {
    let (captured, line) = line(&vowel(1.0, 31), None);
    assert_eq!(captured.len(), 50);
    assert!(captured.iter().all(|(_, packet)| packet.iter().all(|sample| *sample == 0.0)));
    assert!(line.playing().is_some(), "the other side is heard all the same");
}

#[test]
fn nothing_is_captured_but_when_it_is_wanted() {
    let mut line = Line::default();
    let mut out = [0.0; 960];
    let mut times = Vec::new();
    for (index, on) in [false, true, true, false, true].into_iter().enumerate() {
        line.capture(on);
        line.process(index as i64 * 960, Some(&[0.1; 960]), &mut out, |at, _| times.push(at));
    }
    assert_eq!(times, [20_000, 40_000, 80_000]);
}

#[test]
fn the_functions_do_what_the_line_does() {
    let sound = vowel(1.0, 32);
    let (expected, line) = line(&sound, None);
    hutong_voice_capture(1);
    let (mut captured, mut frame) = (Vec::new(), 0);
    assert_eq!(
        (hutong_voice_packet(), hutong_voice_longest_packet(), hutong_voice_longest_quantum()),
        (960, 5760, 960)
    );
    let places = || (hutong_voice_remote(), hutong_voice_microphone(), hutong_voice_speaker(), hutong_voice_captured());
    let before = places();
    for index in 0..sound.len() / PACKET {
        // The samples themselves are put there from outside; here the packets are silent.
        hutong_voice_insert(timestamp(index * PACKET) as f64, frame as f64, PACKET);
        while frame < (index + 1) * PACKET {
            if hutong_voice_process(frame as f64, QUANTUM, 0) == 1 {
                captured.push(hutong_voice_captured_at() as i64);
            }
            frame += QUANTUM;
        }
    }
    assert_eq!(captured, expected.iter().map(|(at, _)| *at).collect::<Vec<_>>());
    assert_eq!(hutong_voice_playing() as i64, line.playing().unwrap());
    assert!(!hutong_voice_stats().is_null());
    assert_eq!(places(), before, "addresses are asked for once");
}

#[test]
fn numbers_without_sense_do_no_harm() {
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN, -1.0, 0.5] {
        hutong_voice_insert(number, number, usize::MAX);
        hutong_voice_process(number, usize::MAX, 1);
        hutong_voice_insert(number, 0.0, 0);
        hutong_voice_process(0.0, 0, 1);
    }
}
