//! Estimator of the network's delay variation, and of the playout delay that it requires.
//!
//! As in WebRTC's `NetEq` (`modules/audio_coding/neteq/delay_manager.cc`): a histogram with exponential forgetting of the delay
//! relative to the fastest packets. The target delay is a quantile of it.

use std::collections::VecDeque;

use crate::ms;

/// Least target delay: the sound card's buffer and a margin.
pub const MIN_TARGET: i64 = ms(30);

/// Largest target delay: the range of the histogram. Later packets are concealed.
pub const MAX_TARGET: i64 = ms(500);

/// Added to the quantile, since audio is prepared in small blocks, the first of which must be complete.
const MARGIN: i64 = ms(10);

/// Window of the base transit, the least of its packets. Bounded, so that clock drift has no effect.
const BASE_WINDOW: i64 = ms(2000);

/// Interval from which only the slowest packet enters the histogram.
const INTERVAL: i64 = ms(100);

/// Samples in a bin of the histogram: 10 ms.
const BIN: i64 = ms(10);
/// Bins of the histogram, up to [`MAX_TARGET`].
const BINS: usize = (MAX_TARGET / BIN) as usize;

/// Part of the intervals whose packets must all arrive in time.
const QUANTILE: f64 = 0.97;

/// Weight of an interval. A higher delay counts once two intervals had it, and is forgotten after twenty seconds.
const WEIGHT: f64 = 0.02;

/// Weight of the first intervals, as `start_forget_weight` of `NetEq`: call setup delays packets in ways that say nothing about
/// the call. After `n` intervals, those before `n / 2` weigh an eighth of all.
const START_WEIGHT: f64 = 3.0;

/// Number of intervals that [`DelayEstimator::slowest_transit`] covers: half a second.
const RECENT: usize = 5;

/// Limit of packets in the base window.
const HISTORY: usize = 400;

/// Estimator of the target delay, from the arrivals of packets.
///
/// Positions and arrivals are both in samples: positions by the sender's clock, arrivals by the sound card's. A transit is an
/// arrival less a position: the network delay plus the unknown offset of the clocks.
#[derive(Debug)]
pub struct DelayEstimator {
    /// Candidates for the base transit: (arrival, transit), both ascending.
    fastest: VecDeque<(i64, i64)>,
    histogram: [f64; BINS],
    intervals: u32,
    /// Start of the current interval, and its longest transit.
    interval: Option<(i64, i64)>,
    /// Longest transits of the previous intervals.
    recent: VecDeque<i64>,
    target: i64,
}

impl Default for DelayEstimator {
    fn default() -> Self {
        let mut histogram = [0.0; BINS];
        histogram[2] = 1.0;
        Self {
            fastest: VecDeque::new(),
            histogram,
            intervals: 0,
            interval: None,
            recent: VecDeque::new(),
            target: ms(40),
        }
    }
}

impl DelayEstimator {
    /// Target delay of the fastest packets, in samples.
    pub fn target(&self) -> i64 {
        self.target
    }

    /// The transit of the fastest recent packet.
    pub fn base_transit(&self) -> Option<i64> {
        self.fastest.front().map(|(_, transit)| *transit)
    }

    /// The longest transit of the last half second.
    pub fn slowest_transit(&self) -> Option<i64> {
        let current = self.interval.map(|(_, slowest)| slowest);
        self.recent.iter().copied().chain(current).max()
    }

    /// Records the arrival of a packet.
    pub fn packet_arrived(&mut self, position: i64, arrival: i64) {
        let transit = arrival - position;
        while self.fastest.front().is_some_and(|(then, _)| arrival - then > BASE_WINDOW) {
            self.fastest.pop_front();
        }
        while self.fastest.back().is_some_and(|(_, other)| *other >= transit) {
            self.fastest.pop_back();
        }
        if self.fastest.len() < HISTORY {
            self.fastest.push_back((arrival, transit));
        }
        match &mut self.interval {
            Some((since, slowest)) if arrival - *since < INTERVAL => *slowest = transit.max(*slowest),
            interval => {
                if let Some((_, slowest)) = interval.replace((arrival, transit)) {
                    self.add_interval(slowest);
                }
            }
        }
    }

    /// Forgets all transits, since positions restart. Keeps the histogram.
    pub fn restart(&mut self) {
        self.fastest.clear();
        self.recent.clear();
        self.interval = None;
    }

    fn add_interval(&mut self, slowest: i64) {
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(slowest);
        let relative = slowest - self.base_transit().unwrap_or(slowest);
        let bin = usize::try_from(relative / BIN).unwrap_or(0).min(BINS - 1);
        self.intervals = self.intervals.saturating_add(1);
        let weight = WEIGHT.max(START_WEIGHT / (f64::from(self.intervals) + START_WEIGHT));
        for share in &mut self.histogram {
            *share *= 1.0 - weight;
        }
        self.histogram[bin] += weight;
        self.target = (self.quantile() + MARGIN).clamp(MIN_TARGET, MAX_TARGET);
    }

    /// The least delay that covers [`QUANTILE`] of the intervals.
    fn quantile(&self) -> i64 {
        let mut sum = 0.0;
        let mut bins = 0;
        for share in self.histogram {
            sum += share;
            bins += 1;
            if sum >= QUANTILE {
                break;
            }
        }
        bins * BIN
    }
}
