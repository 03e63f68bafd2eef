//! Open-loop call schedule of one worker, and the results of the measured calls.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// Open-loop schedule of calls.
///
/// A call may wait for a free pair, but the schedule never waits for a call, and each call is timed from its scheduled
/// time. So a stalled server is charged for every call that was due meanwhile.
#[derive(Debug, Default)]
pub struct CallSchedule {
    /// Session description of the configured size, as JSON string content.
    pub sdp: String,
    free: VecDeque<u32>,
    due: VecDeque<Instant>,
    in_progress: HashMap<u32, Instant>,
    window: Option<MeasuredWindow>,
}

#[derive(Debug)]
struct MeasuredWindow {
    from: Instant,
    until: Instant,
    histogram: Histogram<u64>,
    results: CallResults,
}

/// Results of the calls scheduled in the measured window.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallResults {
    /// Scheduled calls.
    pub scheduled: u64,
    /// Calls that were set up.
    pub completed: u64,
    /// Calls refused by the server.
    pub refused: u64,
    /// Calls not set up at the end of the run. Each is counted with the time until then.
    pub unfinished: u64,
    /// Histogram: microseconds from the scheduled time to the last set-up message, and number of calls.
    pub times: Vec<(u64, u64)>,
}

impl CallSchedule {
    /// Resets the schedule and measures the calls that are scheduled in this window, made by these pairs.
    ///
    /// # Errors
    ///
    /// Returns an error when the histogram cannot be created.
    pub fn start(&mut self, pairs: Vec<u32>, sdp: usize, from: Instant, until: Instant) -> anyhow::Result<()> {
        self.sdp = format!("v=0\\r\\n{}", "a".repeat(sdp));
        self.free = pairs.into();
        self.due.clear();
        self.in_progress.clear();
        self.window = Some(MeasuredWindow { from, until, histogram: histogram()?, results: CallResults::default() });
        Ok(())
    }

    /// Whether no call is due or in progress.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.due.is_empty() && self.in_progress.is_empty()
    }

    /// Ends the run and returns the results.
    pub fn end(&mut self, now: Instant) -> CallResults {
        let unfinished: Vec<Instant> = self.due.drain(..).chain(self.in_progress.drain().map(|(_, at)| at)).collect();
        let Some(mut window) = self.window.take() else { return CallResults::default() };
        for scheduled_at in unfinished {
            if window.contains(scheduled_at) {
                window.results.unfinished += 1;
                window.record(now.saturating_duration_since(scheduled_at));
            }
        }
        let times = window.histogram.iter_recorded();
        window.results.times = times.map(|value| (value.value_iterated_to(), value.count_at_value())).collect();
        window.results
    }

    pub(super) fn add(&mut self, scheduled_at: Instant) {
        self.due.push_back(scheduled_at);
        if let Some(window) = self.window.as_mut().filter(|it| it.contains(scheduled_at)) {
            window.results.scheduled += 1;
        }
    }

    pub(super) fn start_next(&mut self) -> Option<u32> {
        if self.due.is_empty() {
            return None;
        }
        let pair = self.free.pop_front()?;
        let scheduled_at = self.due.pop_front()?;
        self.in_progress.insert(pair, scheduled_at);
        Some(pair)
    }

    pub(super) fn complete(&mut self, pair: u32, now: Instant) {
        let Some(scheduled_at) = self.in_progress.remove(&pair) else { return };
        if let Some(window) = self.window.as_mut().filter(|it| it.contains(scheduled_at)) {
            window.results.completed += 1;
            window.record(now.saturating_duration_since(scheduled_at));
        }
    }

    pub(super) fn release(&mut self, pair: u32) {
        self.in_progress.remove(&pair);
        self.free.push_back(pair);
    }

    pub(super) fn refuse(&mut self, pair: u32) {
        if let Some(scheduled_at) = self.in_progress.remove(&pair)
            && let Some(window) = self.window.as_mut().filter(|it| it.contains(scheduled_at))
        {
            window.results.refused += 1;
        }
        self.free.push_back(pair);
    }
}

impl MeasuredWindow {
    fn contains(&self, scheduled_at: Instant) -> bool {
        (self.from..self.until).contains(&scheduled_at)
    }

    fn record(&mut self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.histogram.saturating_record(micros.max(1));
    }
}

/// Histogram of microseconds up to two minutes, with three significant digits.
///
/// # Errors
///
/// Does not fail with these bounds.
pub fn histogram() -> anyhow::Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1, 120_000_000, 3)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stall_is_charged_to_every_call_that_was_due() {
        let start = Instant::now();
        let mut calls = CallSchedule::default();
        calls.start(vec![0], 10, start, start + Duration::from_secs(10)).unwrap();
        // One pair, a call each 10 ms, and a server that stalls for a second.
        for call in 0..100 {
            calls.add(start + Duration::from_millis(10) * call);
        }
        let mut now = start + Duration::from_secs(1);
        while let Some(pair) = calls.start_next() {
            calls.complete(pair, now);
            calls.release(pair);
            now += Duration::from_micros(10);
        }
        let results = calls.end(now);
        assert_eq!((results.scheduled, results.completed, results.unfinished), (100, 100, 0));
        let mean = results.times.iter().map(|(time, count)| time * count).sum::<u64>() / 100;
        assert!((400_000..600_000).contains(&mean), "{mean}");
    }

    #[test]
    fn an_unfinished_call_counts_with_the_time_until_the_end() {
        let start = Instant::now();
        let mut calls = CallSchedule::default();
        calls.start(vec![0], 10, start + Duration::from_secs(1), start + Duration::from_secs(2)).unwrap();
        calls.add(start);
        assert_eq!(calls.start_next(), Some(0));
        calls.add(start + Duration::from_secs(1));
        let results = calls.end(start + Duration::from_secs(5));
        assert_eq!((results.scheduled, results.completed, results.unfinished), (1, 0, 1));
        assert!(results.times.len() == 1 && results.times[0].0.abs_diff(4_000_000) < 4_000, "{results:?}");
    }
}
