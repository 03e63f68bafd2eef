//! Token bucket rate limiter. The current time is an argument.

use std::time::Instant;

/// The capacity and refill rate of a token bucket.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance {
    /// Capacity in tokens: the largest burst.
    pub(crate) burst: f64,
    /// Refill rate in tokens per second.
    pub(crate) per_second: f64,
}

/// Token bucket, full at first. Each event takes one token.
///
/// If none is left, the caller either drops the event ([`take`](Self::take)) or takes a token on credit
/// ([`overdraw`](Self::overdraw)): the balance becomes negative, and `take` fails until it has been refilled.
///
/// The [`Allowance`] is an argument of each method, so that thousands of buckets do not each store it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TokenBucket {
    tokens: f64,
    as_of: Instant,
}

impl TokenBucket {
    pub(crate) const fn full(allowance: Allowance, now: Instant) -> Self {
        Self { tokens: allowance.burst, as_of: now }
    }

    /// Takes a token if there is one, and returns whether there was.
    pub(crate) fn take(&mut self, allowance: Allowance, now: Instant) -> bool {
        self.take_many(allowance, 1.0, now)
    }

    /// Takes this many tokens if there are as many, and returns whether there were.
    pub(crate) fn take_many(&mut self, allowance: Allowance, tokens: f64, now: Instant) -> bool {
        let are_available = self.tokens(allowance, now) >= tokens;
        if are_available {
            self.tokens -= tokens;
        }
        are_available
    }

    /// Takes a token even if there is none.
    pub(crate) fn overdraw(&mut self, allowance: Allowance, now: Instant) {
        self.tokens = self.tokens(allowance, now) - 1.0;
    }

    /// Gives back a token that was taken for an event that does not count.
    pub(crate) const fn give_back(&mut self, allowance: Allowance) {
        self.tokens = (self.tokens + 1.0).min(allowance.burst);
    }

    /// Whether the bucket is filled to its capacity.
    pub(crate) fn is_full(&mut self, allowance: Allowance, now: Instant) -> bool {
        self.tokens(allowance, now) >= allowance.burst
    }

    /// The current balance in tokens; negative after an overdraft.
    pub(crate) fn tokens(&mut self, allowance: Allowance, now: Instant) -> f64 {
        let elapsed = now.saturating_duration_since(self.as_of).as_secs_f64();
        self.as_of = self.as_of.max(now);
        self.tokens = elapsed.mul_add(allowance.per_second, self.tokens).min(allowance.burst);
        self.tokens
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const ALLOWANCE: Allowance = Allowance { burst: 3.0, per_second: 0.5 };

    #[test]
    fn a_burst_passes_and_then_the_steady_rate() {
        let start = Instant::now();
        let mut bucket = TokenBucket::full(ALLOWANCE, start);
        for (second, asked, given) in [
            (0, 2, 2),
            (0, 5, 1),
            (1, 5, 0),
            (2, 5, 1),
            (6, 5, 2),
            // The balance is capped at the burst.
            (3_600, 10, 3),
            // A time before the last one refills nothing.
            (3_500, 10, 0),
            (3_602, 10, 1),
        ] {
            let now = start + Duration::from_secs(second);
            let taken = (0..asked).filter(|_| bucket.take(ALLOWANCE, now)).count();
            assert_eq!(taken, given, "in second {second}");
        }
    }

    #[test]
    fn the_steady_rate_does_not_depend_on_how_often_take_is_called() {
        const STEADY: Allowance = Allowance { burst: 5.0, per_second: 10.0 };
        for micros in [10_u32, 100, 1_000, 30_000] {
            let start = Instant::now();
            let mut bucket = TokenBucket::full(STEADY, start);
            let in_ten_seconds = 10_000_000 / micros;
            let taken = (0..in_ten_seconds)
                .filter(|number| bucket.take(STEADY, start + Duration::from_micros(micros.into()) * *number))
                .count();
            assert!((103..=105).contains(&taken), "{taken} of {in_ten_seconds}");
        }
    }

    #[test]
    fn an_event_may_take_several_tokens_or_none() {
        let start = Instant::now();
        let mut bucket = TokenBucket::full(ALLOWANCE, start);
        assert!(bucket.take_many(ALLOWANCE, 2.0, start));
        assert!(!bucket.take_many(ALLOWANCE, 2.0, start));
        assert_eq!(bucket.tokens(ALLOWANCE, start), 1.0);
        assert!(bucket.take_many(ALLOWANCE, 2.0, start + Duration::from_secs(2)));
    }

    #[test]
    fn a_token_given_back_is_available_and_does_not_exceed_the_burst() {
        let now = Instant::now();
        let mut bucket = TokenBucket::full(ALLOWANCE, now);
        bucket.overdraw(ALLOWANCE, now);
        for _ in 0..5 {
            bucket.give_back(ALLOWANCE);
        }
        assert_eq!(bucket.tokens(ALLOWANCE, now), 3.0);
    }

    #[test]
    fn an_overdraft_is_refilled_before_tokens_are_available() {
        let start = Instant::now();
        let mut bucket = TokenBucket::full(ALLOWANCE, start);
        assert!(bucket.is_full(ALLOWANCE, start));
        for left in [2.0, 1.0, 0.0, -1.0, -2.0] {
            bucket.overdraw(ALLOWANCE, start);
            assert_eq!(bucket.tokens(ALLOWANCE, start), left);
        }
        for (second, available) in [(2, false), (4, false), (6, true), (6, false)] {
            assert_eq!(bucket.take(ALLOWANCE, start + Duration::from_secs(second)), available, "in second {second}");
        }
        assert!(!bucket.is_full(ALLOWANCE, start + Duration::from_secs(11)));
        assert!(bucket.is_full(ALLOWANCE, start + Duration::from_secs(12)));
    }
}
