//! Quality of the playout under losses, reordering, pauses and timestamp jumps.

use super::playout::{PACKET, PacketFate, QUANTUM, play, timestamp};
use super::synthetic_speech::{Xorshift, correlation, level, speech, vowel};
use crate::JitterBuffer;

fn good() -> PacketFate {
    PacketFate { transit: 20.0, ..PacketFate::default() }
}

#[test]
fn a_lost_packet_is_concealed_from_the_previous_audio() {
    let audio = vowel(19.9, 11);
    let playout = play(&audio, 0.0, |index| Some(PacketFate { is_lost: index % 50 == 49, ..good() }));
    let stats = *playout.buffer.stats();
    assert_eq!(stats.concealments, 19);
    assert_eq!(stats.concealed as usize, 19 * PACKET);
    assert_eq!(stats.silent, 0);
    assert!(playout.longest_gap(1.0) < 5.0, "{} ms", playout.longest_gap(1.0));
    let original = audio.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max);
    println!("largest step {:.3}, of the original {original:.3}", playout.max_step());
    assert!(playout.max_step() < original * 1.5);
    // Compares the concealed audio with the lost packet.
    let position = playout.positions[1000].unwrap() as i64;
    let shift = 1000 * QUANTUM as i64 - position;
    let correlations: Vec<f32> = (1..19)
        .map(|second| {
            let lost = (second * 50 - 1) * PACKET;
            let at = (lost as i64 + shift) as usize;
            correlation(&audio[lost..lost + 480], &playout.played[at..at + 480], 0).0
        })
        .collect();
    let mean = correlations.iter().sum::<f32>() / correlations.len() as f32;
    println!("correlation of the first 10 ms {mean:.2}");
    assert!(mean > 0.8, "{correlations:?}");
}

#[test]
fn three_percent_loss_causes_no_silence() {
    let audio = vowel(60.0, 12);
    let mut random = Xorshift::new(13);
    let playout = play(&audio, 0.0, |_| Some(PacketFate { is_lost: random.next() < 0.03, ..good() }));
    let stats = *playout.buffer.stats();
    let part = stats.concealed as f64 / stats.received as f64;
    println!("{:.2} % concealed, gap {:.1} ms", part * 100.0, playout.longest_gap(1.0));
    assert!((0.02..0.04).contains(&part), "{part}");
    assert!(playout.longest_gap(1.0) < 20.0);
    assert_eq!((stats.inserted, stats.removed), (0, 0), "losses cause no time stretching");
}

#[test]
fn an_outage_fades_to_silence_and_playout_resumes() {
    let audio = vowel(20.0, 14);
    let playout = play(&audio, 0.0, |index| Some(PacketFate { is_lost: (250..650).contains(&index), ..good() }));
    let stats = *playout.buffer.stats();
    let at = |ms: usize| &playout.played[(5000 + 60 + ms) * 48..][..480];
    println!(
        "{stats:?}: at once {:.0} dB, after 60 ms {:.0} dB, 150 ms {:.0} dB",
        level(at(20)),
        level(at(80)),
        level(at(170))
    );
    assert!(level(at(20)) > -25.0);
    assert!(level(at(170)) < -90.0, "silence after 120 ms");
    assert_eq!(stats.concealments, 1);
    let silence = playout.longest_gap(1.0);
    assert!((7_800.0..8_000.0).contains(&silence), "{silence} ms");
    assert!(level(&playout.played[15 * 48_000..16 * 48_000]) > -25.0);
    let delay = playout.delay(16 * 48_000 / QUANTUM, 20.0).unwrap();
    assert!(delay < 70.0, "{delay} ms");
}

#[test]
fn reordered_and_duplicate_packets_are_no_loss() {
    let audio = speech(30.0, 15);
    let playout = play(&audio, 0.0, |index| {
        let transit = if index % 7 == 3 { 45.0 } else { 20.0 };
        Some(PacketFate { transit, duplicate_after: (index % 3 == 0).then_some(15.0), ..PacketFate::default() })
    });
    let stats = *playout.buffer.stats();
    println!("{stats:?}");
    assert!(stats.concealed < 48 * 60, "{stats:?}");
    assert_eq!(stats.discarded, 500, "every third packet is duplicated");
}

#[test]
fn a_pause_of_the_sender_is_silence_and_its_end_is_played_in_full() {
    let audio = vowel(20.0, 16);
    // DTX sends a packet every 400 ms (RFC 6716, section 2.1.9): speech until 5 s and from 10 s on.
    let playout = play(&audio, 0.0, |index| {
        let is_pause = (250..500).contains(&index);
        (!is_pause || index % 20 == 0).then(good)
    });
    assert!(level(&playout.played[11 * 48_000..12 * 48_000]) > -25.0);
    let delay = playout.delay(12 * 48_000 / QUANTUM, 20.0).unwrap();
    assert!((20.0..80.0).contains(&delay), "{delay} ms");
    let position = playout.positions[12 * 48_000 / QUANTUM].unwrap() as usize;
    let (played, sent) = (&playout.played[12 * 48_000..][..480], &audio[position..][..480]);
    assert!(correlation(played, sent, 0).0 > 0.999);
}

#[test]
fn playout_follows_timestamp_jumps() {
    let audio = vowel(1.0, 17);
    for jump in [-3_600_000_000i64, -5_000_000, 5_000_000, 3_600_000_000, 1 << 50] {
        let mut buffer = JitterBuffer::default();
        let (mut now, mut out, mut loud) = (0i64, [0.0f32; QUANTUM], 0);
        for index in 0..400usize {
            let at = timestamp(index * PACKET) + if index >= 200 { jump } else { 0 };
            let from = index * PACKET % (audio.len() - PACKET);
            buffer.insert(at, now, &audio[from..from + PACKET]);
            while now < (index as i64 + 1) * PACKET as i64 {
                buffer.pull(now, &mut out);
                now += QUANTUM as i64;
                loud += i32::from(index > 215 && level(&out) > -40.0);
            }
        }
        assert!(loud > 1300, "{jump} us: {loud} of 1380 quanta with audio");
        let playing = buffer.playing().unwrap();
        assert!((playing - timestamp(399 * PACKET) - jump).abs() < 200_000, "{jump} us: {playing}");
    }
}

#[test]
fn time_stretching_keeps_the_pitch() {
    let tone: Vec<f32> =
        (0..30 * 48_000).map(|index| 0.4 * (index as f32 * std::f32::consts::TAU * 200.0 / 48_000.0).sin()).collect();
    // The network delay grows by 150 ms at 10 s: playout slows down first, and speeds up once this proves not to be jitter.
    let playout = play(&tone, 0.0, |index| {
        Some(PacketFate { transit: if index > 500 { 170.0 } else { 20.0 }, ..PacketFate::default() })
    });
    let stats = *playout.buffer.stats();
    assert!(stats.inserted + stats.removed > 48 * 50, "{stats:?}");
    let second = &playout.played[11 * 48_000..12 * 48_000];
    let crossings = second.windows(2).filter(|pair| pair[0] < 0.0 && pair[1] >= 0.0).count();
    println!(
        "{stats:?}, {crossings} Hz, step {:.4}",
        second.windows(2).map(|p| (p[1] - p[0]).abs()).fold(0.0, f32::max)
    );
    assert!((198..=202).contains(&crossings), "{crossings}");
    let max_step = second.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max);
    assert!(max_step < 0.0105 * 1.5, "{max_step}");
}
