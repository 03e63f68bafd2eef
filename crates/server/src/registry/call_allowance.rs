//! Allowance of calls: how often a user may call another one, and others in all, while nobody accepts.
//!
//! Every call counts for a while. Up to a number of calls that count, the next may follow at once; from there on the caller has
//! to pause, twice as long after each further call. A refused call does not count, so a pause ends.

use std::{collections::HashMap, hash::Hash, time::Duration};

use hutong_protocol::{Token, limits};

/// Keys of one table: some megabytes.
const MAX_KEYS: usize = 65_536;

/// Keys up to which a table is not searched for those that count no more.
const MIN_KEYS: usize = 1_024;

/// Longest pause as a power of two of the first: no pause grows beyond the time after which the calls are forgotten.
const MAX_DOUBLINGS: u32 = 8;

/// Calls of one user to another.
const TO_ONE_USER: CallPolicy = CallPolicy {
    at_once: limits::CALLS_TO_ONE_USER,
    counts_for: limits::CALL_COUNTS_FOR,
    first_pause: limits::FIRST_CALL_PAUSE,
};

/// Calls of one user to anybody.
const TO_ANYBODY: CallPolicy = CallPolicy {
    at_once: limits::CALLS_TO_ANYBODY,
    counts_for: limits::CALL_TO_ANYBODY_COUNTS_FOR,
    first_pause: limits::FIRST_CALL_PAUSE,
};

/// Calls from one address to one user, by whomever: a client may log in under one name after another. An office calls one
/// colleague less often.
const FROM_ONE_ADDRESS: CallPolicy =
    CallPolicy { at_once: 30, counts_for: Duration::from_secs(10), first_pause: limits::FIRST_CALL_PAUSE };

/// Where a call comes from: a number for the address of the caller. `None` where many users share the address.
pub type CallOrigin = Option<u64>;

/// The calls that count, of all users.
#[derive(Clone, Debug, Default)]
pub struct CallAllowances {
    by_pair: RecentCallsTable<(Token, Token)>,
    by_caller: RecentCallsTable<Token>,
    by_origin: RecentCallsTable<(u64, Token)>,
}

#[derive(Clone, Copy, Debug)]
struct CallPolicy {
    /// Calls that may follow one another without a pause.
    at_once: u32,
    /// How long a call counts.
    counts_for: Duration,
    first_pause: Duration,
}

/// The calls that count under one key.
#[derive(Clone, Copy, Debug, Default)]
struct RecentCalls {
    /// When none of them counts any more: each adds the time for which it counts.
    forgotten_at: Duration,
    /// When the next is allowed.
    next_at: Duration,
}

#[derive(Clone, Debug)]
struct RecentCallsTable<K> {
    calls: HashMap<K, RecentCalls>,
    /// Number of keys at which those that count no more are removed.
    prune_at: usize,
}

impl CallAllowances {
    /// Counts a call from `caller` to `target`, if it is allowed. Returns whether it is.
    pub fn take(&mut self, now: Duration, caller: Token, target: Token, origin: CallOrigin) -> bool {
        let allowed = self.by_pair.is_allowed(now, &(caller, target))
            && self.by_caller.is_allowed(now, &caller)
            && origin.is_none_or(|origin| self.by_origin.is_allowed(now, &(origin, target)));
        if allowed {
            self.by_pair.count(now, (caller, target), TO_ONE_USER);
            self.by_caller.count(now, caller, TO_ANYBODY);
            if let Some(origin) = origin {
                self.by_origin.count(now, (origin, target), FROM_ONE_ADDRESS);
            }
        }
        allowed
    }

    /// The target has accepted a call: it wants calls from this user. The call does not count among those to anybody either;
    /// the others still do, so that an accomplice who accepts allows no more calls to other users.
    pub fn accepted(&mut self, caller: Token, target: Token) {
        self.by_pair.calls.remove(&(caller, target));
        if let Some(calls) = self.by_caller.calls.get_mut(&caller) {
            calls.forgotten_at = calls.forgotten_at.saturating_sub(TO_ANYBODY.counts_for);
            calls.next_at = Duration::ZERO;
        }
    }
}

impl CallPolicy {
    /// The pause after a call with which the calls count for this long.
    fn pause(&self, counting: Duration) -> Duration {
        let calls = u32::try_from(counting.as_millis().div_ceil(self.counts_for.as_millis())).unwrap_or(u32::MAX);
        match calls.checked_sub(self.at_once) {
            None => Duration::ZERO,
            Some(more) => self.first_pause * (1 << more.min(MAX_DOUBLINGS)),
        }
    }
}

impl<K> Default for RecentCallsTable<K> {
    fn default() -> Self {
        Self { calls: HashMap::new(), prune_at: MIN_KEYS }
    }
}

impl<K: Eq + Hash> RecentCallsTable<K> {
    fn is_allowed(&self, now: Duration, key: &K) -> bool {
        self.calls.get(key).is_none_or(|calls| calls.next_at <= now)
    }

    fn count(&mut self, now: Duration, key: K, policy: CallPolicy) {
        if self.calls.len() >= self.prune_at && !self.calls.contains_key(&key) {
            self.prune(now, policy);
        }
        let calls = self.calls.entry(key).or_default();
        calls.forgotten_at = calls.forgotten_at.max(now) + policy.counts_for;
        calls.next_at = now + policy.pause(calls.forgotten_at - now);
    }

