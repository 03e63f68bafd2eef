//! How much the network bears: from when packets left and when they arrived, and from those that did not.
//!
//! A value that is told what happened, and has no clock. In outline as draft-ietf-rmcat-gcc-02: back off below what arrives when
//! packets queue up or too many are lost, else grow carefully. The differences:
//!
//! - A queue is seen by its length, not by its growth: a full one grows no longer. Its length is by how much the fastest of the
//!   last packets was slower than the fastest of the last ten seconds; so one late packet, or a burst that drains, is no queue.
//! - The estimate grows only while it is made use of, and never beyond one and a half times what arrives. A camera that is off,
//!   or a picture that does not move, neither raises nor lowers it.
//! - Loss that does not shrink with the rate is not ours, and borne from then on.
//! - While nothing is heard of, less and less is sent; what came before is soon gone back to.

use std::time::{Duration, Instant};

use window::{Departures, Losses, Window};

pub(crate) use window::Outcome;

mod window;

/// Of the encoder, in bits per second.
pub(crate) const START: u32 = 800_000;
/// Of the encoder, in bits per second.
pub(crate) const FLOOR: u32 = 100_000;
/// Of the encoder, in bits per second: 1280x720 needs no more.
pub(crate) const CEILING: u32 = 2_500_000;

/// Of all that is sent, headers and voice included.
const LOWEST: f64 = 130_000.0;
const HIGHEST: f64 = 2_850_000.0;
const FIRST: f64 = START as f64 / PAYLOAD;
/// Which part of what is sent for the picture its encoder made: the rest are headers.
const PAYLOAD: f64 = 0.94;

/// From this on packets queue up.
const LONG_QUEUE: f64 = 0.060;
/// Below this there is room.
const SHORT_QUEUE: f64 = 0.035;
/// How far below what arrives the rate goes, so that a queue drains.
const BACK_OFF: f64 = 0.85;
/// The same, when the queue is very long.
const BACK_OFF_MORE: f64 = 0.7;
const VERY_LONG_QUEUE: f64 = 0.2;
/// What arrives counts for so much of the rate at least: a moment's standstill says little of what comes after.
const AT_ONCE: f64 = 0.6;
/// How long a decrease has at least to show.
const SETTLE: Duration = Duration::from_millis(400);
/// After so many decreases that shortened no queue, and without losses, the way itself is longer than it was.
const FUTILE: u32 = 3;

/// More loss than this is too much.
const HIGH_LOSS: f64 = 0.10;
/// With less than this there is room.
const LOW_LOSS: f64 = 0.05;

/// Growth per second: before any limit was met, far from the last one, and close to it.
const GROWTH_FIRST: f64 = 1.4;
const GROWTH_FAR: f64 = 1.15;
const GROWTH_CLOSE: f64 = 1.04;
/// The same, back to what was there before an interruption.
const GROWTH_BACK: f64 = 3.0;
/// How long the rate stays below a limit that was met.
const REMEMBER: Duration = Duration::from_secs(10);
/// The estimate is made use of when so much of it is sent.
const USED: f64 = 0.7;
/// Never beyond so many times what arrives.
const AHEAD: f64 = 1.5;

/// So long nothing may be heard of what was sent.
const SILENCE: Duration = Duration::from_millis(1_000);

/// The estimate.
pub(crate) struct Estimator {
    /// Bits per second, of everything.
    rate: f64,
    window: Window,
    departures: Departures,
    losses: Losses,
    /// What arrived when a limit was met, and when that was.
    limit: Option<(f64, Instant)>,
    /// The queue at the last decrease, how many did not shorten it, and until when it has to show.
    decrease: Option<Decrease>,
    grown: Option<Instant>,
    heard: Option<Instant>,
    /// When the first packet left of which nothing was heard yet.
    unheard: Option<Instant>,
    interruption: Option<Interruption>,
}

#[derive(Clone, Copy)]
struct Decrease {
    queue: f64,
    futile: u32,
    until: Instant,
}

#[derive(Clone, Copy)]
enum Interruption {
    /// Nothing is heard: the rate before, and when it was halved last.
    Silent { before: f64, halved: Instant },
    /// Something is heard again: the rate to go back to.
    Back { before: f64 },
}

impl Estimator {
    /// At [`START`].
    pub fn new() -> Self {
        Self {
            rate: FIRST,
            window: Window::default(),
            departures: Departures::default(),
            losses: Losses::default(),
            limit: None,
            decrease: None,
            grown: None,
            heard: None,
            unheard: None,
            interruption: None,
        }
    }

    /// For the encoder of the picture, in bits per second.
    pub fn target(&self) -> u32 {
        let picture = (self.rate - self.window.others()) * PAYLOAD;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the bounds before")]
        let picture = picture.clamp(f64::from(FLOOR), f64::from(CEILING)) as u32;
        picture
    }

    /// Of everything, in bits per second.
    pub fn available(&self) -> f64 {
        self.rate
    }

    /// A packet leaves; its size with all headers.
    pub fn sent(&mut self, now: Instant, bytes: usize) {
        self.departures.add(now, bytes);
        let since = *self.unheard.get_or_insert(now);
        // Without feedback at all the reports have to do.
        let Some(heard) = self.heard else { return };
        if now.duration_since(since.max(heard)) < SILENCE {
            return;
        }
        match &mut self.interruption {
            Some(Interruption::Silent { halved, .. }) => {
                if now.duration_since(*halved) >= SILENCE {
                    *halved = now;
                    self.rate = (self.rate / 2.0).max(LOWEST);
                }
            }
            Some(Interruption::Back { before }) => {
                self.interruption = Some(Interruption::Silent { before: *before, halved: now });
            }
            None => {
                self.interruption = Some(Interruption::Silent { before: self.rate, halved: now });
                self.rate = (self.rate / 2.0).max(LOWEST);
            }
        }
    }

