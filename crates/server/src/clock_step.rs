//! Steps of the system's clock: it was wrong when the machine started, or the machine slept.

use std::time::{Duration, Instant};

/// The clock is certainly wrong if it shows an earlier time: 2026-11-01, when this was written. To be moved forward at
/// releases.
pub(crate) const CERTAINLY_PAST: Duration = Duration::from_secs(1_793_491_200);

/// Smallest difference that counts as a step. Clocks that are adjusted slowly differ by less.
const SMALLEST: Duration = Duration::from_secs(10);

/// A change of the system's clock beside the time that has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockStep {
    /// It was set forward, or the machine slept.
    Forward(Duration),
    /// It was set back.
    Back(Duration),
}

impl ClockStep {
    /// The size of the step.
    #[must_use]
    pub const fn size(self) -> Duration {
        match self {
            Self::Forward(by) | Self::Back(by) => by,
        }
    }

    /// The time after the step that was this time before it.
    #[must_use]
    pub const fn apply(self, before: Duration) -> Duration {
        match self {
            Self::Forward(by) => before.saturating_add(by),
            Self::Back(by) => before.saturating_sub(by),
        }
    }
}

/// Compares the system's clock with the monotonic clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClockComparison {
    instant: Instant,
    unix_time: Duration,
}

impl ClockComparison {
    pub(crate) const fn new(instant: Instant, unix_time: Duration) -> Self {
        Self { instant, unix_time }
    }

    /// The step since the last one.
    pub(crate) fn observe(&mut self, instant: Instant, unix_time: Duration) -> Option<ClockStep> {
        let expected = self.unix_time + instant.saturating_duration_since(self.instant);
        let step = match unix_time.checked_sub(expected) {
            Some(by) => ClockStep::Forward(by),
            None => ClockStep::Back(expected - unix_time),
        };
        if step.size() < SMALLEST {
            return None;
        }
        *self = Self::new(instant, unix_time);
        Some(step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const NOW: Duration = Duration::from_secs(1_795_435_200);

    #[test]
    fn a_step_is_reported_once_and_passing_time_is_none() {
        let start = Instant::now();
        let mut comparison = ClockComparison::new(start, NOW);
        assert_eq!(comparison.observe(start + SECOND * 90, NOW + SECOND * 90), None);
        assert_eq!(
            comparison.observe(start + SECOND * 100, NOW + SECOND * 1_100),
            Some(ClockStep::Forward(SECOND * 1_000))
        );
        assert_eq!(comparison.observe(start + SECOND * 101, NOW + SECOND * 1_101), None);
        assert_eq!(comparison.observe(start + SECOND * 102, NOW + SECOND * 2), Some(ClockStep::Back(SECOND * 1_100)));
    }

    #[test]
    fn slow_adjustments_count_once_they_add_up() {
        let start = Instant::now();
        let mut comparison = ClockComparison::new(start, NOW);
        for second in 1..10 {
            assert_eq!(comparison.observe(start + SECOND * second, NOW + SECOND * second * 2), None);
        }
        assert_eq!(comparison.observe(start + SECOND * 10, NOW + SECOND * 20), Some(ClockStep::Forward(SECOND * 10)));
    }

    #[test]
    fn a_step_maps_times() {
        assert_eq!(ClockStep::Forward(SECOND).apply(NOW), NOW + SECOND);
        assert_eq!(ClockStep::Back(SECOND).apply(NOW), NOW - SECOND);
        assert_eq!(ClockStep::Back(NOW).apply(SECOND), Duration::ZERO);
    }
}
