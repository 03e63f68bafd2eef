//! Bandwidth estimator: computes the available bandwidth from send times, arrival times and losses of packets.
//!
//! A value without I/O and clock. Similar to draft-ietf-rmcat-gcc-02: it backs off below the receive rate when packets queue up or
//! too many are lost, else it grows. The differences:
//!
//! - It detects a queue by its length, not by its growth, since a full queue does not grow. The length is the least delay of the
//!   last 200 ms less the least delay of the last 10 s, so that neither a late packet nor a burst that drains counts as a queue.
//! - It grows only while the estimate is used, and not beyond 1.5 times the receive rate. A camera that is off, or a static scene,
//!   neither raises nor lowers it.
//! - Loss that does not fall with the rate is not caused by congestion, and becomes the baseline.
//! - Without feedback the rate is halved repeatedly, and quickly restored afterwards.

use std::time::{Duration, Instant};

use measurements::{ArrivalWindow, LossWindow, SendRateWindow};

pub(crate) use measurements::PacketResult;

mod measurements;

/// Target bitrate of the video encoder at the start of a call, in bits per second.
pub(crate) const START_TARGET: u32 = 800_000;
/// Least target bitrate of the video encoder, in bits per second.
pub(crate) const MIN_TARGET: u32 = 100_000;
/// Largest target bitrate of the video encoder, in bits per second: enough for 1280x720.
pub(crate) const MAX_TARGET: u32 = 2_500_000;

/// Bounds of the total rate in bits per second, with headers and audio.
const MIN_RATE: f64 = 130_000.0;
const MAX_RATE: f64 = 2_850_000.0;
/// Total rate at the start of a call.
const START_RATE: f64 = START_TARGET as f64 / PAYLOAD_SHARE;
/// Encoded video as a part of the bytes sent for it: the rest is headers.
const PAYLOAD_SHARE: f64 = 0.94;

/// Queuing delay above which packets queue up, in seconds.
const OVERUSE_DELAY: f64 = 0.060;
/// Queuing delay below which the rate may grow, in seconds.
const NORMAL_DELAY: f64 = 0.035;
/// Factor to the receive rate when packets queue up: low enough that the queue drains.
const BACKOFF: f64 = 0.85;
/// The same above [`STRONG_OVERUSE_DELAY`].
const STRONG_BACKOFF: f64 = 0.7;
/// In seconds.
const STRONG_OVERUSE_DELAY: f64 = 0.2;
/// Least receive rate assumed in a backoff, as a part of the rate: a short stall says little about the path.
const MIN_RECEIVE_SHARE: f64 = 0.6;
/// Least time in which a decrease must shorten the queue.
const BACKOFF_INTERVAL: Duration = Duration::from_millis(400);
/// After this many decreases in a row that did not shorten the queue, and without losses, the path itself became longer.
const MAX_FUTILE_DECREASES: u32 = 3;

/// Loss above which the rate is lowered.
const HIGH_LOSS: f64 = 0.10;
/// Loss below which the rate may grow.
const LOW_LOSS: f64 = 0.05;

/// Growth factors per second: before any limit was found, far from the last limit, and close to it.
const START_GROWTH: f64 = 1.4;
const FAR_GROWTH: f64 = 1.15;
const CLOSE_GROWTH: f64 = 1.04;
/// Growth factor per second back to the rate before an interruption.
const RECOVERY_GROWTH: f64 = 3.0;
/// How long the rate stays below a limit that was found.
const LIMIT_MEMORY: Duration = Duration::from_secs(10);
/// Part of the rate that must be sent for the estimate to count as used.
const USED_SHARE: f64 = 0.7;
/// Limit of the rate as a multiple of the receive rate.
const MAX_RECEIVE_RATIO: f64 = 1.5;

/// Time without feedback after which the rate is halved.
const FEEDBACK_TIMEOUT: Duration = Duration::from_millis(1_000);

/// Estimator of the available bandwidth.
pub(crate) struct BandwidthEstimator {
    /// Total rate in bits per second.
    rate: f64,
    arrivals: ArrivalWindow,
    sends: SendRateWindow,
    losses: LossWindow,
    /// Receive rate when the last limit was found, and when that was.
    limit: Option<(f64, Instant)>,
    /// The last decrease because of queuing.
    decrease: Option<Decrease>,
    grown_at: Option<Instant>,
    last_feedback: Option<Instant>,
    /// When the first packet without feedback was sent.
    unacknowledged_since: Option<Instant>,
    interruption: Option<Interruption>,
}

