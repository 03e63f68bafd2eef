//! Clock of the registry, which never goes back, and the system's clock, which may be set.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::clock_step::{ClockComparison, ClockStep};

/// How often the system's clock is compared. It costs two system calls.
const COMPARISON_INTERVAL: Duration = Duration::from_secs(1);

/// Monotonic clock with Unix time: the system clock, read once at start, plus the elapsed time.
///
/// Deadlines are times of this clock, so that none is moved when the system's clock is set. The registry follows
/// the [`ClockSteps`] in what it compares with the right time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    started: Instant,
    started_at: Duration,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { started: now(), started_at: unix_time() }
    }

    pub(crate) fn now(&self) -> Duration {
        self.started_at + now().saturating_duration_since(self.started)
    }

    /// The instant of the monotonic clock for this Unix time.
    pub(crate) fn instant(&self, moment: Duration) -> Instant {
        self.started + moment.saturating_sub(self.started_at)
    }
}

/// The Unix time as the system knows it now. It may be wrong until the machine has reached a time server.
pub(crate) fn unix_time() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The steps of the system's clock from now on.
#[derive(Debug)]
pub(crate) struct ClockSteps(ClockComparison);

impl ClockSteps {
    pub(crate) fn start() -> Self {
        // Not tokio's time: a paused one stands still beside the system's clock.
        Self(ClockComparison::new(Instant::now(), unix_time()))
    }

    /// Waits for the next step. Cancel safe.
    pub(crate) async fn next(&mut self) -> ClockStep {
        loop {
            if let Some(step) = self.0.observe(Instant::now(), unix_time()) {
                return step;
            }
            tokio::time::sleep(COMPARISON_INTERVAL).await;
        }
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
