//! The time that the registry is told.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Time since the Unix epoch that never goes back: the system's clock is read once, and what has elapsed is added.
///
/// Tokens and tickets are moments of it, so a clock that was set back must not hand out the same token twice.
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

    /// When the monotonic clock will show this moment.
    pub(crate) fn instant(&self, moment: Duration) -> Instant {
        self.started + moment.saturating_sub(self.started_at)
    }
}

/// The monotonic clock that tokio's timers go by. A test may stop it, and step it by hand.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_and_instants_are_the_same_time() {
        let clock = Clock::start();
        let now = clock.now();
        assert!(clock.now() >= now);
        let later = now + Duration::from_secs(3);
        assert_eq!(clock.instant(later) - clock.instant(now), Duration::from_secs(3));
        assert_eq!(clock.instant(Duration::ZERO), clock.started);
    }
}
