//! When the packets of the picture may leave.

use std::time::{Duration, Instant};

/// Faster than what the encoder makes, so that nothing piles up; slow enough that a keyframe does not fill a queue on the way.
const FACTOR: f64 = 2.5;
/// What may leave at once after a pause, in time: sleeping is no more exact than a millisecond or two.
const BURST: Duration = Duration::from_millis(5);
/// So late the last of what waits may be. What is more than the rate allows until then goes faster.
const LATEST: Duration = Duration::from_millis(400);

/// Spreads packets over time.
#[derive(Default)]
pub(crate) struct Pacer {
    /// In bits per second.
    rate: f64,
    /// When the path is free of what left.
    free: Option<Instant>,
}

impl Pacer {
    /// A frame begins. `waiting` are the bytes of all that waits, with the frame; `target` is the encoder's rate, in bits per
    /// second.
    pub fn begin(&mut self, waiting: usize, target: u32) {
        let at_least = waiting as f64 * 8.0 / LATEST.as_secs_f64();
        self.rate = (f64::from(target) * FACTOR).max(at_least).max(1.0);
    }

    /// When a packet of so many bytes may leave: at once when that is not later than `now`. Then it is taken to leave.
    pub fn next(&mut self, now: Instant, bytes: usize) -> Instant {
        let earliest = now.checked_sub(BURST).unwrap_or(now);
        let free = self.free.map_or(earliest, |free| free.max(earliest));
        self.free = Some(free + Duration::from_secs_f64(bytes as f64 * 8.0 / self.rate.max(1.0)));
        free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When each of so many packets of 1,000 bytes leaves, that all come at once.
    fn leave(count: usize, target: u32) -> Vec<Duration> {
        let start = Instant::now();
        let mut now = start;
        let mut pacer = Pacer::default();
        pacer.begin(count * 1_000, target);
        let times = (0..count).map(|_| {
            now = now.max(pacer.next(now, 1_000));
            now.duration_since(start)
        });
        times.collect()
    }

    #[test]
    fn a_keyframe_is_spread() {
        // 40 kB at 2.5 times 450 kbit/s: 284 ms.
        let times = leave(40, 450_000);
        let last = times.last().unwrap();
        assert!((260..=284).contains(&last.as_millis()), "{last:?}");
        for window in times.windows(4) {
            assert!(window[3] - window[0] >= Duration::from_millis(10), "{window:?}");
        }
    }

    #[test]
    fn a_small_frame_leaves_at_once() {
        assert_eq!(leave(1, 100_000), [Duration::ZERO]);
    }

    #[test]
    fn nothing_is_later_than_the_latest() {
        for count in [10, 100, 1_000] {
            let last = *leave(count, 100_000).last().unwrap();
            assert!(last <= LATEST, "{count}: {last:?}");
        }
    }

    #[test]
    fn a_pause_saves_nothing_up() {
        let mut pacer = Pacer::default();
        let start = Instant::now();
        pacer.begin(1_000, 800_000);
        pacer.next(start, 1_000);
        let later = start + Duration::from_secs(60);
        let mut at_once = 0;
        while pacer.next(later, 1_000) <= later {
            at_once += 1;
        }
        // 5 ms of 2 Mbit/s.
        assert!(at_once <= 3, "{at_once}");
    }
}
