//! How late packets come, and how long the first must therefore wait.
//!
//! As in WebRTC's NetEq (`modules/audio_coding/neteq/delay_manager.cc`): a histogram of how much later than the fastest
//! packets arrive, which slowly forgets, and of it the quantile that is to be played in time.

use std::collections::VecDeque;

use crate::ms;

/// The least that a packet waits: what the sound card takes at once, and a little.
pub const LEAST: i64 = ms(30);

/// The most that a packet waits for the sake of later ones.
pub const MOST: i64 = ms(500);

/// Added to what was seen: sound is made ready in small blocks, and the first of them must be there.
const MARGIN: i64 = ms(10);

/// The fastest packet is the fastest of this time, so that two clocks that drift apart are no matter.
const WINDOW: i64 = ms(2000);

/// The slowest packet of each such time counts.
const INTERVAL: i64 = ms(100);

/// Frames in one step of the histogram, and how many steps: 10 ms each up to [`MOST`].
const STEP: i64 = ms(10);
const STEPS: usize = (MOST / STEP) as usize;

/// The part of intervals whose packets shall all be in time.
const QUANTILE: f64 = 0.97;

/// What an interval weighs. A rise is believed when it was seen in two, and forgotten after twenty seconds.
const WEIGHT: f64 = 0.02;

/// The first intervals weigh more: nothing is known yet, and while a call is set up processor and network have much to do at
/// once. As NetEq's `start_forget_weight`: after `n` intervals, those before `n / 2` weigh an eighth of all.
const EARLY: f64 = 3.0;

/// So many intervals back packets were as slow as they will be next.
const RECENT: usize = 5;

/// More packets in the window than this are not told apart from the fastest among them.
const HISTORY: usize = 400;

/// Watches arrivals. Positions and frames are both at 48 kHz, one by the sender's clock and one by the sound card's.
#[derive(Debug)]
pub struct Delay {
    /// Candidates for the fastest packet of the window: arrivals ascending, transits ascending.
    fastest: VecDeque<(i64, i64)>,
    histogram: [f64; STEPS],
    seen: u32,
    /// When the interval began, and the longest transit in it.
    interval: Option<(i64, i64)>,
    /// The longest transits of the intervals before.
    recent: VecDeque<i64>,
    target: i64,
}

impl Default for Delay {
    fn default() -> Self {
        let mut histogram = [0.0; STEPS];
        histogram[2] = 1.0;
        Self { fastest: VecDeque::new(), histogram, seen: 0, interval: None, recent: VecDeque::new(), target: ms(40) }
    }
}

impl Delay {
    /// How long the fastest packets are to wait, in frames.
    pub fn target(&self) -> i64 {
        self.target
    }

    /// The transit (arrival less position) of the fastest packet of late, an arbitrary number.
    pub fn base(&self) -> Option<i64> {
        self.fastest.front().map(|(_, transit)| *transit)
    }

    /// The longest transit of the last half second.
    pub fn slowest(&self) -> Option<i64> {
        let now = self.interval.map(|(_, slowest)| slowest);
        self.recent.iter().copied().chain(now).max()
    }

    /// Takes a packet into account.
    pub fn arrived(&mut self, position: i64, arrival: i64) {
        let transit = arrival - position;
        while self.fastest.front().is_some_and(|(then, _)| arrival - then > WINDOW) {
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
                    self.count(slowest);
                }
            }
        }
    }

    /// Forgets who was fastest, since positions start anew. How late packets come is remembered.
    pub fn restart(&mut self) {
        self.fastest.clear();
        self.recent.clear();
        self.interval = None;
    }

    fn count(&mut self, slowest: i64) {
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(slowest);
        let late = slowest - self.base().unwrap_or(slowest);
        let step = usize::try_from(late / STEP).unwrap_or(0).min(STEPS - 1);
        self.seen = self.seen.saturating_add(1);
        let weight = WEIGHT.max(EARLY / (f64::from(self.seen) + EARLY));
        for share in &mut self.histogram {
            *share *= 1.0 - weight;
        }
        self.histogram[step] += weight;
        self.target = (self.quantile() + MARGIN).clamp(LEAST, MOST);
    }

    /// The least delay within which packets arrived in all but a few intervals.
    fn quantile(&self) -> i64 {
        let mut sum = 0.0;
        let mut steps = 0;
        for share in self.histogram {
            sum += share;
            steps += 1;
            if sum >= QUANTILE {
                break;
            }
        }
        steps * STEP
    }
}
