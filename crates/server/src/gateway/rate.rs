//! How many messages one connection may send. Time is an argument.

use std::time::{Duration, Instant};

use hutong_protocol::limits::{MESSAGE_BURST, MESSAGES_PER_SECOND};

use crate::token_bucket::{Allowance, TokenBucket};

/// Messages of one connection.
const MESSAGES: Allowance = Allowance { burst: MESSAGE_BURST as f64, per_second: MESSAGES_PER_SECOND as f64 };

/// Messages over the rate after which the connection is closed, unless it has kept quiet in between for long enough to send
/// a whole burst again. As many as a burst: a client that made a mistake once is told so, a flood ends soon.
const EXCESS: u32 = MESSAGE_BURST;

/// How often a client is told that it sends too much.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// What is left of [`MESSAGES`] to one connection, and how far it has gone beyond.
#[derive(Clone, Debug)]
pub(crate) struct Rate {
    messages: TokenBucket,
    excess: u32,
    told: Option<Instant>,
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It counts.
    Take,
    /// It is over the rate and has no effect; the client is told.
    DropAndTell,
    /// It is over the rate and has no effect; the client was told just now.
    Drop,
    /// There were too many over the rate: the connection closes.
    Close,
}

impl Rate {
    pub(crate) fn new(now: Instant) -> Self {
        Self { messages: TokenBucket::full(MESSAGES, now), excess: 0, told: None }
    }

    /// A message came.
    pub(crate) fn message(&mut self, now: Instant) -> Verdict {
        if self.messages.is_full(MESSAGES, now) {
            self.excess = 0;
        }
        if self.messages.take(MESSAGES, now) {
            return Verdict::Take;
        }
        self.excess += 1;
        if self.excess > EXCESS {
            return Verdict::Close;
        }
        if self.told.is_some_and(|told| now.saturating_duration_since(told) < TELL_EVERY) {
            return Verdict::Drop;
        }
        self.told = Some(now);
        Verdict::DropAndTell
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn send(rate: &mut Rate, now: Instant, count: u32) -> Vec<Verdict> {
        (0..count).map(|_| rate.message(now)).collect()
    }

    #[test]
    fn a_burst_and_then_the_steady_rate_pass() {
        let mut now = Instant::now();
        let mut rate = Rate::new(now);
        assert!(send(&mut rate, now, MESSAGE_BURST).iter().all(|verdict| *verdict == Verdict::Take));
        for _ in 0..100 {
            // A little more than a second, for the rounding.
            now += Duration::from_millis(1_001);
            assert!(send(&mut rate, now, MESSAGES_PER_SECOND).iter().all(|verdict| *verdict == Verdict::Take));
        }
    }

    #[test]
    fn too_many_are_told_once_a_second_and_closed_in_the_end() {
        let mut now = Instant::now();
        let mut rate = Rate::new(now);
        send(&mut rate, now, MESSAGE_BURST);
        assert_eq!(send(&mut rate, now, 3), [Verdict::DropAndTell, Verdict::Drop, Verdict::Drop]);
        now += Duration::from_millis(1_001);
        let next = send(&mut rate, now, MESSAGES_PER_SECOND + 2);
        assert_eq!(next[next.len() - 2..], [Verdict::DropAndTell, Verdict::Drop]);
        let rest = send(&mut rate, now, EXCESS);
        assert_eq!(rest.last(), Some(&Verdict::Close));
        assert_eq!(rest.iter().filter(|verdict| **verdict == Verdict::Close).count(), 5);
    }

    #[test]
    fn ten_thousand_in_a_second_are_a_flood() {
        let start = Instant::now();
        let mut rate = Rate::new(start);
        let taken_before_close = (0..10_000)
            .map(|sent| rate.message(start + Duration::from_micros(100) * sent))
            .take_while(|verdict| *verdict != Verdict::Close)
            .count();
        assert!(taken_before_close < 450, "{taken_before_close}");
    }

    #[test]
    fn quiet_makes_good() {
        let mut now = Instant::now();
        let mut rate = Rate::new(now);
        for _ in 0..10 {
            assert!(send(&mut rate, now, MESSAGE_BURST + EXCESS).iter().all(|verdict| *verdict != Verdict::Close));
            now += Duration::from_secs(u64::from(MESSAGE_BURST / MESSAGES_PER_SECOND) + 1);
        }
    }
}
