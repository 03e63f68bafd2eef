//! Clock drift and changing network delays.

use super::playout::{PACKET, PacketFate, QUANTUM, play};
use super::synthetic_speech::{Xorshift, speech, vowel};

fn steady(transit: f64) -> Option<PacketFate> {
    Some(PacketFate { transit, ..PacketFate::default() })
}

/// Render quanta in a second.
const QUANTA: usize = 48_000 / QUANTUM;

#[test]
fn a_steady_stream_is_played_unchanged() {
    let audio = speech(10.0, 1);
    let playout = play(&audio, 0.0, |_| steady(30.0));
    let stats = *playout.buffer.stats();
    assert_eq!((stats.concealed, stats.inserted, stats.removed, stats.discarded), (0, 0, 0, 0));
    let position = playout.positions[QUANTA].unwrap() as usize;
    let (played, sent) = (&playout.played[QUANTA * QUANTUM..], &audio[position..]);
    let length = played.len().min(sent.len()) - PACKET * 5;
    assert_eq!(played[..length], sent[..length], "at the reported position");
    let delay = playout.delay(QUANTA, 30.0).unwrap();
    assert!((20.0..=60.0).contains(&delay), "{delay} ms");
}

#[test]
fn clock_drift_over_ten_minutes_causes_no_gap() {
    let audio = vowel(600.0, 2);
    for drift in [300.0, -300.0] {
        let playout = play(&audio, drift, |_| steady(20.0));
        let stats = *playout.buffer.stats();
        println!("drift {drift}: {stats:?}, gap {:.1} ms, step {:.3}", playout.longest_gap(1.0), playout.max_step());
        assert_eq!(stats.concealed, 0, "{drift} ppm");
        // If the sender is faster, 180 ms are removed; if it is slower, as much is inserted.
        let (more, less) = if drift > 0.0 { (stats.removed, stats.inserted) } else { (stats.inserted, stats.removed) };
        assert!((5_000..12_000).contains(&more) && less < 1_000, "{drift} ppm: {stats:?}");
        assert!(playout.longest_gap(1.0) < 5.0);
        let last = playout.positions.len() - QUANTA;
        // The transit by the sound card's clock changed too: use the buffering delay.
        let waited = (stats.delay / stats.emitted as f64) * 1000.0;
        assert!((20.0..80.0).contains(&waited), "{waited} ms");
        assert!(playout.positions[last].is_some());
    }
}

#[test]
fn the_delay_covers_random_jitter() {
    let audio = vowel(60.0, 3);
    let mut random = Xorshift::new(4);
    // Exponential distribution with a mean of 15 ms, as of queues.
    let playout = play(&audio, 0.0, |_| steady(20.0 - 15.0 * f64::from(random.next().max(1e-3)).ln()));
    let stats = *playout.buffer.stats();
    let part = stats.concealed as f64 / stats.received as f64;
    let waited = (stats.delay / stats.emitted as f64) * 1000.0;
    println!(
        "jitter of mean 15 ms: {:.2} % concealed, delay {waited:.0} ms, target {:.0} ms",
        part * 100.0,
        playout.targets.last().unwrap()
    );
    assert!(part < 0.01, "{part}");
    assert!(waited < 120.0, "{waited} ms");
}

#[test]
fn the_delay_covers_recurring_stalls_within_a_second() {
    let audio = vowel(30.0, 5);
    // From 5 s on, every half second starts with a stall of 150 ms, at whose end all its packets arrive.
    let playout = play(&audio, 0.0, |index| {
        let into = (index * 20) % 500;
        let late = if index > 250 && into < 150 { 150 - into } else { 0 };
        steady(20.0 + late as f64)
    });
    let at = |seconds: f64| playout.targets[(seconds * QUANTA as f64) as usize];
    println!("target before {:.0}, after 1 s {:.0}, 2 s {:.0}, 10 s {:.0}", at(4.9), at(6.0), at(7.0), at(15.0));
    assert!(at(4.9) <= 50.0);
    assert!(at(7.0) >= 140.0);
    let before = play(&audio[..8 * 48_000], 0.0, |index| {
        let into = (index * 20) % 500;
        let late = if index > 250 && into < 150 { 150 - into } else { 0 };
        steady(20.0 + late as f64)
    });
    let learned = before.buffer.stats().concealed;
    println!("concealed while adapting {learned}, later {}", playout.buffer.stats().concealed - learned);
    assert_eq!(playout.buffer.stats().concealed, learned, "no concealment once the delay is adapted");
    assert!(learned < 48 * 300);
    let back = playout.positions.windows(2).filter_map(|pair| Some(pair[0]? - pair[1]?)).fold(0.0, f64::max);
    assert!(back <= 720.0, "playout goes back by one pitch period at most: {back} samples");
}

#[test]
fn delays_during_call_setup_are_forgotten_soon() {
    let audio = vowel(20.0, 9);
    // During the first 3 s, packets arrive in bursts every 400 ms, as during call setup.
    let playout = play(&audio, 0.0, |index| {
        let late = if index < 150 { 400 - (index * 20) % 400 } else { 0 };
        steady(20.0 + late as f64)
    });
    let at = |seconds: usize| (playout.targets[seconds * QUANTA], playout.delay(seconds * QUANTA, 20.0).unwrap());
    println!("target and delay at 3 s {:?}, 6 s {:?}, 9 s {:?}, 12 s {:?}", at(3), at(6), at(9), at(12));
    assert!(at(3).0 >= 400.0);
    assert!(at(12).0 <= 50.0 && at(12).1 <= 120.0, "{:?}", at(12));
    assert!(playout.longest_gap(3.0) < 5.0);
}

#[test]
fn the_delay_falls_after_the_jitter_ends() {
    let audio = vowel(120.0, 6);
    let mut random = Xorshift::new(7);
    let playout =
        play(&audio, 0.0, |index| steady(20.0 + if index < 1000 { f64::from(random.next()) * 150.0 } else { 0.0 }));
    let at = |seconds: usize| (playout.targets[seconds * QUANTA], playout.delay(seconds * QUANTA, 20.0).unwrap());
    println!("target and delay at 19 s {:?}, 40 s {:?}, 70 s {:?}, 119 s {:?}", at(19), at(40), at(70), at(119));
    assert!(at(19).0 >= 120.0 && at(19).1 >= 100.0);
    assert!(at(119).0 <= 50.0 && at(119).1 <= 70.0);
    assert!(playout.longest_gap(10.0) < 5.0);
}

#[test]
fn the_delay_follows_a_changing_network_delay() {
    let audio = vowel(60.0, 8);
    let playout = play(&audio, 0.0, |index| steady(if (1000..2000).contains(&index) { 220.0 } else { 20.0 }));
    let stats = *playout.buffer.stats();
    println!("{stats:?}, end {:?}", playout.delay(59 * QUANTA, 20.0));
    assert!(stats.concealed < 48 * 400 && stats.concealments < 5, "{stats:?}");
    assert!(playout.delay(39 * QUANTA, 220.0).unwrap() < 120.0);
    assert!(playout.delay(59 * QUANTA, 20.0).unwrap() < 120.0);
}
