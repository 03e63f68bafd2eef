//! Properties of the jitter buffer: for any input its output is valid and its memory bounded, and playout recovers.

use proptest::prelude::*;

use super::playout::{PACKET, PacketFate, QUANTUM, play};
use super::synthetic_speech::{level, vowel};
use crate::{JitterBuffer, LONGEST_PACKET};

#[derive(Debug, Clone)]
enum BufferOperation {
    Insert { timestamp: i64, late: i64, length: usize, sample: f32 },
    Pull(usize),
}

fn operation() -> impl Strategy<Value = BufferOperation> {
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
            .prop_map(|(timestamp, late, length, sample)| BufferOperation::Insert { timestamp, late, length, sample }),
        3 => prop_oneof![4 => Just(QUANTUM), 1 => 0..960usize].prop_map(BufferOperation::Pull),
    ]
}

proptest! {
    #[test]
    fn any_input_yields_valid_output(operations in proptest::collection::vec(operation(), 0..120)) {
        let mut buffer = JitterBuffer::default();
        let mut now = 0i64;
        let mut before = *buffer.stats();
        for operation in operations {
            match operation {
                BufferOperation::Insert { timestamp, late, length, sample } => {
                    let samples: Vec<f32> = (0..length).map(|index| if index % 9 < 4 { sample } else { -sample }).collect();
                    buffer.insert(timestamp, now - late, &samples);
                }
                BufferOperation::Pull(length) => {
                    let mut out = vec![f32::NAN; length];
                    buffer.pull(now, &mut out);
                    now += length as i64;
                    prop_assert!(out.iter().all(|sample| (-1.0..=1.0).contains(sample)), "{out:?}");
                }
            }
            let stats = *buffer.stats();
            prop_assert!(buffer.buffered() <= 96_000 + 2 * LONGEST_PACKET, "{} samples", buffer.buffered());
            prop_assert!(stats.emitted + stats.concealed >= before.emitted + before.concealed);
            prop_assert!(stats.emitted <= stats.packets * LONGEST_PACKET as u64 + stats.inserted, "{stats:?}");
            prop_assert!(stats.silent <= stats.concealed && stats.delay >= before.delay);
            before = stats;
        }
    }

}

proptest! {
    // Each case simulates 4 s: an eighth of the usual number.
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.div_ceil(8), ..ProptestConfig::default() })]

    /// One second of losses, delays, reordering and duplicates, then a good network.
    #[test]
    fn playout_recovers_from_any_disturbance(
        fates in proptest::collection::vec((0.0..300.0f64, 0..4u8, proptest::option::of(0.0..200.0f64)), 50),
        drift in -300.0..300.0f64,
    ) {
        let audio = vowel(4.0, 41);
        let playout = play(&audio, drift, |index| {
            let good = PacketFate { transit: 20.0, ..PacketFate::default() };
            Some(fates.get(index).map_or(good, |(late, luck, duplicate_after)| PacketFate {
                transit: 20.0 + late,
                is_lost: *luck == 0,
                duplicate_after: *duplicate_after,
            }))
        });
        let last = &playout.played[3 * 48_000..];
        prop_assert!(level(last) > -25.0, "{} dB", level(last));
        let positions: Vec<f64> = playout.positions[3 * 48_000 / QUANTUM..].iter().flatten().copied().collect();
        prop_assert_eq!(positions.len(), playout.positions.len() - 3 * 48_000 / QUANTUM);
        // Back by one pitch period at most.
        prop_assert!(positions.windows(2).all(|pair| pair[1] - pair[0] > -721.0));
        prop_assert!(playout.longest_gap(3.0) < 5.0, "{} ms", playout.longest_gap(3.0));
    }
}
