//! Clock of the registry: Unix time that never goes back.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Monotonic clock with Unix time: the system clock, read once at start, plus the elapsed time.
///
/// Tokens and tickets are timestamps of this clock, so setting the system clock back must not produce the same token twice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    started: Instant,
    started_at: Duration,
}

impl Clock {
    pub(crate) fn start() -> Self {
        let started_at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { started: now(), started_at }
    }

    pub(crate) fn now(&self) -> Duration {
        self.started_at + now().saturating_duration_since(self.started)
    }

    /// The instant of the monotonic clock for this Unix time.
    pub(crate) fn instant(&self, moment: Duration) -> Instant {
        self.started + moment.saturating_sub(self.started_at)
    }
}

/// The current time of tokio's timers, which a test can pause and advance.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unix_times_and_instants_correspond() {
        let clock = Clock::start();
        let now = clock.now();
        assert!(clock.now() >= now);
        let later = now + Duration::from_secs(3);
        assert_eq!(clock.instant(later) - clock.instant(now), Duration::from_secs(3));
        assert_eq!(clock.instant(Duration::ZERO), clock.started);
    }
}
