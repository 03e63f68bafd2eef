//! Whatever arrives whenever, what comes out is sound, and little is kept.

use proptest::prelude::*;

use super::link::{Fate, PACKET, QUANTUM, play};
use super::speech::{level, vowel};
use crate::{JitterBuffer, LONGEST_PACKET};

#[derive(Debug, Clone)]
enum Step {
    Insert { timestamp: i64, late: i64, length: usize, sample: f32 },
    Pull(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let timestamp = prop_oneof![
        8 => (0..200i64).prop_map(|index| index * 20_000),
        4 => 0..4_000_000i64,
        1 => any::<i64>(),
        1 => Just(i64::MAX),
        1 => Just(i64::MIN),
    ];
    let sample = prop_oneof![8 => -1.0f32..1.0, 1 => Just(f32::NAN), 1 => Just(f32::INFINITY), 1 => any::<f32>()];
    let length = prop_oneof![8 => Just(PACKET), 1 => 0..200usize, 1 => 0..2 * LONGEST_PACKET];
    prop_oneof![
        2 => (timestamp, 0..100i64, length, sample)
            .prop_map(|(timestamp, late, length, sample)| Step::Insert { timestamp, late, length, sample }),
        3 => prop_oneof![4 => Just(QUANTUM), 1 => 0..960usize].prop_map(Step::Pull),
    ]
}

proptest! {
    #[test]
    fn anything_may_arrive(steps in proptest::collection::vec(step(), 0..120)) {
        let mut buffer = JitterBuffer::default();
        let mut frame = 0i64;
        let mut before = *buffer.stats();
        for step in steps {
            match step {
                Step::Insert { timestamp, late, length, sample } => {
                    let samples: Vec<f32> = (0..length).map(|index| if index % 9 < 4 { sample } else { -sample }).collect();
                    buffer.insert(timestamp, frame - late, &samples);
                }
                Step::Pull(length) => {
                    let mut out = vec![f32::NAN; length];
                    buffer.pull(frame, &mut out);
                    frame += length as i64;
                    prop_assert!(out.iter().all(|sample| (-1.0..=1.0).contains(sample)), "{out:?}");
                }
            }
            let stats = *buffer.stats();
            prop_assert!(buffer.held() <= 96_000 + 2 * LONGEST_PACKET, "{} frames", buffer.held());
            prop_assert!(stats.emitted + stats.concealed >= before.emitted + before.concealed);
            prop_assert!(stats.emitted <= stats.packets * LONGEST_PACKET as u64 + stats.inserted, "{stats:?}");
            prop_assert!(stats.silent <= stats.concealed && stats.delay >= before.delay);
            before = stats;
        }
    }

}

proptest! {
    // Four seconds of sound each: an eighth of the usual number.
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.div_ceil(8), ..ProptestConfig::default() })]

    /// Losses, delays, another order and duplicates for a second; then a network as it should be.
    #[test]
    fn whatever_was_it_is_well_again(
        fates in proptest::collection::vec((0.0..300.0f64, 0..4u8, proptest::option::of(0.0..200.0f64)), 50),
        drift in -300.0..300.0f64,
    ) {
        let sound = vowel(4.0, 41);
        let link = play(&sound, drift, |index| {
            let usual = Fate { transit: 20.0, ..Fate::default() };
            Some(fates.get(index).map_or(usual, |(late, luck, again)| Fate {
                transit: 20.0 + late,
                is_lost: *luck == 0,
                again: *again,
            }))
        });
        let last = &link.played[3 * 48_000..];
        prop_assert!(level(last) > -25.0, "{} dB", level(last));
        let heard: Vec<f64> = link.heard[3 * 48_000 / QUANTUM..].iter().flatten().copied().collect();
        prop_assert_eq!(heard.len(), link.heard.len() - 3 * 48_000 / QUANTUM);
        // Never further back than by a period played twice.
        prop_assert!(heard.windows(2).all(|pair| pair[1] - pair[0] > -721.0));
        prop_assert!(link.longest_gap(3.0) < 5.0, "{} ms", link.longest_gap(3.0));
    }
}
