//! Unwrapping of RTP timestamps and sequence numbers, which wrap around on the wire, to 64 bits.

/// Bounds of unwrapped timestamps, in ticks. At the start there is room below for half a wrap; the end lies three years later
/// at 90 kHz, and its microseconds are exact in a JavaScript number at every clock rate of this crate.
const FIRST_TICKS: u64 = 1 << 32;
const MIN_TICKS: u64 = 1 << 31;
const MAX_TICKS: u64 = 1 << 43;

/// Unwraps RTP timestamps. Starts at an arbitrary value.
#[derive(Default)]
pub(crate) struct TimestampUnwrapper(Option<u64>);

impl TimestampUnwrapper {
    /// Returns the media time in microseconds, nearest to the last one. A sender whose timestamps jump again and again by half
    /// their range, to leave the bounds, makes it start anew.
    pub fn micros(&mut self, timestamp: u32, clock_rate: u32) -> u64 {
        // Below 2^63: the clock rates are at least 48 kHz, whatever the sender claims.
        self.unwrap(timestamp) * 1_000_000 / u64::from(clock_rate.max(1))
    }

    fn unwrap(&mut self, timestamp: u32) -> u64 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "the low bits wrap around")]
        let next = |last: u64| last.saturating_add_signed(i64::from(timestamp.wrapping_sub(last as u32) as i32));
        let ticks = self.0.map(next).filter(|ticks| (MIN_TICKS..MAX_TICKS).contains(ticks));
        *self.0.insert(ticks.unwrap_or(FIRST_TICKS | u64::from(timestamp)))
    }
}

/// Unwraps RTP sequence numbers (RFC 3550, appendix A.1). Starts at an arbitrary value.
#[derive(Default)]
pub(crate) struct SequenceUnwrapper(Option<u64>);

impl SequenceUnwrapper {
    /// Returns the value nearest to the highest one so far.
    pub fn unwrap(&mut self, sequence: u16) -> u64 {
        let Some(highest) = self.0 else {
            // Leaves room below for packets that were sent before the first one and arrive after it.
            let number = (1 << 32) | u64::from(sequence);
            self.0 = Some(number);
            return number;
        };
        #[expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "the low bits wrap around")]
        let step = sequence.wrapping_sub(highest as u16) as i16;
        let number = highest.saturating_add_signed(i64::from(step));
        self.0 = Some(highest.max(number));
        number
    }

    /// The highest value so far.
    pub fn highest(&self) -> Option<u64> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const VIDEO: u32 = 90_000;
    const AUDIO: u32 = 48_000;

    #[test]
    fn media_time_continues_across_the_wrap_in_both_directions() {
        for clock_rate in [AUDIO, VIDEO] {
            let mut unwrapper = TimestampUnwrapper::default();
            let first = unwrapper.micros(u32::MAX - clock_rate + 1, clock_rate);
            assert_eq!(unwrapper.micros(0, clock_rate), first + 1_000_000);
            assert_eq!(unwrapper.micros(u32::MAX - clock_rate + 1, clock_rate), first);
        }
    }

    /// The largest steps that a timestamp can take, for longer than 64 bits of microseconds would last.
    #[test]
    fn media_time_neither_overflows_nor_sticks_at_the_largest_steps() {
        for step in [i32::MAX.unsigned_abs(), i32::MIN.unsigned_abs(), i32::MIN.unsigned_abs() + 1] {
            for clock_rate in [AUDIO, VIDEO] {
                let mut unwrapper = TimestampUnwrapper::default();
                let mut timestamp = 0_u32;
                for _ in 0..100_000 {
                    timestamp = timestamp.wrapping_add(step);
                    let before = unwrapper.micros(timestamp, clock_rate);
                    assert!(before < 1 << 53, "{before}");
                    let second = unwrapper.micros(timestamp.wrapping_add(clock_rate), clock_rate);
                    assert!(
                        second.abs_diff(before) == 1_000_000 || unwrapper.0.unwrap() >> 32 == 1,
                        "{before} {second}"
                    );
                    unwrapper.micros(timestamp, clock_rate);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn media_time_of_any_timestamps_is_bounded(timestamps: Vec<u32>) {
            let mut unwrapper = TimestampUnwrapper::default();
            for timestamp in timestamps {
                prop_assert!(unwrapper.micros(timestamp, AUDIO) < 1 << 53);
            }
        }
    }
}
