//! Pacer: spreads video packets over time, so that keyframes do not fill queues in the network.

use std::time::{Duration, Instant};

/// Pacing rate as a multiple of the target bitrate: high enough that no backlog builds up, low enough that a keyframe does not
/// fill a queue in the network.
const PACING_FACTOR: f64 = 2.5;
/// What may leave at once after a pause, as time at the pacing rate: timers are accurate to 1 or 2 ms only.
const BURST: Duration = Duration::from_millis(5);
/// Limit of the pacing delay. A larger backlog is sent faster than the pacing rate.
const MAX_DELAY: Duration = Duration::from_millis(400);

/// Leaky-bucket pacer: computes when each packet leaves.
#[derive(Default)]
pub(crate) struct Pacer {
    /// In bits per second.
    rate: f64,
    /// When the bucket will be empty.
    empty_at: Option<Instant>,
}

impl Pacer {
    /// Sets the pacing rate for the next frame. `backlog` is the size of all queued frames including this one, in bytes;
    /// `target` is the encoder's bitrate, in bits per second.
    pub fn start_frame(&mut self, backlog: usize, target: u32) {
        let min_rate = backlog as f64 * 8.0 / MAX_DELAY.as_secs_f64();
        self.rate = (f64::from(target) * PACING_FACTOR).max(min_rate).max(1.0);
    }

    /// Accounts for a packet of `bytes` bytes, and returns when it may leave: at once if that is not later than `now`.
    pub fn departure(&mut self, now: Instant, bytes: usize) -> Instant {
        let earliest = now.checked_sub(BURST).unwrap_or(now);
        let departure = self.empty_at.map_or(earliest, |at| at.max(earliest));
        self.empty_at = Some(departure + Duration::from_secs_f64(bytes as f64 * 8.0 / self.rate.max(1.0)));
        departure
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Departures of `count` packets of 1,000 bytes that are queued at once.
    fn departures(count: usize, target: u32) -> Vec<Duration> {
        let start = Instant::now();
        let mut now = start;
        let mut pacer = Pacer::default();
        pacer.start_frame(count * 1_000, target);
        let times = (0..count).map(|_| {
            now = now.max(pacer.departure(now, 1_000));
            now.duration_since(start)
        });
        times.collect()
    }

    #[test]
    fn packets_of_a_keyframe_are_spread_over_time() {
        // 40 kB at 2.5 times 450 kbit/s: 284 ms.
        let times = departures(40, 450_000);
        let last = times.last().unwrap();
        assert!((260..=284).contains(&last.as_millis()), "{last:?}");
        for window in times.windows(4) {
            assert!(window[3] - window[0] >= Duration::from_millis(10), "{window:?}");
        }
    }

    #[test]
    fn a_single_packet_leaves_at_once() {
        assert_eq!(departures(1, 100_000), [Duration::ZERO]);
    }

    #[test]
    fn packets_are_delayed_by_400_ms_at_most() {
        for count in [10, 100, 1_000] {
            let last = *departures(count, 100_000).last().unwrap();
            assert!(last <= MAX_DELAY, "{count}: {last:?}");
        }
    }

    #[test]
    fn the_burst_after_a_pause_is_limited() {
        let mut pacer = Pacer::default();
        let start = Instant::now();
        pacer.start_frame(1_000, 800_000);
        pacer.departure(start, 1_000);
        let later = start + Duration::from_secs(60);
        let mut at_once = 0;
        while pacer.departure(later, 1_000) <= later {
            at_once += 1;
        }
        // 5 ms of 2 Mbit/s.
        assert!(at_once <= 3, "{at_once}");
    }
}