#[derive(Clone, Copy)]
struct Decrease {
    /// Queuing delay in seconds at that time.
    queuing_delay: f64,
    /// Number of decreases before that did not shorten the queue.
    futile: u32,
    /// When it must have shortened the queue.
    until: Instant,
}

#[derive(Clone, Copy)]
enum Interruption {
    /// No feedback arrives: the rate before, and when it was last halved.
    NoFeedback { rate_before: f64, halved_at: Instant },
    /// Feedback arrives again: the rate to restore.
    Recovering { rate_before: f64 },
}

impl BandwidthEstimator {
    /// Creates an estimator at [`START_TARGET`].
    pub fn new() -> Self {
        Self {
            rate: START_RATE,
            arrivals: ArrivalWindow::default(),
            sends: SendRateWindow::default(),
            losses: LossWindow::default(),
            limit: None,
            decrease: None,
            grown_at: None,
            last_feedback: None,
            unacknowledged_since: None,
            interruption: None,
        }
    }

    /// Target bitrate of the video encoder, in bits per second.
    pub fn target(&self) -> u32 {
        let target = (self.rate - self.arrivals.other_rate()) * PAYLOAD_SHARE;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the bounds before")]
        let target = target.clamp(f64::from(MIN_TARGET), f64::from(MAX_TARGET)) as u32;
        target
    }

    /// Available bandwidth for all streams, in bits per second.
    pub fn available(&self) -> f64 {
        self.rate
    }

    /// Records a sent packet. `bytes` is its size with all headers.
    pub fn packet_sent(&mut self, now: Instant, bytes: usize) {
        self.sends.add(now, bytes);
        let since = *self.unacknowledged_since.get_or_insert(now);
        // Without any feedback so far, receiver reports take its place.
        let Some(last_feedback) = self.last_feedback else { return };
        if now.duration_since(since.max(last_feedback)) < FEEDBACK_TIMEOUT {
            return;
        }
        match &mut self.interruption {
            Some(Interruption::NoFeedback { halved_at, .. }) => {
                if now.duration_since(*halved_at) >= FEEDBACK_TIMEOUT {
                    *halved_at = now;
                    self.rate = (self.rate / 2.0).max(MIN_RATE);
                }
            }
            Some(Interruption::Recovering { rate_before }) => {
                self.interruption = Some(Interruption::NoFeedback { rate_before: *rate_before, halved_at: now });
            }
            None => {
                self.interruption = Some(Interruption::NoFeedback { rate_before: self.rate, halved_at: now });
                self.rate = (self.rate / 2.0).max(MIN_RATE);
            }
        }
    }

    /// Processes transport-wide feedback. `results` must be in the order of sending.
    pub fn feedback_received(&mut self, now: Instant, results: &[PacketResult]) {
        if !results.iter().any(|result| result.arrival.is_some()) {
            return;
        }
        self.last_feedback = Some(now);
        self.unacknowledged_since = None;
        if let Some(Interruption::NoFeedback { rate_before, .. }) = self.interruption {
            self.interruption = Some(Interruption::Recovering { rate_before });
            self.arrivals = ArrivalWindow::default();
            self.losses = LossWindow::default();
            self.decrease = None;
            self.losses.ignore_before(now);
        }
        for result in results {
            self.losses.add(now, result);
            self.arrivals.add(result);
        }
        let Some(receive_rate) = self.arrivals.rate() else { return };
        let queuing_delay = self.arrivals.queuing_delay();
        if queuing_delay > OVERUSE_DELAY {
            self.decrease_for_delay(now, queuing_delay, receive_rate);
        } else {
            self.decrease = self.decrease.filter(|decrease| now < decrease.until);
            if let Some(loss) = self.losses.excessive_loss(now, HIGH_LOSS) {
                self.decrease_for_loss(now, loss, receive_rate);
            } else {
                self.increase(now, queuing_delay, receive_rate);
            }
        }
        self.rate = self.rate.clamp(MIN_RATE, MAX_RATE);
    }

    /// Processes a receiver report on video: the part of the packets that was lost. Ignored once there is transport-wide feedback.
    pub fn report_received(&mut self, loss: f64) {
        if self.last_feedback.is_some() {
            return;
        }
        if loss > HIGH_LOSS {
            self.rate *= 1.0 - loss / 2.0;
        } else if loss < LOW_LOSS / 2.0 {
            self.rate *= 1.05;
        }
        // The receive rate is unknown: stay near the usual rate.
        self.rate = self.rate.clamp(MIN_RATE, START_RATE * MAX_RECEIVE_RATIO);
    }

