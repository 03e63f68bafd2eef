//! A token bucket for each of many addresses or users, in bounded memory. Time is an argument.

use std::{collections::HashMap, hash::Hash, time::Instant};

use crate::token_bucket::{Allowance, TokenBucket};

/// A bucket for each key that was seen of late.
///
/// Past `most` keys those that are full again are dropped, which changes nothing. If all are in use, all are dropped: whoever has that
/// many addresses is not held back by a limit for one.
#[derive(Debug)]
pub(crate) struct Buckets<K> {
    allowance: Allowance,
    most: usize,
    buckets: HashMap<K, TokenBucket>,
}

impl<K: Eq + Hash> Buckets<K> {
    pub(crate) fn new(allowance: Allowance, most: usize) -> Self {
        Self { allowance, most, buckets: HashMap::new() }
    }

    /// Whether this key had a token left.
    pub(crate) fn take(&mut self, key: K, now: Instant) -> bool {
        let allowance = self.allowance;
        if self.buckets.len() >= self.most && !self.buckets.contains_key(&key) {
            self.buckets.retain(|_, bucket| !bucket.is_full(allowance, now));
            if self.buckets.len() >= self.most {
                self.buckets.clear();
            }
        }
        self.buckets.entry(key).or_insert_with(|| TokenBucket::full(allowance, now)).take(allowance, now)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const ALLOWANCE: Allowance = Allowance { burst: 3.0, per_second: 0.5 };

    fn taken(buckets: &mut Buckets<u32>, key: u32, now: Instant) -> usize {
        (0..10).filter(|_| buckets.take(key, now)).count()
    }

    #[test]
    fn each_key_has_its_own_bucket() {
        let start = Instant::now();
        let mut buckets = Buckets::new(ALLOWANCE, 10);
        assert_eq!(taken(&mut buckets, 1, start), 3);
        assert_eq!(taken(&mut buckets, 1, start + Duration::from_secs(4)), 2);
        assert_eq!(taken(&mut buckets, 2, start), 3);
    }

    #[test]
    fn memory_is_bounded_and_who_is_held_back_stays_so_while_others_come_and_go() {
        let mut now = Instant::now();
        let mut buckets = Buckets::new(ALLOWANCE, 100);
        for key in 1..100 {
            buckets.take(key, now);
        }
        now += Duration::from_secs(3);
        taken(&mut buckets, 0, now);
        for key in 1_000..1_090 {
            assert!(buckets.take(key, now));
            assert!(buckets.buckets.len() <= 100);
        }
        assert_eq!(taken(&mut buckets, 0, now), 0);
        for key in 2_000..3_000 {
            buckets.take(key, now);
            assert!(buckets.buckets.len() <= 100);
        }
    }
}
