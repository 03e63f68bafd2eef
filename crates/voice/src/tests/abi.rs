//! The exported functions, called as by JavaScript.

use super::playout::{PACKET, QUANTUM, timestamp};
use super::synthetic_speech::vowel;
use crate::AudioProcessor;
use crate::abi::*;

/// Runs an [`AudioProcessor`] without the exports: returns its captured packets.
fn process(audio: &[f32], microphone: Option<f32>) -> (Vec<(i64, Vec<f32>)>, AudioProcessor) {
    let mut processor = AudioProcessor::default();
    processor.set_capturing(true);
    let (mut out, mut captured) = ([0.0; QUANTUM], Vec::new());
    let microphone = microphone.map(|level| [level; QUANTUM]);
    let mut now = 0;
    for (index, packet) in audio.as_chunks::<PACKET>().0.iter().enumerate() {
        processor.insert(timestamp(index * PACKET), now, packet);
        while now < ((index + 1) * PACKET) as i64 {
            processor.process(now, microphone.as_ref().map(|samples| &samples[..]), &mut out, |at, packet| {
                captured.push((at, packet.to_vec()));
            });
            now += QUANTUM as i64;
        }
    }
    (captured, processor)
}

#[test]
fn captured_packets_are_contiguous() {
    let (captured, _) = process(&vowel(1.0, 31), Some(0.0));
    assert_eq!(captured.len(), 50);
    for (index, (at, packet)) in captured.iter().enumerate() {
        assert_eq!((*at, packet.len()), (index as i64 * 20_000, 960));
    }
}

#[test]
fn captured_packets_are_silent_without_a_microphone() {
    let (captured, processor) = process(&vowel(1.0, 31), None);
    assert_eq!(captured.len(), 50);
    assert!(captured.iter().all(|(_, packet)| packet.iter().all(|sample| *sample == 0.0)));
    assert!(processor.playing().is_some(), "received audio is played nevertheless");
}

#[test]
fn packets_are_captured_only_while_enabled() {
    let mut processor = AudioProcessor::default();
    let mut out = [0.0; 960];
    let mut times = Vec::new();
    for (index, on) in [false, true, true, false, true].into_iter().enumerate() {
        processor.set_capturing(on);
        processor.process(index as i64 * 960, Some(&[0.1; 960]), &mut out, |at, _| times.push(at));
    }
    assert_eq!(times, [20_000, 40_000, 80_000]);
}

#[test]
fn the_exports_equal_the_audio_processor() {
    let audio = vowel(1.0, 32);
    let (expected, processor) = process(&audio, None);
    hutong_voice_capture(1);
    let (mut captured, mut now) = (Vec::new(), 0);
    assert_eq!(
        (hutong_voice_packet(), hutong_voice_longest_packet(), hutong_voice_longest_quantum()),
        (960, 5760, 960)
    );
    let addresses =
        || (hutong_voice_remote(), hutong_voice_microphone(), hutong_voice_speaker(), hutong_voice_captured());
    let before = addresses();
    for index in 0..audio.len() / PACKET {
        // JavaScript would write the samples to the buffer; here the packets are silent.
        hutong_voice_insert(timestamp(index * PACKET) as f64, now as f64, PACKET);
        while now < (index + 1) * PACKET {
            if hutong_voice_process(now as f64, QUANTUM, 0) == 1 {
                captured.push(hutong_voice_captured_at() as i64);
            }
            now += QUANTUM;
        }
    }
    assert_eq!(captured, expected.iter().map(|(at, _)| *at).collect::<Vec<_>>());
    assert_eq!(hutong_voice_playing() as i64, processor.playing().unwrap());
    assert!(!hutong_voice_stats().is_null());
    assert_eq!(addresses(), before, "JavaScript reads the addresses once");
}

#[test]
fn invalid_numbers_are_harmless() {
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN, -1.0, 0.5] {
        hutong_voice_insert(number, number, usize::MAX);
        hutong_voice_process(number, usize::MAX, 1);
        hutong_voice_insert(number, 0.0, 0);
        hutong_voice_process(0.0, 0, 1);
    }
}