    /// Whether the send rate comes near the estimate.
    fn is_used(&self, now: Instant) -> bool {
        self.sends.rate(now) >= self.rate * USED_SHARE
    }

    fn decrease_for_delay(&mut self, now: Instant, queuing_delay: f64, receive_rate: f64) {
        self.grown_at = None;
        let futile = match self.decrease {
            // Wait for the last decrease to show, unless the queue grows in spite of it.
            Some(decrease) if now < decrease.until && queuing_delay < decrease.queuing_delay + OVERUSE_DELAY => return,
            Some(decrease) if queuing_delay > decrease.queuing_delay * 0.9 => decrease.futile + 1,
            _ => 0,
        };
        let is_lossless = self.losses.loss(now).is_none_or(|loss| loss < HIGH_LOSS + self.losses.baseline());
        if futile >= MAX_FUTILE_DECREASES && is_lossless {
            self.arrivals.reset_base_delay();
            self.decrease = None;
            return;
        }
        let receive_rate = receive_rate.max(self.rate * MIN_RECEIVE_SHARE);
        let factor = if queuing_delay > STRONG_OVERUSE_DELAY { STRONG_BACKOFF } else { BACKOFF };
        if self.is_used(now) {
            self.limit = Some((receive_rate, now));
            self.interruption = None;
            self.rate = self.rate.min(receive_rate * factor);
        } else {
            // Not down to the receive rate: less was sent than the path can carry.
            self.rate = (self.rate * BACKOFF).max(receive_rate);
        }
        let drained = Duration::from_secs_f64(queuing_delay.min(2.0));
        self.decrease = Some(Decrease { queuing_delay, futile, until: now + BACKOFF_INTERVAL + drained });
    }

    fn decrease_for_loss(&mut self, now: Instant, loss: f64, receive_rate: f64) {
        self.grown_at = None;
        if self.is_used(now) {
            let receive_rate = receive_rate.max(self.rate * MIN_RECEIVE_SHARE);
            self.limit = Some((receive_rate, now));
            self.interruption = None;
            self.rate = self.rate.min(receive_rate * 0.95);
        } else {
            // Not down to the receive rate: less was sent than the path can carry.
            self.rate *= 1.0 - loss / 2.0;
        }
    }

    fn increase(&mut self, now: Instant, queuing_delay: f64, receive_rate: f64) {
        let is_lossy = self.losses.loss(now).is_some_and(|loss| loss > LOW_LOSS + self.losses.baseline());
        if queuing_delay > NORMAL_DELAY || is_lossy {
            self.grown_at = None;
            return;
        }
        let elapsed = now.duration_since(self.grown_at.replace(now).unwrap_or(now)).min(Duration::from_millis(500));
        if !self.is_used(now) {
            // An unused rate cannot be tested. Only recover to the start rate, or to the rate before an interruption if lower.
            let rate_before = match self.interruption {
                Some(Interruption::Recovering { rate_before }) => rate_before,
                _ => START_RATE,
            };
            let ceiling = rate_before.min(START_RATE);
            if self.rate < ceiling {
                self.rate = (self.rate * FAR_GROWTH.powf(elapsed.as_secs_f64())).min(ceiling);
            }
            return;
        }
        let (growth, ceiling) = self.growth(now);
        let grown = self.rate * growth.powf(elapsed.as_secs_f64());
        self.rate = self.rate.max(grown.min(ceiling).min(receive_rate * MAX_RECEIVE_RATIO));
        if let Some(Interruption::Recovering { rate_before }) = self.interruption
            && self.rate >= rate_before * BACKOFF
        {
            self.interruption = None;
        }
    }

    /// Growth factor per second, and the rate up to which it applies.
    fn growth(&mut self, now: Instant) -> (f64, f64) {
        if let Some(Interruption::Recovering { rate_before }) = self.interruption {
            return (RECOVERY_GROWTH, rate_before);
        }
        match self.limit {
            Some((limit, found_at)) if now.duration_since(found_at) < LIMIT_MEMORY => (FAR_GROWTH, limit * 0.94),
            Some((limit, _)) if self.rate > limit * 1.3 => {
                self.limit = None;
                (FAR_GROWTH, MAX_RATE)
            }
            Some((limit, _)) if self.rate > limit * BACKOFF => (CLOSE_GROWTH, MAX_RATE),
            Some(_) => (FAR_GROWTH, MAX_RATE),
            None => (START_GROWTH, MAX_RATE),
        }
    }
}

#[cfg(test)]
mod tests;