    fn prune(&mut self, now: Duration, policy: CallPolicy) {
        self.calls.retain(|_, calls| calls.forgotten_at > now);
        if self.calls.len() >= MAX_KEYS {
            // Keeps those with several calls.
            self.calls.retain(|_, calls| calls.forgotten_at > now + policy.counts_for);
        }
        if self.calls.len() >= MAX_KEYS {
            // So many callers are not one who presses others.
            self.calls.clear();
        }
        self.calls.shrink_to(MIN_KEYS);
        self.prune_at = (self.calls.len() * 2).clamp(MIN_KEYS, MAX_KEYS);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: Duration = Duration::from_secs(1_795_000_000);
    const ANA: Token = Token(1);
    const BO: Token = Token(2);

    /// The seconds at which a caller's calls ring who tries again ten times a second.
    fn rings(seconds: u64, target: impl Fn(u64) -> Token) -> Vec<f64> {
        let mut allowances = CallAllowances::default();
        let tries = (0..seconds * 10).filter(|number| {
            let now = START + Duration::from_millis(number * 100);
            allowances.take(now, ANA, target(*number), None)
        });
        tries.map(|number| number as f64 / 10.0).collect()
    }

    #[test]
    fn five_calls_ring_at_once_and_then_the_pauses_double() {
        let rings = rings(3_600, |_| BO);
        assert_eq!(rings[..9], [0.0, 0.1, 0.2, 0.3, 0.4, 5.4, 15.4, 35.4, 75.4]);
        // For ever after, one a minute.
        assert!(rings.len() < 72, "{}", rings.len());
        assert!(rings.len() > 50, "{}", rings.len());
    }

    #[test]
    fn a_person_who_lets_it_ring_to_the_end_may_call_again_for_a_quarter_of_an_hour() {
        let mut allowances = CallAllowances::default();
        let every = limits::RING_TIMEOUT + Duration::from_secs(3);
        assert!((0..20).all(|number| allowances.take(START + every * number, ANA, BO, None)));
    }

    #[test]
    fn calls_to_anybody_are_limited_too() {
        let rings = rings(600, Token);
        assert!((20..=85).contains(&rings.len()), "{}", rings.len());
        assert_eq!(rings.iter().filter(|at| **at < 5.0).count(), 20);
    }

    #[test]
    fn other_pairs_are_unaffected() {
        let mut allowances = CallAllowances::default();
        while allowances.take(START, ANA, BO, None) {}
        assert!(allowances.take(START, BO, ANA, None), "the other direction");
        assert!(allowances.take(START, ANA, Token(3), None));
        assert!(allowances.take(START, Token(3), BO, None));
        assert!(!allowances.take(START + Duration::from_secs(4), ANA, BO, None));
        assert!(allowances.take(START + Duration::from_secs(5), ANA, BO, None));
    }

    #[test]
    fn many_names_at_one_address_are_limited_together() {
        let mut allowances = CallAllowances::default();
        let mut ring = |second: u64, origin| {
            let now = START + Duration::from_secs(second);
            // Another user each time.
            (0..100).filter(|number| allowances.take(now, Token(1_000 * second + number), BO, origin)).count()
        };
        assert_eq!(ring(1, Some(7)), 30);
        assert!((5..=8).contains(&(2..=60).map(|second| ring(second, Some(7))).sum::<usize>()));
        assert_eq!((ring(61, Some(8)), ring(61, None)), (30, 100), "others");
    }

    #[test]
    fn an_accepted_call_does_not_count() {
        let mut allowances = CallAllowances::default();
        for _ in 0..1_000 {
            assert!(allowances.take(START, ANA, BO, None));
            allowances.accepted(ANA, BO);
        }
        // An accomplice who accepts gives back no calls to others.
        let others = (10..100).filter(|target| {
            let allowed = allowances.take(START, ANA, Token(*target), None);
            if allowances.take(START, ANA, BO, None) {
                allowances.accepted(ANA, BO);
            }
            allowed
        });
        assert_eq!(others.count(), limits::CALLS_TO_ANYBODY as usize);
    }

    #[test]
    fn the_tables_are_bounded_and_forgotten_with_time() {
        let mut allowances = CallAllowances::default();
        while allowances.take(START, ANA, BO, None) {}
        for number in 0..2 * MAX_KEYS as u64 {
            allowances.take(START, Token(1_000 + number), BO, None);
            assert!(allowances.by_pair.calls.len() <= MAX_KEYS && allowances.by_caller.calls.len() <= MAX_KEYS);
        }
        assert!(!allowances.take(START, ANA, BO, None), "pairs with several calls are kept");
        let later = START + Duration::from_secs(3_600);
        for number in 0..2 * MAX_KEYS as u64 {
            allowances.take(later + Duration::from_millis(number * 100), Token(1_000_000 + number), BO, None);
        }
        assert!(allowances.by_pair.calls.len() <= 2 * MIN_KEYS, "{}", allowances.by_pair.calls.len());
    }

    proptest! {
        /// Whatever the pattern of tries and pauses, any window of time has few rings.
        #[test]
        fn rings_in_any_minute_are_bounded(pauses in prop::collection::vec(0_u64..20_000, 1..400)) {
            let mut allowances = CallAllowances::default();
            let (mut now, mut rings) = (START, Vec::new());
            for pause in pauses {
                now += Duration::from_millis(pause);
                if allowances.take(now, ANA, BO, None) {
                    rings.push(now);
                }
            }
            for (index, start) in rings.iter().enumerate() {
                let within = |time| rings[index..].iter().take_while(|at| **at < *start + Duration::from_secs(time)).count();
                prop_assert!(within(5) <= 5, "{} rings in 5 s", within(5));
                prop_assert!(within(60) <= 8, "{} rings in a minute", within(60));
                prop_assert!(within(600) <= 20, "{} rings in ten minutes", within(600));
            }
        }
    }
}
