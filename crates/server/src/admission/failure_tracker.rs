//! Failed secret checks per key, and the growing delay they impose on the next attempt. Time is an argument.

use std::{
    collections::HashMap,
    hash::Hash,
    time::{Duration, Instant},
};

use crate::token_bucket::{Allowance, TokenBucket};

/// How many wrong secrets are tolerated, and how long each further one delays the next attempt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LockoutPolicy {
    /// Wrong secrets that cause no delay.
    pub free_failures: u32,
    /// One wrong secret is forgiven each time this has elapsed.
    pub forgive_every: Duration,
    /// Delay after the first wrong secret beyond the free ones. Each further one doubles it.
    pub first_delay: Duration,
    /// Upper bound of the delay.
    pub max_delay: Duration,
    /// Attempts that may be in flight at once.
    pub max_concurrent: u32,
}

impl LockoutPolicy {
    fn allowance(&self) -> Allowance {
        Allowance { burst: self.free_failures.into(), per_second: self.forgive_every.as_secs_f64().recip() }
    }
}

/// Wrong secrets per key (an address prefix or a name), in bounded memory.
///
/// At `max_keys` keys, the tracker evicts keys whose failures are all forgiven, then keys without a current delay, then
/// the key whose delay ends first.
#[derive(Debug)]
pub(crate) struct FailureTracker<K> {
    policy: LockoutPolicy,
    max_keys: usize,
    records: HashMap<K, FailureRecord>,
}

#[derive(Clone, Copy, Debug)]
struct FailureRecord {
    /// One token per free failure left; negative once failures exceed the free ones.
    credit: TokenBucket,
    locked_until: Instant,
    in_flight: u32,
}

impl<K: Eq + Hash + Clone> FailureTracker<K> {
    pub(crate) fn new(policy: LockoutPolicy, max_keys: usize) -> Self {
        Self { policy, max_keys, records: HashMap::new() }
    }

    /// Whether a secret may be checked now. If so, the caller has to call [`finish`](Self::finish) afterwards.
    pub(crate) fn try_begin(&mut self, key: &K, now: Instant) -> bool {
        let policy = self.policy;
        if self.records.len() >= self.max_keys && !self.records.contains_key(key) {
            self.evict(now);
        }
        let record = self.records.entry(key.clone()).or_insert_with(|| FailureRecord::new(policy, now));
        // Beyond the free failures, one at a time. Otherwise a thousand parallel guesses would pass before the first failed.
        let credit = record.credit.tokens(policy.allowance(), now).max(1.0) as u32;
        if now < record.locked_until || record.in_flight >= credit.min(policy.max_concurrent) {
            return false;
        }
        record.in_flight += 1;
        true
    }

    /// Ends an attempt. Returns whether it is the one that starts the lockout.
    pub(crate) fn finish(&mut self, key: &K, verdict: SecretVerdict, now: Instant) -> bool {
        let policy = self.policy;
        let Some(record) = self.records.get_mut(key) else { return false };
        record.in_flight = record.in_flight.saturating_sub(1);
        let mut starts_lockout = false;
        if verdict == SecretVerdict::Wrong {
            record.credit.overdraw(policy.allowance(), now);
            let excess = -record.credit.tokens(policy.allowance(), now);
            if excess > 0.0 {
                starts_lockout = excess <= 1.0;
                let delay = policy.first_delay.as_secs_f64() * (excess - 1.0).clamp(0.0, 30.0).exp2();
                record.locked_until = now + Duration::from_secs_f64(delay).min(policy.max_delay);
            }
        }
        if record.is_forgiven(policy, now) {
            self.records.remove(key);
        }
        starts_lockout
    }

    fn evict(&mut self, now: Instant) {
        let policy = self.policy;
        self.records.retain(|_, record| !record.is_forgiven(policy, now));
        if self.records.len() >= self.max_keys {
            self.records.retain(|_, record| record.in_flight > 0 || record.locked_until > now);
        }
        if self.records.len() >= self.max_keys {
            let oldest = self.records.iter().min_by_key(|(_, record)| record.locked_until).map(|(key, _)| key.clone());
            if let Some(oldest) = oldest {
                self.records.remove(&oldest);
            }
        }
    }
}

/// Result of one attempt to log in with a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SecretVerdict {
    Correct,
    Wrong,
    /// The attempt ended before the secret was checked.
    Unchecked,
}

