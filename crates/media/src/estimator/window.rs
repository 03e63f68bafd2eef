//! What arrived lately, and what did not.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Over which what arrives is measured.
const RATE: Duration = Duration::from_millis(600);
/// Over which what leaves is measured.
const SENT: Duration = Duration::from_millis(1_000);
/// A rate needs so much to be measured.
const ENOUGH: Duration = Duration::from_millis(250);
/// Among the packets of this time the fastest counts.
const FASTEST: Duration = Duration::from_millis(200);
/// How long the fastest way ever seen is believed in, in steps of a second.
const STEPS: usize = 10;
/// More packets in a window than any rate allowed here makes.
const MOST: usize = 4_096;
/// Over which loss is measured, and with how many packets at least.
const LOSS: Duration = Duration::from_millis(1_500);
const PACKETS: usize = 20;
/// How much nearer what is borne comes, at every look, to what is lost.
const FORGET: f64 = 0.02;
/// How long a decrease has to show in the losses.
const ANSWER: Duration = Duration::from_millis(2_000);

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Outcome {
    /// When it left.
    pub sent: Instant,
    /// When it arrived, on the other side's clock; none if it did not.
    pub arrival: Option<Duration>,
    /// With all headers.
    pub bytes: usize,
    /// Whether it carries what the encoder of the picture made, for the first time.
    pub picture: bool,
}

/// What arrived, on the other side's clock.
#[derive(Default)]
pub(super) struct Window {
    arrivals: VecDeque<Arrival>,
    latest: Duration,
    /// From which the time of leaving is counted.
    epoch: Option<Instant>,
    /// The least delays of the last seconds, and in which they were.
    fastest: VecDeque<(u64, f64)>,
}

struct Arrival {
    at: Duration,
    bytes: usize,
    picture: bool,
    /// How long the way was, in seconds, but for the difference of the clocks.
    delay: f64,
}

impl Window {
    pub fn add(&mut self, outcome: &Outcome) {
        let Some(at) = outcome.arrival else { return };
        let epoch = *self.epoch.get_or_insert(outcome.sent);
        let left = if outcome.sent >= epoch {
            outcome.sent.duration_since(epoch).as_secs_f64()
        } else {
            -epoch.duration_since(outcome.sent).as_secs_f64()
        };
        let delay = at.as_secs_f64() - left;
        self.latest = self.latest.max(at);
        self.arrivals.push_back(Arrival { at, bytes: outcome.bytes, picture: outcome.picture, delay });
        let oldest = self.latest.saturating_sub(RATE);
        while self.arrivals.len() > MOST || self.arrivals.front().is_some_and(|arrival| arrival.at < oldest) {
            self.arrivals.pop_front();
        }
        let second = self.latest.as_secs();
        match self.fastest.back_mut() {
            Some((last, least)) if *last == second => *least = least.min(delay),
            _ => self.fastest.push_back((second, delay)),
        }
        while self.fastest.front().is_some_and(|(first, _)| *first + (STEPS as u64) <= second) {
            self.fastest.pop_front();
        }
    }

    /// Bits per second that arrive; none while that is not known.
    pub fn rate(&self) -> Option<f64> {
        let first = self.arrivals.front()?;
        let span = self.latest.saturating_sub(first.at);
        // Packets come in bursts of a frame: over less than the whole window the first burst would count for too much.
        (span >= ENOUGH).then(|| {
            let bytes: usize = self.arrivals.iter().skip(1).map(|arrival| arrival.bytes).sum();
            bytes as f64 * 8.0 / span.as_secs_f64()
        })
    }

    /// Bits per second that are not the picture's.
    pub fn others(&self) -> f64 {
        let bytes: usize = self.arrivals.iter().filter(|arrival| !arrival.picture).map(|arrival| arrival.bytes).sum();
        bytes as f64 * 8.0 / RATE.as_secs_f64()
    }

