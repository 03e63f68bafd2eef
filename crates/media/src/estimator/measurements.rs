//! Sliding-window measurements on sent packets: receive rate, queuing delay, send rate and loss.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Window of the receive rate.
const RECEIVE_WINDOW: Duration = Duration::from_millis(600);
/// Window of the send rate.
const SEND_WINDOW: Duration = Duration::from_millis(1_000);
/// Least time span for a receive rate.
const MIN_SPAN: Duration = Duration::from_millis(250);
/// Window for the current delay, the least of its packets.
const DELAY_WINDOW: Duration = Duration::from_millis(200);
/// Window for the base delay, the least of its packets, in seconds.
const BASE_DELAY_SECONDS: usize = 10;
/// Limit of packets in a window: more than any permitted rate needs.
const MAX_PACKETS: usize = 4_096;
/// Window of the loss.
const LOSS_WINDOW: Duration = Duration::from_millis(1_500);
/// Least number of packets for a loss.
const MIN_LOSS_PACKETS: usize = 20;
/// Smoothing factor by which the baseline loss falls to the measured loss, for each feedback.
const BASELINE_DECAY: f64 = 0.02;
/// Time in which a lower rate must show in the loss.
const LOSS_RESPONSE: Duration = Duration::from_millis(2_000);

/// Outcome of one sent packet, by transport-wide feedback.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct PacketResult {
    /// When it was sent.
    pub sent: Instant,
    /// When it arrived, on the remote clock; `None` if it was lost.
    pub arrival: Option<Duration>,
    /// Size with all headers.
    pub bytes: usize,
    /// Whether it carries video, and is no retransmission.
    pub is_video: bool,
}

/// Arrived packets: receive rate and queuing delay. Times are on the remote clock.
#[derive(Default)]
pub(super) struct ArrivalWindow {
    arrivals: VecDeque<PacketArrival>,
    latest: Duration,
    /// Origin of the send times.
    epoch: Option<Instant>,
    /// Least delay of each of the last seconds, by second.
    base_delays: VecDeque<(u64, f64)>,
}

struct PacketArrival {
    at: Duration,
    bytes: usize,
    is_video: bool,
    /// One-way delay in seconds, plus the unknown offset of the clocks.
    delay: f64,
}

impl ArrivalWindow {
    pub fn add(&mut self, result: &PacketResult) {
        let Some(at) = result.arrival else { return };
        let epoch = *self.epoch.get_or_insert(result.sent);
        let sent = if result.sent >= epoch {
            result.sent.duration_since(epoch).as_secs_f64()
        } else {
            -epoch.duration_since(result.sent).as_secs_f64()
        };
        let delay = at.as_secs_f64() - sent;
        self.latest = self.latest.max(at);
        self.arrivals.push_back(PacketArrival { at, bytes: result.bytes, is_video: result.is_video, delay });
        let oldest = self.latest.saturating_sub(RECEIVE_WINDOW);
        while self.arrivals.len() > MAX_PACKETS || self.arrivals.front().is_some_and(|arrival| arrival.at < oldest) {
            self.arrivals.pop_front();
        }
        let second = self.latest.as_secs();
        match self.base_delays.back_mut() {
            Some((last, least)) if *last == second => *least = least.min(delay),
            _ => self.base_delays.push_back((second, delay)),
        }
        while self.base_delays.front().is_some_and(|(first, _)| *first + (BASE_DELAY_SECONDS as u64) <= second) {
            self.base_delays.pop_front();
        }
    }

    /// Receive rate in bits per second; `None` while unknown.
    pub fn rate(&self) -> Option<f64> {
        let first = self.arrivals.front()?;
        let span = self.latest.saturating_sub(first.at);
        // Packets arrive in bursts, one for each frame: the first packet only marks the start of the span.
        (span >= MIN_SPAN).then(|| {
            let bytes: usize = self.arrivals.iter().skip(1).map(|arrival| arrival.bytes).sum();
            bytes as f64 * 8.0 / span.as_secs_f64()
        })
    }

    /// Receive rate of everything but video, in bits per second.
    pub fn other_rate(&self) -> f64 {
        let bytes: usize = self.arrivals.iter().filter(|arrival| !arrival.is_video).map(|arrival| arrival.bytes).sum();
        bytes as f64 * 8.0 / RECEIVE_WINDOW.as_secs_f64()
    }

