//! Token buckets: how often something may happen, in bursts and for ever. Time is an argument.

use std::time::Instant;

/// How much is allowed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance {
    /// So many at once.
    pub(crate) burst: f64,
    /// And so many a second for ever.
    pub(crate) per_second: f64,
}

/// What is left of an [`Allowance`].
///
/// It begins full, with a whole burst. Each event takes one token, and tokens come back at the steady rate, up to the burst. Where none
/// is left the caller either leaves the event out ([`take`](Self::take)), or has it happen on credit ([`overdraw`](Self::overdraw)):
/// then the bucket owes the token, and has none to give until that has come back.
///
/// The allowance is handed in each time, so that thousands of buckets need not each hold it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TokenBucket {
    tokens: f64,
    as_of: Instant,
}

impl TokenBucket {
    pub(crate) const fn full(allowance: Allowance, now: Instant) -> Self {
        Self { tokens: allowance.burst, as_of: now }
    }

    /// Takes a token, and returns whether there was one to take.
    pub(crate) fn take(&mut self, allowance: Allowance, now: Instant) -> bool {
        let there = self.tokens(allowance, now) >= 1.0;
        if there {
            self.tokens -= 1.0;
        }
        there
    }

    /// Takes a token, whether there is one or not.
    pub(crate) fn overdraw(&mut self, allowance: Allowance, now: Instant) {
        self.tokens = self.tokens(allowance, now) - 1.0;
    }

    /// Whether all that was ever taken has come back.
    pub(crate) fn is_full(&mut self, allowance: Allowance, now: Instant) -> bool {
        self.tokens(allowance, now) >= allowance.burst
    }

    /// The tokens that there are now; fewer than zero are owed.
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
            // No more than a burst is saved up.
            (3_600, 10, 3),
            // A clock that seems to go back gives nothing twice.
            (3_500, 10, 0),
            (3_602, 10, 1),
        ] {
            let now = start + Duration::from_secs(second);
            let taken = (0..asked).filter(|_| bucket.take(ALLOWANCE, now)).count();
            assert_eq!(taken, given, "in second {second}");
        }
    }

    #[test]
    fn however_often_it_is_asked_the_steady_rate_is_kept() {
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
    fn what_is_owed_comes_back_first() {
        let start = Instant::now();
        let mut bucket = TokenBucket::full(ALLOWANCE, start);
        assert!(bucket.is_full(ALLOWANCE, start));
        for left in [2.0, 1.0, 0.0, -1.0, -2.0] {
            bucket.overdraw(ALLOWANCE, start);
            assert_eq!(bucket.tokens(ALLOWANCE, start), left);
        }
        for (second, there) in [(2, false), (4, false), (6, true), (6, false)] {
            assert_eq!(bucket.take(ALLOWANCE, start + Duration::from_secs(second)), there, "in second {second}");
        }
        assert!(!bucket.is_full(ALLOWANCE, start + Duration::from_secs(11)));
        assert!(bucket.is_full(ALLOWANCE, start + Duration::from_secs(12)));
    }
}
