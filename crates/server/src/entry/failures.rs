//! Wrong secrets, and how long the next attempt has to wait for them. Time is an argument.

use std::{
    collections::HashMap,
    hash::Hash,
    time::{Duration, Instant},
};

use crate::token_bucket::{Allowance, TokenBucket};

/// How wrong secrets are dealt with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// So many are without consequence.
    pub free: u32,
    /// After this long one is forgiven.
    pub forgiven_after: Duration,
    /// The wait after the first that is not free; it doubles with each.
    pub first_wait: Duration,
    /// And ends at this.
    pub longest_wait: Duration,
    /// Attempts that may be under way at once.
    pub at_once: u32,
}

impl Patience {
    fn allowance(&self) -> Allowance {
        Allowance { burst: self.free.into(), per_second: self.forgiven_after.as_secs_f64().recip() }
    }
}

/// Wrong secrets by address, or by name.
///
/// Past `most` keys those that are forgiven are dropped, then those that wait for nothing, then the one that has waited longest.
#[derive(Debug)]
pub(crate) struct Failures<K> {
    patience: Patience,
    most: usize,
    records: HashMap<K, Record>,
}

#[derive(Clone, Copy, Debug)]
struct Record {
    /// What is left of those that are free; each wrong one that is not is owed.
    free: TokenBucket,
    /// Not before then.
    wait_until: Instant,
    under_way: u32,
}

impl<K: Eq + Hash + Clone> Failures<K> {
    pub(crate) fn new(patience: Patience, most: usize) -> Self {
        Self { patience, most, records: HashMap::new() }
    }

    /// Whether a secret may be tried now. If so, [`end`](Self::end) has to follow.
    pub(crate) fn begin(&mut self, key: &K, now: Instant) -> bool {
        let patience = self.patience;
        if self.records.len() >= self.most && !self.records.contains_key(key) {
            self.make_room(now);
        }
        let record = self.records.entry(key.clone()).or_insert_with(|| Record::new(patience, now));
        // Past what is free, one at a time: or a thousand could be tried before the first is known to be wrong.
        let left = record.free.tokens(patience.allowance(), now).max(1.0) as u32;
        if now < record.wait_until || record.under_way >= left.min(patience.at_once) {
            return false;
        }
        record.under_way += 1;
        true
    }

    /// The attempt is over. Returns whether it is this one that makes the next wait, for the first time.
    pub(crate) fn end(&mut self, key: &K, outcome: Outcome, now: Instant) -> bool {
        let patience = self.patience;
        let Some(record) = self.records.get_mut(key) else { return false };
        record.under_way = record.under_way.saturating_sub(1);
        let mut newly = false;
        if outcome == Outcome::Wrong {
            record.free.overdraw(patience.allowance(), now);
            let owed = -record.free.tokens(patience.allowance(), now);
            if owed > 0.0 {
                newly = owed <= 1.0;
                let wait = patience.first_wait.as_secs_f64() * (owed - 1.0).clamp(0.0, 30.0).exp2();
                record.wait_until = now + Duration::from_secs_f64(wait).min(patience.longest_wait);
            }
        }
        if record.is_over(patience, now) {
            self.records.remove(key);
        }
        newly
    }

    fn make_room(&mut self, now: Instant) {
        let patience = self.patience;
        self.records.retain(|_, record| !record.is_over(patience, now));
        if self.records.len() >= self.most {
            self.records.retain(|_, record| record.under_way > 0 || record.wait_until > now);
        }
        if self.records.len() >= self.most {
            let oldest = self.records.iter().min_by_key(|(_, record)| record.wait_until).map(|(key, _)| key.clone());
            if let Some(oldest) = oldest {
                self.records.remove(&oldest);
            }
        }
    }
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Right,
    Wrong,
    /// Nobody looked.
    Unknown,
}

impl Record {
    fn new(patience: Patience, now: Instant) -> Self {
        Self { free: TokenBucket::full(patience.allowance(), now), wait_until: now, under_way: 0 }
    }

    /// Whether it says nothing that a new one would not.
    fn is_over(&mut self, patience: Patience, now: Instant) -> bool {
        self.under_way == 0 && self.wait_until <= now && self.free.is_full(patience.allowance(), now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::{BY_NAME, BY_SITE};

    /// How many wrong secrets get looked at when somebody tries every quarter of a second for this long.
    fn guesses(patience: Patience, hours: u64) -> u32 {
        let start = Instant::now();
        let mut failures = Failures::new(patience, 10);
        let mut looked_at = 0;
        for quarter in 0..hours * 3_600 * 4 {
            let now = start + Duration::from_millis(250) * u32::try_from(quarter).unwrap();
            if failures.begin(&1, now) {
                failures.end(&1, Outcome::Wrong, now);
                looked_at += 1;
            }
        }
        looked_at
    }

    #[test]
    fn a_brute_force_is_slowed_down_to_nothing() {
        let of_an_address = guesses(BY_SITE, 24);
        assert!((50..500).contains(&of_an_address), "{of_an_address} guesses a day from one address");
        let of_a_name = guesses(BY_NAME, 24);
        assert!((10..2_000).contains(&of_a_name), "{of_a_name} guesses a day for one name");
    }

    #[test]
    fn an_office_that_mistypes_is_not_locked_out() {
        // 500 people log in within an hour, and one in ten needs a second attempt.
        let start = Instant::now();
        let mut failures = Failures::new(BY_SITE, 10);
        for person in 0..500_u32 {
            let now = start + Duration::from_secs(7) * person;
            for outcome in [Outcome::Wrong, Outcome::Right] {
                if outcome == Outcome::Wrong && person % 10 != 0 {
                    continue;
                }
                assert!(failures.begin(&1, now), "person {person}");
                failures.end(&1, outcome, now);
            }
        }
    }

    #[test]
    fn no_more_are_tried_at_once_than_would_be_one_after_the_other() {
        let now = Instant::now();
        let patience = Patience { free: 5, at_once: 100, ..BY_SITE };
        let mut failures = Failures::new(patience, 10);
        assert_eq!((0..20).filter(|_| failures.begin(&1, now)).count(), 5);
        for _ in 0..5 {
            failures.end(&1, Outcome::Wrong, now);
        }
        assert!(failures.begin(&1, now));
        assert!(!failures.begin(&1, now), "one at a time now");
        assert!(failures.end(&1, Outcome::Wrong, now), "the first that is not free");
        assert!(!failures.begin(&1, now));
        assert!(failures.begin(&2, now), "another is another");
        assert!(failures.begin(&1, now + patience.first_wait));
        assert!(!failures.end(&1, Outcome::Wrong, now + patience.first_wait));
    }

    #[test]
    fn what_is_right_or_was_not_looked_at_leaves_nothing_behind() {
        let now = Instant::now();
        let mut failures = Failures::new(BY_SITE, 10);
        for outcome in [Outcome::Right, Outcome::Unknown] {
            assert!(failures.begin(&1, now));
            failures.end(&1, outcome, now);
            assert!(failures.records.is_empty());
        }
    }

    #[test]
    fn memory_is_bounded_and_who_has_to_wait_is_kept_longest() {
        let now = Instant::now();
        let patience = Patience { free: 1, ..BY_SITE };
        let mut failures = Failures::new(patience, 50);
        for _ in 0..2 {
            failures.begin(&0, now);
            failures.end(&0, Outcome::Wrong, now);
        }
        for key in 1..1_000 {
            failures.begin(&key, now);
            failures.end(&key, Outcome::Wrong, now);
            assert!(failures.records.len() <= 50);
        }
        assert!(!failures.begin(&0, now));
    }
}
