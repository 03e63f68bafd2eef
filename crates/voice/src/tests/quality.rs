//! How it sounds: losses, order, pauses, other timestamps.

use super::link::{Fate, PACKET, QUANTUM, play, timestamp};
use super::speech::{Dice, level, likeness, speech, vowel};
use crate::JitterBuffer;

fn usual() -> Fate {
    Fate { transit: 20.0, ..Fate::default() }
}

#[test]
fn a_lost_packet_is_made_up_from_the_voice_before() {
    let sound = vowel(19.9, 11);
    let link = play(&sound, 0.0, |index| Some(Fate { is_lost: index % 50 == 49, ..usual() }));
    let stats = *link.buffer.stats();
    assert_eq!(stats.concealments, 19);
    assert_eq!(stats.concealed as usize, 19 * PACKET);
    assert_eq!(stats.silent, 0);
    assert!(link.longest_gap(1.0) < 5.0, "{} ms", link.longest_gap(1.0));
    let original = sound.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max);
    println!("steepest step {:.3}, of the original {original:.3}", link.steepest());
    assert!(link.steepest() < original * 1.5);
    // What was made up in the place of one packet, beside what was lost.
    let heard = link.heard[1000].unwrap() as i64;
    let shift = 1000 * QUANTUM as i64 - heard;
    let similar: Vec<f32> = (1..19)
        .map(|second| {
            let lost = (second * 50 - 1) * PACKET;
            let at = (lost as i64 + shift) as usize;
            likeness(&sound[lost..lost + 480], &link.played[at..at + 480], 0).0
        })
        .collect();
    let mean = similar.iter().sum::<f32>() / similar.len() as f32;
    println!("likeness of the first 10 ms {mean:.2}");
    assert!(mean > 0.8, "{similar:?}");
}

#[test]
fn three_percent_of_loss_leave_no_silence() {
    let sound = vowel(60.0, 12);
    let mut dice = Dice::new(13);
    let link = play(&sound, 0.0, |_| Some(Fate { is_lost: dice.next() < 0.03, ..usual() }));
    let stats = *link.buffer.stats();
    let part = stats.concealed as f64 / stats.received as f64;
    println!("{:.2} % concealed, gap {:.1} ms", part * 100.0, link.longest_gap(1.0));
    assert!((0.02..0.04).contains(&part), "{part}");
    assert!(link.longest_gap(1.0) < 20.0);
    assert_eq!((stats.inserted, stats.removed), (0, 0), "losses are no reason to stretch");
}

#[test]
fn an_outage_fades_to_silence_and_ends_in_the_voice() {
    let sound = vowel(20.0, 14);
    let link = play(&sound, 0.0, |index| Some(Fate { is_lost: (250..650).contains(&index), ..usual() }));
    let stats = *link.buffer.stats();
    let at = |ms: usize| &link.played[(5000 + 60 + ms) * 48..][..480];
    println!(
        "{stats:?}: at once {:.0} dB, after 60 ms {:.0} dB, 150 ms {:.0} dB",
        level(at(20)),
        level(at(80)),
        level(at(170))
    );
    assert!(level(at(20)) > -25.0);
    assert!(level(at(170)) < -90.0, "silence after 120 ms");
    assert_eq!(stats.concealments, 1);
    let silence = link.longest_gap(1.0);
    assert!((7_800.0..8_000.0).contains(&silence), "{silence} ms");
    assert!(level(&link.played[15 * 48_000..16 * 48_000]) > -25.0);
    let delay = link.delay(16 * 48_000 / QUANTUM, 20.0).unwrap();
    assert!(delay < 70.0, "{delay} ms");
}

#[test]
fn packets_in_another_order_or_twice_are_no_loss() {
    let sound = speech(30.0, 15);
    let link = play(&sound, 0.0, |index| {
        let transit = if index % 7 == 3 { 45.0 } else { 20.0 };
        Some(Fate { transit, again: (index % 3 == 0).then_some(15.0), ..Fate::default() })
    });
    let stats = *link.buffer.stats();
    println!("{stats:?}");
    assert!(stats.concealed < 48 * 60, "{stats:?}");
    assert_eq!(stats.discarded, 500, "every third came twice");
}

#[test]
fn a_sender_that_pauses_is_met_by_silence_and_then_heard_whole() {
    let sound = vowel(20.0, 16);
    // Silence is told every 400 ms at most (RFC 6716, section 2.1.9): speech from 0 to 5 s, and from 10 s on.
    let link = play(&sound, 0.0, |index| {
        let is_pause = (250..500).contains(&index);
        (!is_pause || index % 20 == 0).then(usual)
    });
    assert!(level(&link.played[11 * 48_000..12 * 48_000]) > -25.0);
    let delay = link.delay(12 * 48_000 / QUANTUM, 20.0).unwrap();
    assert!((20.0..80.0).contains(&delay), "{delay} ms");
    let heard = link.heard[12 * 48_000 / QUANTUM].unwrap() as usize;
    let (played, sent) = (&link.played[12 * 48_000..][..480], &sound[heard..][..480]);
    assert!(likeness(played, sent, 0).0 > 0.999);
}

#[test]
fn timestamps_that_jump_are_followed() {
    let sound = vowel(1.0, 17);
    for jump in [-3_600_000_000i64, -5_000_000, 5_000_000, 3_600_000_000, 1 << 50] {
        let mut buffer = JitterBuffer::default();
        let (mut frame, mut out, mut loud) = (0i64, [0.0f32; QUANTUM], 0);
        for index in 0..400usize {
            let at = timestamp(index * PACKET) + if index >= 200 { jump } else { 0 };
            let from = index * PACKET % (sound.len() - PACKET);
            buffer.insert(at, frame, &sound[from..from + PACKET]);
            while frame < (index as i64 + 1) * PACKET as i64 {
                buffer.pull(frame, &mut out);
                frame += QUANTUM as i64;
                loud += i32::from(index > 215 && level(&out) > -40.0);
            }
        }
        assert!(loud > 1300, "{jump} us: {loud} of 1380 calls with sound");
        let playing = buffer.playing().unwrap();
        assert!((playing - timestamp(399 * PACKET) - jump).abs() < 200_000, "{jump} us: {playing}");
    }
}

#[test]
fn stretching_keeps_the_pitch() {
    let tone: Vec<f32> =
        (0..30 * 48_000).map(|frame| 0.4 * (frame as f32 * std::f32::consts::TAU * 200.0 / 48_000.0).sin()).collect();
    // The path becomes 150 ms longer at 10 s: slower first, faster when that is known to be no jitter.
    let link =
        play(&tone, 0.0, |index| Some(Fate { transit: if index > 500 { 170.0 } else { 20.0 }, ..Fate::default() }));
    let stats = *link.buffer.stats();
    assert!(stats.inserted + stats.removed > 48 * 50, "{stats:?}");
    let second = &link.played[11 * 48_000..12 * 48_000];
    let crossings = second.windows(2).filter(|pair| pair[0] < 0.0 && pair[1] >= 0.0).count();
    println!(
        "{stats:?}, {crossings} Hz, step {:.4}",
        second.windows(2).map(|p| (p[1] - p[0]).abs()).fold(0.0, f32::max)
    );
    assert!((198..=202).contains(&crossings), "{crossings}");
    let steepest = second.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max);
    assert!(steepest < 0.0105 * 1.5, "{steepest}");
}