    /// Transport-wide feedback. In the order in which the packets left.
    pub fn feedback(&mut self, now: Instant, outcomes: &[Outcome]) {
        if !outcomes.iter().any(|outcome| outcome.arrival.is_some()) {
            return;
        }
        self.heard = Some(now);
        self.unheard = None;
        if let Some(Interruption::Silent { before, .. }) = self.interruption {
            self.interruption = Some(Interruption::Back { before });
            self.window = Window::default();
            self.losses = Losses::default();
            self.decrease = None;
            self.losses.ignore_before(now);
        }
        for outcome in outcomes {
            self.losses.add(now, outcome);
            self.window.add(outcome);
        }
        let Some(arriving) = self.window.rate() else { return };
        let queue = self.window.queue();
        if queue > LONG_QUEUE {
            self.queue_up(now, queue, arriving);
        } else {
            self.decrease = self.decrease.filter(|decrease| now < decrease.until);
            if let Some(loss) = self.losses.too_many(now, HIGH_LOSS) {
                self.lose(now, loss, arriving);
            } else {
                self.grow(now, queue, arriving);
            }
        }
        self.rate = self.rate.clamp(LOWEST, HIGHEST);
    }

    /// A receiver report, of the picture: which part of the packets was lost. Counts only while there is no feedback.
    pub fn report(&mut self, lost: f64) {
        if self.heard.is_some() {
            return;
        }
        if lost > HIGH_LOSS {
            self.rate *= 1.0 - lost / 2.0;
        } else if lost < LOW_LOSS / 2.0 {
            self.rate *= 1.05;
        }
        // What arrives is not known, so no further than what is usual.
        self.rate = self.rate.clamp(LOWEST, FIRST * AHEAD);
    }

    /// Whether about as much is sent as may be.
    fn is_used(&self, now: Instant) -> bool {
        self.departures.rate(now) >= self.rate * USED
    }

    fn queue_up(&mut self, now: Instant, queue: f64, arriving: f64) {
        self.grown = None;
        let futile = match self.decrease {
            // Growing on although less is sent waits for nothing.
            Some(decrease) if now < decrease.until && queue < decrease.queue + LONG_QUEUE => return,
            Some(decrease) if queue > decrease.queue * 0.9 => decrease.futile + 1,
            _ => 0,
        };
        if futile >= FUTILE && self.losses.part(now).is_none_or(|part| part < HIGH_LOSS + self.losses.borne()) {
            self.window.rebase();
            self.decrease = None;
            return;
        }
        let arriving = arriving.max(self.rate * AT_ONCE);
        let part = if queue > VERY_LONG_QUEUE { BACK_OFF_MORE } else { BACK_OFF };
        if self.is_used(now) {
            self.limit = Some((arriving, now));
            self.interruption = None;
            self.rate = self.rate.min(arriving * part);
        } else {
            // Not by what is sent: what arrives says little of what could.
            self.rate = (self.rate * BACK_OFF).max(arriving);
        }
        let drained = Duration::from_secs_f64(queue.min(2.0));
        self.decrease = Some(Decrease { queue, futile, until: now + SETTLE + drained });
    }

    fn lose(&mut self, now: Instant, loss: f64, arriving: f64) {
        self.grown = None;
        if self.is_used(now) {
            let arriving = arriving.max(self.rate * AT_ONCE);
            self.limit = Some((arriving, now));
            self.interruption = None;
            self.rate = self.rate.min(arriving * 0.95);
        } else {
            // Not by what is sent: what arrives says little of what could.
            self.rate *= 1.0 - loss / 2.0;
        }
    }

    fn grow(&mut self, now: Instant, queue: f64, arriving: f64) {
        if queue > SHORT_QUEUE || self.losses.part(now).is_some_and(|part| part > LOW_LOSS + self.losses.borne()) {
            self.grown = None;
            return;
        }
        let passed = now.duration_since(self.grown.replace(now).unwrap_or(now)).min(Duration::from_millis(500));
        if !self.is_used(now) {
            // What is not used cannot be learned of. A rate that fell meanwhile comes back to where a call starts.
            let before = match self.interruption {
                Some(Interruption::Back { before }) => before,
                _ => FIRST,
            };
            if self.rate < before.min(FIRST) {
                self.rate = (self.rate * GROWTH_FAR.powf(passed.as_secs_f64())).min(before.min(FIRST));
            }
            return;
        }
        let (growth, most) = self.growth(now);
        let grown = (self.rate * growth.powf(passed.as_secs_f64())).min(most).min(arriving * AHEAD);
        self.rate = self.rate.max(grown);
        if let Some(Interruption::Back { before }) = self.interruption
            && self.rate >= before * BACK_OFF
        {
            self.interruption = None;
        }
    }

    /// Per second, and up to where.
    fn growth(&mut self, now: Instant) -> (f64, f64) {
        if let Some(Interruption::Back { before }) = self.interruption {
            return (GROWTH_BACK, before);
        }
        match self.limit {
            Some((limit, met)) if now.duration_since(met) < REMEMBER => (GROWTH_FAR, limit * 0.94),
            Some((limit, _)) if self.rate > limit * 1.3 => {
                self.limit = None;
                (GROWTH_FAR, HIGHEST)
            }
            Some((limit, _)) if self.rate > limit * BACK_OFF => (GROWTH_CLOSE, HIGHEST),
            Some(_) => (GROWTH_FAR, HIGHEST),
            None => (GROWTH_FIRST, HIGHEST),
        }
    }
}

#[cfg(test)]
mod tests;