    /// Queuing delay in seconds: current delay less base delay.
    pub fn queuing_delay(&self) -> f64 {
        let base = self.base_delays.iter().map(|(_, least)| *least).fold(f64::INFINITY, f64::min);
        let delay = self.current_delay() - base;
        if delay.is_finite() { delay.max(0.0) } else { 0.0 }
    }

    /// Makes the current delay the base delay, after the path became longer.
    pub fn reset_base_delay(&mut self) {
        let least = self.current_delay();
        self.base_delays.clear();
        if least.is_finite() {
            self.base_delays.push_back((self.latest.as_secs(), least));
        }
    }

    /// The least delay of recent packets: one late packet does not count.
    fn current_delay(&self) -> f64 {
        let oldest = self.latest.saturating_sub(DELAY_WINDOW);
        let recent = self.arrivals.iter().filter(|arrival| arrival.at >= oldest).map(|arrival| arrival.delay);
        recent.fold(f64::INFINITY, f64::min)
    }
}

/// Sent packets: send rate. Times are on the local clock.
#[derive(Default)]
pub(super) struct SendRateWindow {
    packets: VecDeque<(Instant, usize)>,
    bytes: usize,
}

impl SendRateWindow {
    pub fn add(&mut self, now: Instant, bytes: usize) {
        self.packets.push_back((now, bytes));
        self.bytes += bytes;
        while let Some((at, bytes)) = self.packets.front()
            && (self.packets.len() > MAX_PACKETS || now.duration_since(*at) > SEND_WINDOW)
        {
            self.bytes -= bytes;
            self.packets.pop_front();
        }
    }

    /// Send rate in bits per second.
    pub fn rate(&self, now: Instant) -> f64 {
        let is_recent = self.packets.back().is_some_and(|(at, _)| now.duration_since(*at) <= SEND_WINDOW);
        if is_recent { self.bytes as f64 * 8.0 / SEND_WINDOW.as_secs_f64() } else { 0.0 }
    }
}

/// Lost and arrived packets: loss, and the baseline loss that does not depend on the rate.
#[derive(Default)]
pub(super) struct LossWindow {
    packets: VecDeque<(Instant, bool)>,
    ignore_before: Option<Instant>,
    /// The loss for which the rate was last lowered, and when.
    last_decrease: Option<(f64, Instant)>,
    baseline: f64,
}

impl LossWindow {
    /// Ignores packets sent earlier.
    pub fn ignore_before(&mut self, from: Instant) {
        self.ignore_before = Some(from);
    }

    pub fn add(&mut self, now: Instant, result: &PacketResult) {
        if self.ignore_before.is_some_and(|from| result.sent < from) {
            return;
        }
        self.packets.push_back((now, result.arrival.is_none()));
        while self.packets.len() > MAX_PACKETS
            || self.packets.front().is_some_and(|(at, _)| now.duration_since(*at) > LOSS_WINDOW)
        {
            self.packets.pop_front();
        }
    }

    /// Part of the packets that was lost; `None` while unknown.
    pub fn loss(&self, now: Instant) -> Option<f64> {
        let recent = self.packets.iter().filter(|(at, _)| now.duration_since(*at) <= LOSS_WINDOW);
        let (all, lost) = recent.fold((0, 0), |(all, lost), (_, is_lost)| (all + 1, lost + usize::from(*is_lost)));
        (all >= MIN_LOSS_PACKETS).then(|| lost as f64 / all as f64)
    }

    /// Loss at any rate.
    pub fn baseline(&self) -> f64 {
        self.baseline
    }

    /// Returns the loss if it exceeds the baseline by more than `limit`, so that the rate must be lowered. A loss that a lower
    /// rate did not reduce becomes the baseline.
    pub fn excessive_loss(&mut self, now: Instant, limit: f64) -> Option<f64> {
        let loss = self.loss(now)?;
        if loss < self.baseline {
            self.baseline -= (self.baseline - loss) * BASELINE_DECAY;
        }
        if loss <= limit + self.baseline {
            return None;
        }
        match self.last_decrease {
            Some((_, at)) if now.duration_since(at) < LOSS_RESPONSE => return None,
            Some((before, at)) if now.duration_since(at) < 3 * LOSS_RESPONSE && loss > before * 0.7 => {
                self.baseline = loss;
                self.last_decrease = None;
                return None;
            }
            _ => {}
        }
        self.last_decrease = Some((loss, now));
        Some(loss)
    }
}
