//! Rate limiter: one token bucket per key, in bounded memory. Time is an argument.

use std::{collections::HashMap, hash::Hash, time::Instant};

use crate::token_bucket::{Allowance, TokenBucket};

/// Token bucket per key (an address prefix or a user).
///
/// At `max_keys` keys, full buckets are evicted, which loses nothing. If none is full, all are evicted: an attacker with
/// that many addresses is not stopped by a limit per address.
#[derive(Debug)]
pub(crate) struct RateLimiter<K> {
    allowance: Allowance,
    max_keys: usize,
    buckets: HashMap<K, TokenBucket>,
}

impl<K: Eq + Hash> RateLimiter<K> {
    pub(crate) fn new(allowance: Allowance, max_keys: usize) -> Self {
        Self { allowance, max_keys, buckets: HashMap::new() }
    }

    /// Whether the key has a token now. Stores nothing about a key that is not known yet.
    pub(crate) fn has_token(&self, key: &K, now: Instant) -> bool {
        self.buckets.get(key).copied().is_none_or(|mut bucket| bucket.tokens(self.allowance, now) >= 1.0)
    }

    /// Takes one of the key's tokens. Returns whether there was one.
    pub(crate) fn take(&mut self, key: K, now: Instant) -> bool {
        let allowance = self.allowance;
        if self.buckets.len() >= self.max_keys && !self.buckets.contains_key(&key) {
            self.buckets.retain(|_, bucket| !bucket.is_full(allowance, now));
            if self.buckets.len() >= self.max_keys {
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

    fn take_all(limiter: &mut RateLimiter<u32>, key: u32, now: Instant) -> usize {
        (0..10).filter(|_| limiter.take(key, now)).count()
    }

    #[test]
    fn each_key_has_its_own_bucket() {
        let start = Instant::now();
        let mut limiter = RateLimiter::new(ALLOWANCE, 10);
        assert_eq!(take_all(&mut limiter, 1, start), 3);
        assert_eq!(take_all(&mut limiter, 1, start + Duration::from_secs(4)), 2);
        assert_eq!(take_all(&mut limiter, 2, start), 3);
    }

    #[test]
    fn asking_for_a_token_takes_and_stores_nothing() {
        let start = Instant::now();
        let mut limiter = RateLimiter::new(ALLOWANCE, 10);
        assert!(limiter.has_token(&1, start) && limiter.buckets.is_empty());
        assert_eq!(take_all(&mut limiter, 1, start), 3);
        assert!(!limiter.has_token(&1, start + Duration::from_secs(1)));
        assert!(limiter.has_token(&1, start + Duration::from_secs(2)));
        assert_eq!(take_all(&mut limiter, 1, start + Duration::from_secs(2)), 1);
    }

    #[test]
    fn eviction_bounds_memory_and_keeps_empty_buckets() {
        let mut now = Instant::now();
        let mut limiter = RateLimiter::new(ALLOWANCE, 100);
        for key in 1..100 {
            limiter.take(key, now);
        }
        now += Duration::from_secs(3);
        take_all(&mut limiter, 0, now);
        for key in 1_000..1_090 {
            assert!(limiter.take(key, now));
            assert!(limiter.buckets.len() <= 100);
        }
        assert_eq!(take_all(&mut limiter, 0, now), 0);
        for key in 2_000..3_000 {
            limiter.take(key, now);
            assert!(limiter.buckets.len() <= 100);
        }
    }
}
