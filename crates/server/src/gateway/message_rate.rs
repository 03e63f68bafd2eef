//! Rate limit for the messages of one connection. The current time is an argument.

use std::time::{Duration, Instant};

use hutong_protocol::limits::{MESSAGE_BURST, MESSAGES_PER_SECOND};

use crate::token_bucket::{Allowance, TokenBucket};

/// The allowed rate.
const MESSAGES: Allowance = Allowance { burst: MESSAGE_BURST as f64, per_second: MESSAGES_PER_SECOND as f64 };

/// Number of messages over the rate after which the connection is closed; a pause that refills the burst resets the count. As
/// large as a burst, so that a client with a bug receives an error first and a flood ends soon.
const EXCESS: u32 = MESSAGE_BURST;

/// Minimum interval between the error messages to one client.
const REPORT_EVERY: Duration = Duration::from_secs(1);

/// The token bucket of one connection, and its count of messages over the rate.
#[derive(Clone, Debug)]
pub(crate) struct MessageRate {
    messages: TokenBucket,
    excess: u32,
    reported: Option<Instant>,
}

/// What to do with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RateVerdict {
    /// Handle it.
    Accept,
    /// Drop it and send the client an error: it is over the rate.
    DropAndReport,
    /// Drop it: it is over the rate, and an error was sent less than [`REPORT_EVERY`] ago.
    Drop,
    /// Close the connection: [`EXCESS`] messages were over the rate.
    Close,
}

impl MessageRate {
    pub(crate) fn new(now: Instant) -> Self {
        Self { messages: TokenBucket::full(MESSAGES, now), excess: 0, reported: None }
    }

    /// Counts a message, or a control frame, that came with this many fragments, and decides about it. Each fragment counts
    /// like a message, so that empty ones are not free.
    pub(crate) fn message(&mut self, fragments: u32, now: Instant) -> RateVerdict {
        if self.messages.is_full(MESSAGES, now) {
            self.excess = 0;
        }
        let cost = fragments.saturating_add(1).min(MESSAGE_BURST);
        if self.messages.take_many(MESSAGES, f64::from(cost), now) {
            return RateVerdict::Accept;
        }
        self.excess = self.excess.saturating_add(cost);
        if self.excess > EXCESS {
            return RateVerdict::Close;
        }
        if self.reported.is_some_and(|reported| now.saturating_duration_since(reported) < REPORT_EVERY) {
            return RateVerdict::Drop;
        }
        self.reported = Some(now);
        RateVerdict::DropAndReport
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn send(rate: &mut MessageRate, now: Instant, count: u32) -> Vec<RateVerdict> {
        (0..count).map(|_| rate.message(0, now)).collect()
    }

    #[test]
    fn a_burst_and_then_the_steady_rate_pass() {
        let mut now = Instant::now();
        let mut rate = MessageRate::new(now);
        assert!(send(&mut rate, now, MESSAGE_BURST).iter().all(|verdict| *verdict == RateVerdict::Accept));
        for _ in 0..100 {
            // A little more than a second because of rounding.
            now += Duration::from_millis(1_001);
            assert!(send(&mut rate, now, MESSAGES_PER_SECOND).iter().all(|verdict| *verdict == RateVerdict::Accept));
        }
    }

    #[test]
    fn messages_over_the_rate_cause_one_error_a_second_and_then_a_close() {
        let mut now = Instant::now();
        let mut rate = MessageRate::new(now);
        send(&mut rate, now, MESSAGE_BURST);
        assert_eq!(send(&mut rate, now, 3), [RateVerdict::DropAndReport, RateVerdict::Drop, RateVerdict::Drop]);
        now += Duration::from_millis(1_001);
        let next = send(&mut rate, now, MESSAGES_PER_SECOND + 2);
        assert_eq!(next[next.len() - 2..], [RateVerdict::DropAndReport, RateVerdict::Drop]);
        let rest = send(&mut rate, now, EXCESS);
        assert_eq!(rest.last(), Some(&RateVerdict::Close));
        assert_eq!(rest.iter().filter(|verdict| **verdict == RateVerdict::Close).count(), 5);
    }

    #[test]
    fn ten_thousand_messages_in_a_second_close_the_connection() {
        let start = Instant::now();
        let mut rate = MessageRate::new(start);
        let taken_before_close = (0..10_000)
            .map(|sent| rate.message(0, start + Duration::from_micros(100) * sent))
            .take_while(|verdict| *verdict != RateVerdict::Close)
            .count();
        assert!(taken_before_close < 450, "{taken_before_close}");
    }

    #[test]
    fn fragments_count_like_messages() {
        let start = Instant::now();
        let mut rate = MessageRate::new(start);
        for _ in 0..4 {
            assert_eq!(rate.message(MESSAGE_BURST / 4 - 1, start), RateVerdict::Accept);
        }
        assert_eq!(rate.message(0, start), RateVerdict::DropAndReport);
        assert_eq!(rate.message(EXCESS, start), RateVerdict::Close);
    }

    #[test]
    fn a_pause_resets_the_count_of_excess_messages() {
        let mut now = Instant::now();
        let mut rate = MessageRate::new(now);
        for _ in 0..10 {
            assert!(send(&mut rate, now, MESSAGE_BURST + EXCESS).iter().all(|verdict| *verdict != RateVerdict::Close));
            now += Duration::from_secs(u64::from(MESSAGE_BURST / MESSAGES_PER_SECOND) + 1);
        }
    }
}
