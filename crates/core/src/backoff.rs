//! When to reconnect: delays with jitter, and timeouts for opening a WebSocket.

use std::{
    hash::{Hash, Hasher},
    time::Duration,
};

/// Upper bound of the first, random delay before reconnecting to a small server.
const BASE_DELAY: Duration = Duration::from_secs(1);

/// Upper bound of the time from the start of an attempt to the next one, to a small server. Bounds how long after the
/// return of the network a client is online again: this, and less than a second for connecting.
const MAX_INTERVAL: Duration = Duration::from_secs(4);

/// Minimum delay between two attempts.
const MIN_DELAY: Duration = Duration::from_millis(100);

/// Upper bound of the delay before reconnecting to a large server, or after a refusal. A call has to be claimed within
/// 30 s, and one attempt may fail.
const MAX_DELAY: Duration = Duration::from_secs(15);

/// Target rate of reconnects after all users of a large server lost it at once: the first delay grows with the number
/// of users. A server can welcome several times as many.
const RECONNECTS_PER_SECOND: u32 = 1_000;

/// Users online up to which a server counts as small: they can all reconnect within [`BASE_DELAY`].
const SMALL_SERVER_USERS: usize = 1_000;

/// Timeout for opening a WebSocket: a lost TCP SYN is repeated after 1 s, and a new attempt is faster than the next
/// repetitions, whose intervals double.
const OPEN_TIMEOUT: Duration = Duration::from_secs(3);

/// Timeout for opening a WebSocket to a large server, and of every fourth attempt: for networks on which TCP and TLS
/// take longer than [`OPEN_TIMEOUT`].
const LONG_OPEN_TIMEOUT: Duration = Duration::from_secs(10);

/// Why the next attempt is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptCause {
    /// The WebSocket of a session was lost.
    SessionLost,
    /// An attempt that began at `started` could not reach the server.
    Unreachable { started: Duration },
    /// The server answered that it accepts no login now, or is too busy to answer `hello`.
    Refused,
}

/// Delays before reconnecting, with their random source. Times are of the client's clock.
#[derive(Clone, Debug)]
pub struct Backoff {
    failures: u32,
    /// Users of the server when it was lost.
    online: usize,
    random: fastrand::Rng,
}

impl Backoff {
    /// Creates a backoff whose jitter depends on `seed`.
    pub fn new(seed: u64) -> Self {
        Self { failures: 0, online: 0, random: fastrand::Rng::with_seed(seed) }
    }

    /// Starts again with the shortest delay: the session is logged in, or the person logs in.
    pub const fn reset(&mut self) {
        self.failures = 0;
        self.online = 0;
    }

    /// How long the next attempt may take to open its WebSocket.
    pub const fn open_timeout(&self) -> Duration {
        if self.online > SMALL_SERVER_USERS || self.failures % 4 == 3 { LONG_OPEN_TIMEOUT } else { OPEN_TIMEOUT }
    }

    /// When the next attempt starts. `online`: users of the server, as far as known.
    ///
    /// The bound of the delay doubles with each failure, up to [`MAX_INTERVAL`] or [`MAX_DELAY`], and the delay is a
    /// random part of it, so that clients that lost a server together return at different times.
    pub fn next_attempt(&mut self, now: Duration, cause: AttemptCause, online: usize) -> Duration {
        self.online = online;
        let first = u32::try_from(online).map_or(MAX_DELAY, |online| BASE_DELAY * online / RECONNECTS_PER_SECOND);
        let bound = first.max(BASE_DELAY).saturating_mul(1 << self.failures.min(8));
        let part = self.random.f64();
        let next = match cause {
            AttemptCause::Unreachable { started } if online <= SMALL_SERVER_USERS && self.failures > 0 => {
                started + bound.min(MAX_INTERVAL).mul_f64(0.5 + part / 2.0)
            }
            _ => now + bound.min(MAX_DELAY).mul_f64(part),
        };
        let earliest = if self.failures > 0 { now + MIN_DELAY } else { now };
        self.failures = self.failures.saturating_add(1);
        next.max(earliest)
    }
}

