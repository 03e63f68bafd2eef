//! Byte budget of one member of a call for what the server relays to the other: descriptions and candidates.

use std::{
    hash::{Hash, Hasher},
    time::Duration,
};

use hutong_protocol::limits::{MIN_RELAYED_BYTES, RELAYED_BURST_BYTES, RELAYED_BYTES_PER_SECOND};

/// Token bucket of bytes, full at first. Each message costs its bytes, or [`MIN_RELAYED_BYTES`] if it has fewer: a reader that is
/// behind pays for each.
#[derive(Clone, Copy, Debug, Default)]
pub struct RelayBudget {
    /// When the bucket is full again.
    full_at: Duration,
}

impl RelayBudget {
    /// Takes a message's bytes from the budget, if it has as many. Returns whether it had.
    pub fn take(&mut self, now: Duration, bytes: usize) -> bool {
        let full_at = self.full_at.max(now) + refill_time(bytes.max(MIN_RELAYED_BYTES));
        let is_within = full_at - now <= refill_time(RELAYED_BURST_BYTES);
        if is_within {
            self.full_at = full_at;
        }
        is_within
    }
}

/// Time in which this many bytes are refilled.
fn refill_time(bytes: usize) -> Duration {
    Duration::from_micros(bytes as u64 * 1_000_000 / u64::from(RELAYED_BYTES_PER_SECOND))
}

/// Adds nothing: the model checker's calls send far fewer bytes than the budget has, so it never decides their future.
impl Hash for RelayBudget {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

#[cfg(test)]
mod tests {
    use hutong_protocol::limits::MAX_MESSAGE_BYTES;
    use proptest::prelude::*;

    use super::*;

    const START: Duration = Duration::from_secs(1_795_000_000);

    #[test]
    fn a_real_call_with_many_restarts_is_within_the_budget() {
        let mut budget = RelayBudget::default();
        // A machine with many interfaces whose network changes every three seconds: an offer and sixty candidates each time.
        for restart in 0..200 {
            let now = START + Duration::from_secs(3) * restart;
            assert!(budget.take(now, 12_000), "restart {restart}");
            assert!((0..60).all(|_| budget.take(now, 400)), "restart {restart}");
        }
    }

    #[test]
    fn the_first_messages_of_a_call_may_be_of_the_largest_size_with_all_candidates_at_once() {
        let mut budget = RelayBudget::default();
        assert!(budget.take(START, MAX_MESSAGE_BYTES));
        assert!((0..200).all(|_| budget.take(START, 300)));
    }

    proptest! {
        #[test]
        fn relayed_bytes_are_bounded(
            messages in prop::collection::vec((0_usize..MAX_MESSAGE_BYTES, 0_u64..2_000), 1..500),
        ) {
            let mut budget = RelayBudget::default();
            let (mut now, mut bytes, mut count) = (START, 0, 0);
            for (length, pause) in messages {
                now += Duration::from_millis(pause);
                if budget.take(now, length) {
                    bytes += length;
                    count += 1;
                }
            }
            let seconds = (now - START).as_secs_f64();
            let most = RELAYED_BURST_BYTES as f64 + seconds * f64::from(RELAYED_BYTES_PER_SECOND) + 500.0;
            prop_assert!(bytes as f64 <= most, "{} bytes in {} s", bytes, seconds);
            prop_assert!(f64::from(count) * MIN_RELAYED_BYTES as f64 <= most);
        }
    }
}
