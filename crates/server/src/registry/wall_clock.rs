//! Wall clock of a registry: for tokens and tickets, which other processes and other days compare.
//!
//! A small computer without a clock of its own starts with a wrong time, and learns the right one within a minute. What
//! happened until then is corrected where the registry knows that it happened here.

use std::{collections::VecDeque, time::Duration};

use super::ticket::{LIFETIME, TicketTimes};
use crate::clock_step::ClockStep;

/// Smallest step that shows that the time before it was wrong. Smaller ones cost a ticket half of its life at most, and
/// machines that sleep have many.
const SMALLEST_CORRECTION: Duration = Duration::from_secs(LIFETIME.as_secs() / 2);

/// Wrong periods that are remembered. Connected clients get new tickets at once, so that an older one matters to nobody.
const MAX_PERIODS: usize = 4;

/// The registry's time plus the steps of the system's clock.
#[derive(Clone, Debug)]
pub struct WallClock {
    forward: Duration,
    back: Duration,
    /// The start of this process, as the clock shows it now.
    started: Duration,
    wrong: VecDeque<WrongPeriod>,
}

/// A time for which the clock was wrong, as it showed it.
#[derive(Clone, Copy, Debug)]
struct WrongPeriod {
    from: Duration,
    to: Duration,
    step: ClockStep,
}

impl WallClock {
    /// The clock of a registry that starts now.
    pub const fn new(now: Duration) -> Self {
        Self { forward: Duration::ZERO, back: Duration::ZERO, started: now, wrong: VecDeque::new() }
    }

    /// The Unix time at this time of the registry.
    pub fn at(&self, now: Duration) -> Duration {
        (now + self.forward).saturating_sub(self.back)
    }

    /// Follows a step of the system's clock.
    pub fn step(&mut self, now: Duration, step: ClockStep) {
        let before = self.at(now);
        match step {
            ClockStep::Forward(by) => self.forward += by,
            ClockStep::Back(by) => self.back += by,
        }
        if step.size() >= SMALLEST_CORRECTION {
            self.wrong.push_back(WrongPeriod { from: self.started, to: before, step });
            if self.wrong.len() > MAX_PERIODS {
                self.wrong.pop_front();
            }
            // If this step was wrong too, the next one corrects the times that this one has corrected.
            self.started = step.apply(self.started);
        }
    }

    /// The right time of an event of this process, of which the clock showed this time.
    pub fn corrected(&self, shown: Duration) -> Duration {
        // Tickets have whole seconds.
        let is_in = |period: &WrongPeriod, time: Duration| {
            (period.from.as_secs()..=period.to.as_secs()).contains(&time.as_secs())
        };
        self.wrong.iter().fold(shown, |time, period| if is_in(period, time) { period.step.apply(time) } else { time })
    }

    /// The right times of a ticket of this process.
    pub fn corrected_ticket(&self, times: TicketTimes) -> TicketTimes {
        TicketTimes { first_login: self.corrected(times.first_login), issued: self.corrected(times.issued) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const IN_2014: Duration = Duration::from_secs(1_400_000_000);
    const YEARS: Duration = Duration::from_secs(395_435_200);

    #[test]
    fn the_clock_follows_steps_in_both_directions() {
        let mut clock = WallClock::new(IN_2014);
        assert_eq!(clock.at(IN_2014 + SECOND), IN_2014 + SECOND);
        clock.step(IN_2014 + SECOND, ClockStep::Forward(YEARS));
        assert_eq!(clock.at(IN_2014 + SECOND * 2), IN_2014 + YEARS + SECOND * 2);
        clock.step(IN_2014 + SECOND * 3, ClockStep::Back(YEARS));
        assert_eq!(clock.at(IN_2014 + SECOND * 3), IN_2014 + SECOND * 3);
    }

    #[test]
    fn times_of_a_wrong_period_are_corrected_and_others_are_not() {
        let mut clock = WallClock::new(IN_2014);
        clock.step(IN_2014 + SECOND * 30, ClockStep::Forward(YEARS));
        assert_eq!(clock.corrected(IN_2014 + SECOND * 10), IN_2014 + SECOND * 10 + YEARS);
        for other in [IN_2014 - SECOND, IN_2014 + SECOND * 31, IN_2014 + YEARS + SECOND * 40] {
            assert_eq!(clock.corrected(other), other);
        }
        // The machine slept: what the clock showed before was right.
        let mut slept = WallClock::new(IN_2014);
        slept.step(IN_2014 + SECOND * 30, ClockStep::Forward(SECOND * 3_600));
        assert_eq!(slept.corrected(IN_2014 + SECOND * 10), IN_2014 + SECOND * 10);
        assert_eq!(slept.at(IN_2014 + SECOND * 30), IN_2014 + SECOND * 3_630);
    }

    #[test]
    fn a_clock_that_is_set_twice_corrects_by_both_steps() {
        let mut clock = WallClock::new(IN_2014);
        clock.step(IN_2014 + SECOND * 30, ClockStep::Forward(YEARS * 2));
        clock.step(IN_2014 + SECOND * 60, ClockStep::Back(YEARS));
        assert_eq!(clock.corrected(IN_2014 + SECOND * 10), IN_2014 + SECOND * 10 + YEARS);
        assert_eq!(clock.corrected(IN_2014 + YEARS * 2 + SECOND * 40), IN_2014 + SECOND * 40 + YEARS);
    }

    #[test]
    fn the_number_of_remembered_periods_is_limited() {
        let mut clock = WallClock::new(IN_2014);
        for _ in 0..100 {
            clock.step(IN_2014, ClockStep::Forward(YEARS));
            clock.step(IN_2014, ClockStep::Back(YEARS));
        }
        assert_eq!(clock.wrong.len(), MAX_PERIODS);
    }
}
