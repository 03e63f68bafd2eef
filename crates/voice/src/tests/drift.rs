//! Delays that change: clocks that drift apart, packets that are late, and later again.

use super::link::{Fate, PACKET, QUANTUM, play};
use super::speech::{Dice, speech, vowel};

fn steady(transit: f64) -> Option<Fate> {
    Some(Fate { transit, ..Fate::default() })
}

/// Calls of the sound card in a second.
const CALLS: usize = 48_000 / QUANTUM;

#[test]
fn a_steady_stream_is_played_as_it_came() {
    let sound = speech(10.0, 1);
    let link = play(&sound, 0.0, |_| steady(30.0));
    let stats = *link.buffer.stats();
    assert_eq!((stats.concealed, stats.inserted, stats.removed, stats.discarded), (0, 0, 0, 0));
    let heard = link.heard[CALLS].unwrap() as usize;
    let (played, sent) = (&link.played[CALLS * QUANTUM..], &sound[heard..]);
    let length = played.len().min(sent.len()) - PACKET * 5;
    assert_eq!(played[..length], sent[..length], "as the reported position says");
    let delay = link.delay(CALLS, 30.0).unwrap();
    assert!((20.0..=60.0).contains(&delay), "{delay} ms");
}

#[test]
fn clocks_that_drift_apart_for_ten_minutes_leave_no_gap() {
    let sound = vowel(600.0, 2);
    for drift in [300.0, -300.0] {
        let link = play(&sound, drift, |_| steady(20.0));
        let stats = *link.buffer.stats();
        println!("drift {drift}: {stats:?}, gap {:.1} ms, step {:.3}", link.longest_gap(1.0), link.steepest());
        assert_eq!(stats.concealed, 0, "{drift} ppm");
        // A voice that goes faster than the card loses 180 ms, the other way it gains as much.
        let (more, less) = if drift > 0.0 { (stats.removed, stats.inserted) } else { (stats.inserted, stats.removed) };
        assert!((5_000..12_000).contains(&more) && less < 1_000, "{drift} ppm: {stats:?}");
        assert!(link.longest_gap(1.0) < 5.0);
        let last = link.heard.len() - CALLS;
        // By the sound card's clock the transit changed too: only what waits here is the delay.
        let waited = (stats.delay / stats.emitted as f64) * 1000.0;
        assert!((20.0..80.0).contains(&waited), "{waited} ms");
        assert!(link.heard[last].is_some());
    }
}

#[test]
fn irregular_packets_are_waited_for() {
    let sound = vowel(60.0, 3);
    let mut dice = Dice::new(4);
    // Exponential, as queues are: mean 15 ms.
    let link = play(&sound, 0.0, |_| steady(20.0 - 15.0 * f64::from(dice.next().max(1e-3)).ln()));
    let stats = *link.buffer.stats();
    let part = stats.concealed as f64 / stats.received as f64;
    let waited = (stats.delay / stats.emitted as f64) * 1000.0;
    println!(
        "jitter of mean 15 ms: {:.2} % concealed, waited {waited:.0} ms, target {:.0} ms",
        part * 100.0,
        link.targets.last().unwrap()
    );
    assert!(part < 0.01, "{part}");
    assert!(waited < 120.0, "{waited} ms");
}

#[test]
fn a_stall_that_comes_again_is_waited_for_within_a_second() {
    let sound = vowel(30.0, 5);
    // From 5 s on every half second begins with a stall: what is sent in 150 ms arrives at its end.
    let link = play(&sound, 0.0, |index| {
        let into = (index * 20) % 500;
        let late = if index > 250 && into < 150 { 150 - into } else { 0 };
        steady(20.0 + late as f64)
    });
    let at = |seconds: f64| link.targets[(seconds * CALLS as f64) as usize];
    println!("target before {:.0}, after 1 s {:.0}, 2 s {:.0}, 10 s {:.0}", at(4.9), at(6.0), at(7.0), at(15.0));
    assert!(at(4.9) <= 50.0);
    assert!(at(7.0) >= 140.0);
    let before = play(&sound[..8 * 48_000], 0.0, |index| {
        let into = (index * 20) % 500;
        let late = if index > 250 && into < 150 { 150 - into } else { 0 };
        steady(20.0 + late as f64)
    });
    let learned = before.buffer.stats().concealed;
    println!("concealed while learning {learned}, later {}", link.buffer.stats().concealed - learned);
    assert_eq!(link.buffer.stats().concealed, learned, "nothing after it was learned");
    assert!(learned < 48 * 300);
    let back = link.heard.windows(2).filter_map(|pair| Some(pair[0]? - pair[1]?)).fold(0.0, f64::max);
    assert!(back <= 720.0, "what was heard is not heard again, but for a period: {back} frames");
}

#[test]
fn what_a_call_begins_with_is_soon_forgotten() {
    let sound = vowel(20.0, 9);
    // For three seconds what is sent in 400 ms arrives at its end: the call is still being set up.
    let link = play(&sound, 0.0, |index| {
        let late = if index < 150 { 400 - (index * 20) % 400 } else { 0 };
        steady(20.0 + late as f64)
    });
    let at = |seconds: usize| (link.targets[seconds * CALLS], link.delay(seconds * CALLS, 20.0).unwrap());
    println!("target and delay at 3 s {:?}, 6 s {:?}, 9 s {:?}, 12 s {:?}", at(3), at(6), at(9), at(12));
    assert!(at(3).0 >= 400.0);
    assert!(at(12).0 <= 50.0 && at(12).1 <= 120.0, "{:?}", at(12));
    assert!(link.longest_gap(3.0) < 5.0);
}

#[test]
fn when_packets_are_regular_again_the_delay_falls() {
    let sound = vowel(120.0, 6);
    let mut dice = Dice::new(7);
    let link =
        play(&sound, 0.0, |index| steady(20.0 + if index < 1000 { f64::from(dice.next()) * 150.0 } else { 0.0 }));
    let at = |seconds: usize| (link.targets[seconds * CALLS], link.delay(seconds * CALLS, 20.0).unwrap());
    println!("target and delay at 19 s {:?}, 40 s {:?}, 70 s {:?}, 119 s {:?}", at(19), at(40), at(70), at(119));
    assert!(at(19).0 >= 120.0 && at(19).1 >= 100.0);
    assert!(at(119).0 <= 50.0 && at(119).1 <= 70.0);
    assert!(link.longest_gap(10.0) < 5.0);
}

#[test]
fn a_path_that_becomes_longer_or_shorter_is_followed() {
    let sound = vowel(60.0, 8);
    let link = play(&sound, 0.0, |index| steady(if (1000..2000).contains(&index) { 220.0 } else { 20.0 }));
    let stats = *link.buffer.stats();
    println!("{stats:?}, end {:?}", link.delay(59 * CALLS, 20.0));
    assert!(stats.concealed < 48 * 400 && stats.concealments < 5, "{stats:?}");
    assert!(link.delay(39 * CALLS, 220.0).unwrap() < 120.0);
    assert!(link.delay(59 * CALLS, 20.0).unwrap() < 120.0);
}