impl Hash for Backoff {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let Self { failures, online, random } = self;
        (failures, online, random.get_seed()).hash(hasher);
    }
}

#[cfg(test)]
mod tests {
    use hutong_protocol::limits;

    use super::*;

    /// Start times of the attempts in an outage from 100 s on, each of which fails after `attempt_time` or its timeout.
    fn attempts(seed: u64, online: usize, attempt_time: Duration, end: Duration) -> Vec<Duration> {
        let mut backoff = Backoff::new(seed);
        let mut start = backoff.next_attempt(Duration::from_secs(100), AttemptCause::SessionLost, online);
        let mut starts = Vec::new();
        while start < end {
            starts.push(start);
            let failed = start + attempt_time.min(backoff.open_timeout());
            start = backoff.next_attempt(failed, AttemptCause::Unreachable { started: start }, online);
        }
        starts
    }

    #[test]
    fn clients_of_a_server_of_any_size_reconnect_within_the_claim_window() {
        for online in [15_000, 100_000, usize::MAX] {
            let mut backoff = Backoff::new(online as u64);
            let mut now = backoff.next_attempt(Duration::ZERO, AttemptCause::SessionLost, online);
            // The server is down for 5 s, as long as a restart may take; then each client waits once more.
            while now < Duration::from_secs(5) {
                now = backoff.next_attempt(now, AttemptCause::Unreachable { started: now }, online);
            }
            assert!(now < limits::CLAIM_WINDOW, "{online} online: reconnected after {now:?}");
        }
    }

    #[test]
    fn a_small_server_is_tried_every_4_s_however_long_it_is_away() {
        for seed in 0..100 {
            let starts = attempts(seed, 1_000, Duration::ZERO, Duration::from_secs(1_000));
            assert!(starts.windows(2).all(|pair| pair[1] - pair[0] <= MAX_INTERVAL), "{starts:?}");
            assert!((220..400).contains(&starts.len()), "{} attempts in 900 s", starts.len());
        }
    }

    /// When a TCP connection that began at `start` is set up, if all packets before `back` are lost. SYNs are sent after
    /// 0, 1, 3 and 7 s (Linux).
    fn connected(start: Duration, back: Duration, timeout: Duration) -> Option<Duration> {
        let syn =
            [0, 1, 3, 7].map(|second| start + Duration::from_secs(second)).into_iter().find(|syn| *syn >= back)?;
        (syn < start + timeout).then_some(syn)
    }

    #[test]
    fn a_client_of_a_small_server_connects_within_4_s_of_the_return_of_the_network() {
        for seed in 0..20 {
            for back in (101_000..160_000).step_by(70).map(Duration::from_millis) {
                let mut backoff = Backoff::new(seed);
                let mut start = backoff.next_attempt(Duration::from_secs(100), AttemptCause::SessionLost, 1_000);
                let done = loop {
                    let timeout = backoff.open_timeout();
                    if let Some(done) = connected(start, back, timeout) {
                        break done;
                    }
                    let cause = AttemptCause::Unreachable { started: start };
                    start = backoff.next_attempt(start + timeout, cause, 1_000);
                };
                assert!(
                    done - back <= Duration::from_millis(4_100),
                    "seed {seed}: back at {back:?}, connected at {done:?}"
                );
            }
        }
    }

    #[test]
    fn every_fourth_attempt_has_time_for_a_slow_network() {
        let starts = attempts(1, 10, Duration::MAX, Duration::from_secs(160));
        let longer = starts.windows(2).filter(|pair| pair[1] - pair[0] >= LONG_OPEN_TIMEOUT).count();
        assert!((2..=4).contains(&longer), "{starts:?}");
    }

    #[test]
    fn a_refused_client_waits_longer_each_time() {
        let mut backoff = Backoff::new(1);
        let delays: Vec<_> =
            (0..200).map(|_| backoff.next_attempt(Duration::ZERO, AttemptCause::Refused, 10)).collect();
        assert!(delays[0] <= BASE_DELAY);
        assert!(
            delays.iter().all(|delay| *delay <= MAX_DELAY)
                && delays[10..].iter().any(|delay| *delay > MAX_INTERVAL * 2)
        );
    }
}