    /// How long packets wait on the way, in seconds.
    pub fn queue(&self) -> f64 {
        let oldest = self.latest.saturating_sub(FASTEST);
        let lately = self.arrivals.iter().filter(|arrival| arrival.at >= oldest).map(|arrival| arrival.delay);
        let ever = self.fastest.iter().map(|(_, least)| *least).fold(f64::INFINITY, f64::min);
        let queue = lately.fold(f64::INFINITY, f64::min) - ever;
        if queue.is_finite() { queue.max(0.0) } else { 0.0 }
    }

    /// The way is longer than it was: what is seen now is no queue.
    pub fn rebase(&mut self) {
        let oldest = self.latest.saturating_sub(FASTEST);
        let lately = self.arrivals.iter().filter(|arrival| arrival.at >= oldest).map(|arrival| arrival.delay);
        let least = lately.fold(f64::INFINITY, f64::min);
        self.fastest.clear();
        if least.is_finite() {
            self.fastest.push_back((self.latest.as_secs(), least));
        }
    }
}

/// What left, on this side's clock.
#[derive(Default)]
pub(super) struct Departures {
    packets: VecDeque<(Instant, usize)>,
    bytes: usize,
}

impl Departures {
    pub fn add(&mut self, now: Instant, bytes: usize) {
        self.packets.push_back((now, bytes));
        self.bytes += bytes;
        while let Some((at, bytes)) = self.packets.front()
            && (self.packets.len() > MOST || now.duration_since(*at) > SENT)
        {
            self.bytes -= bytes;
            self.packets.pop_front();
        }
    }

    /// Bits per second that leave.
    pub fn rate(&self, now: Instant) -> f64 {
        let lately = self.packets.back().is_some_and(|(at, _)| now.duration_since(*at) <= SENT);
        if lately { self.bytes as f64 * 8.0 / SENT.as_secs_f64() } else { 0.0 }
    }
}

/// What was lost.
#[derive(Default)]
pub(super) struct Losses {
    packets: VecDeque<(Instant, bool)>,
    from: Option<Instant>,
    /// The part that was lost when the rate was lowered for it last, and when that was.
    answered: Option<(f64, Instant)>,
    /// What is lost whatever the rate.
    borne: f64,
}

impl Losses {
    /// What left earlier does not count.
    pub fn ignore_before(&mut self, from: Instant) {
        self.from = Some(from);
    }

    pub fn add(&mut self, now: Instant, outcome: &Outcome) {
        if self.from.is_some_and(|from| outcome.sent < from) {
            return;
        }
        self.packets.push_back((now, outcome.arrival.is_none()));
        while self.packets.len() > MOST || self.packets.front().is_some_and(|(at, _)| now.duration_since(*at) > LOSS) {
            self.packets.pop_front();
        }
    }

    /// Which part was lost; none while that is not known.
    pub fn part(&self, now: Instant) -> Option<f64> {
        let lately = self.packets.iter().filter(|(at, _)| now.duration_since(*at) <= LOSS);
        let (all, lost) = lately.fold((0, 0), |(all, lost), (_, is_lost)| (all + 1, lost + usize::from(*is_lost)));
        (all >= PACKETS).then(|| lost as f64 / all as f64)
    }

    /// What is lost whatever the rate.
    pub fn borne(&self) -> f64 {
        self.borne
    }

    /// Which part was lost, when that is more than `most` and not borne: the rate is to be lowered.
    pub fn too_many(&mut self, now: Instant, most: f64) -> Option<f64> {
        let part = self.part(now)?;
        if part < self.borne {
            self.borne -= (self.borne - part) * FORGET;
        }
        if part <= most + self.borne {
            return None;
        }
        match self.answered {
            Some((_, at)) if now.duration_since(at) < ANSWER => return None,
            Some((before, at)) if now.duration_since(at) < 3 * ANSWER && part > before * 0.7 => {
                self.borne = part;
                self.answered = None;
                return None;
            }
            _ => {}
        }
        self.answered = Some((part, now));
        Some(part)
    }
}