impl FailureRecord {
    fn new(policy: LockoutPolicy, now: Instant) -> Self {
        Self { credit: TokenBucket::full(policy.allowance(), now), locked_until: now, in_flight: 0 }
    }

    /// Whether the record equals a new one, so that it can be dropped.
    fn is_forgiven(&mut self, policy: LockoutPolicy, now: Instant) -> bool {
        self.in_flight == 0 && self.locked_until <= now && self.credit.is_full(policy.allowance(), now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::{NAME_LOCKOUT, PREFIX_LOCKOUT};

    /// How many wrong secrets are checked for an attacker that tries four times a second for this long.
    fn guesses(policy: LockoutPolicy, hours: u64) -> u32 {
        let start = Instant::now();
        let mut failures = FailureTracker::new(policy, 10);
        let mut checked = 0;
        for quarter in 0..hours * 3_600 * 4 {
            let now = start + Duration::from_millis(250) * u32::try_from(quarter).unwrap();
            if failures.try_begin(&1, now) {
                failures.finish(&1, SecretVerdict::Wrong, now);
                checked += 1;
            }
        }
        checked
    }

    #[test]
    fn a_brute_force_attack_gets_few_guesses_a_day() {
        let from_an_address = guesses(PREFIX_LOCKOUT, 24);
        assert!((50..500).contains(&from_an_address), "{from_an_address} guesses a day from one address");
        let for_a_name = guesses(NAME_LOCKOUT, 24);
        assert!((10..2_000).contains(&for_a_name), "{for_a_name} guesses a day for one name");
    }

    #[test]
    fn an_office_that_mistypes_is_not_locked_out() {
        // 500 people log in within an hour, and one in ten needs a second attempt.
        let start = Instant::now();
        let mut failures = FailureTracker::new(PREFIX_LOCKOUT, 10);
        for person in 0..500_u32 {
            let now = start + Duration::from_secs(7) * person;
            for verdict in [SecretVerdict::Wrong, SecretVerdict::Correct] {
                if verdict == SecretVerdict::Wrong && person % 10 != 0 {
                    continue;
                }
                assert!(failures.try_begin(&1, now), "person {person}");
                failures.finish(&1, verdict, now);
            }
        }
    }

    #[test]
    fn parallel_attempts_get_no_more_guesses_than_sequential_ones() {
        let now = Instant::now();
        let policy = LockoutPolicy { free_failures: 5, max_concurrent: 100, ..PREFIX_LOCKOUT };
        let mut failures = FailureTracker::new(policy, 10);
        assert_eq!((0..20).filter(|_| failures.try_begin(&1, now)).count(), 5);
        for _ in 0..5 {
            failures.finish(&1, SecretVerdict::Wrong, now);
        }
        assert!(failures.try_begin(&1, now));
        assert!(!failures.try_begin(&1, now), "only one attempt may be in flight beyond the free failures");
        assert!(
            failures.finish(&1, SecretVerdict::Wrong, now),
            "the first failure beyond the free ones starts the lockout"
        );
        assert!(!failures.try_begin(&1, now));
        assert!(failures.try_begin(&2, now), "another key has its own record");
        assert!(failures.try_begin(&1, now + policy.first_delay));
        assert!(!failures.finish(&1, SecretVerdict::Wrong, now + policy.first_delay));
    }

    #[test]
    fn correct_and_unchecked_attempts_leave_no_record() {
        let now = Instant::now();
        let mut failures = FailureTracker::new(PREFIX_LOCKOUT, 10);
        for verdict in [SecretVerdict::Correct, SecretVerdict::Unchecked] {
            assert!(failures.try_begin(&1, now));
            failures.finish(&1, verdict, now);
            assert!(failures.records.is_empty());
        }
    }

    #[test]
    fn eviction_bounds_memory_and_keeps_the_longest_lockout() {
        let now = Instant::now();
        let policy = LockoutPolicy { free_failures: 1, ..PREFIX_LOCKOUT };
        let mut failures = FailureTracker::new(policy, 50);
        for _ in 0..2 {
            failures.try_begin(&0, now);
            failures.finish(&0, SecretVerdict::Wrong, now);
        }
        for key in 1..1_000 {
            failures.try_begin(&key, now);
            failures.finish(&key, SecretVerdict::Wrong, now);
            assert!(failures.records.len() <= 50);
        }
        assert!(!failures.try_begin(&0, now));
    }
}
