//! Traffic shaper of one direction of a link: drops, delays and rate-limits packets. It does no I/O.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{sync::watch, time::Instant};

/// Capacity of one direction's queue, in packets; a full queue drops.
const MAX_QUEUED_PACKETS: usize = 8_192;

/// Whether the link carries packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LinkState {
    /// Packets pass, subject to the other conditions.
    #[default]
    Up,
    /// All packets are dropped.
    Down,
}

/// Which packets the conditions affect; the others pass at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AffectedTraffic {
    /// All packets.
    #[default]
    All,
    /// UDP only, so that TCP goes on.
    UdpOnly,
}

/// Conditions of one direction; the default does nothing to packets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinkConditions {
    /// Whether the direction carries packets.
    pub state: LinkState,
    /// Probability that a packet is lost, from 0 to 1.
    pub loss: f64,
    /// Delay of each packet.
    pub delay: Duration,
    /// Greatest additional delay, uniformly distributed. Packets keep their order.
    pub jitter: Duration,
    /// Bit rate of IP packets in bit/s; `None` for no limit.
    pub bit_rate: Option<u32>,
    /// Queue capacity in bytes where there is a `bit_rate`; packets beyond it are dropped.
    pub queue_bytes: u32,
    /// Which packets the conditions affect.
    pub affects: AffectedTraffic,
}

impl Default for LinkConditions {
    fn default() -> Self {
        Self {
            state: LinkState::Up,
            loss: 0.0,
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            bit_rate: None,
            queue_bytes: 30_000,
            affects: AffectedTraffic::All,
        }
    }
}

/// Packet and byte counters of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkCounters {
    /// Packets offered.
    pub packets_in: u64,
    /// Bytes offered, delivered or not, IP headers included.
    pub bytes_in: u64,
    /// Packets delivered.
    pub packets_out: u64,
    /// Bytes delivered, IP headers included.
    pub bytes_out: u64,
    /// Packets lost by [`LinkConditions::loss`].
    pub packets_lost: u64,
    /// Packets dropped while the link was down.
    pub packets_cut: u64,
    /// Packets dropped by a full queue.
    pub packets_overflowed: u64,
}

impl LinkCounters {
    /// Difference from an earlier reading.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            packets_in: self.packets_in.saturating_sub(earlier.packets_in),
            bytes_in: self.bytes_in.saturating_sub(earlier.bytes_in),
            packets_out: self.packets_out.saturating_sub(earlier.packets_out),
            bytes_out: self.bytes_out.saturating_sub(earlier.bytes_out),
            packets_lost: self.packets_lost.saturating_sub(earlier.packets_lost),
            packets_cut: self.packets_cut.saturating_sub(earlier.packets_cut),
            packets_overflowed: self.packets_overflowed.saturating_sub(earlier.packets_overflowed),
        }
    }
}

/// State of one direction that the test and the forwarding thread share.
#[derive(Clone, Debug, Default)]
pub(super) struct ShaperControl {
    conditions: Arc<watch::Sender<LinkConditions>>,
    counters: Arc<Mutex<LinkCounters>>,
}

impl ShaperControl {
    pub(super) fn set_conditions(&self, conditions: LinkConditions) {
        self.conditions.send_replace(conditions);
    }

    pub(super) fn counters(&self) -> LinkCounters {
        *self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn count(&self, update: impl FnOnce(&mut LinkCounters)) {
        update(&mut self.counters.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// A packet with its delivery time.
struct QueuedPacket {
    delivery_at: Instant,
    bytes: Vec<u8>,
}

/// Traffic shaper of one direction.
pub(super) struct Shaper {
    rng: fastrand::Rng,
    /// When the last admitted packet has passed the bottleneck.
    line_free_at: Instant,
    queued: VecDeque<QueuedPacket>,
}

impl Shaper {
    pub(super) fn new(seed: u64) -> Self {
        Self { rng: fastrand::Rng::with_seed(seed), line_free_at: Instant::now(), queued: VecDeque::new() }
    }

    /// When the next queued packet is due.
    pub(super) fn next_delivery(&self) -> Option<Instant> {
        self.queued.front().map(|packet| packet.delivery_at)
    }

    /// Removes the next queued packet.
    pub(super) fn take_next(&mut self) -> Option<Vec<u8>> {
        self.queued.pop_front().map(|packet| packet.bytes)
    }

    /// Queues or drops a packet; returns it when it passes at once.
    pub(super) fn admit(&mut self, packet: &[u8], control: &ShaperControl) -> Option<Vec<u8>> {
        let conditions = *control.conditions.borrow();
        control.count(|it| {
            it.packets_in += 1;
            it.bytes_in += packet.len() as u64;
        });
        if conditions.affects == AffectedTraffic::UdpOnly && !is_udp(packet) {
            return Some(packet.to_vec());
        }
        if conditions.state == LinkState::Down {
            control.count(|it| it.packets_cut += 1);
            return None;
        }
        if self.rng.f64() < conditions.loss {
            control.count(|it| it.packets_lost += 1);
            return None;
        }
        let now = Instant::now();
        let start = self.line_free_at.max(now);
        if let Some(rate) = conditions.bit_rate {
            let rate = f64::from(rate.max(1));
            let waiting = (start - now).as_secs_f64() * rate / 8.0;
            if waiting + packet.len() as f64 > f64::from(conditions.queue_bytes) {
                control.count(|it| it.packets_overflowed += 1);
                return None;
            }
            self.line_free_at = start + Duration::from_secs_f64(packet.len() as f64 * 8.0 / rate);
        } else {
            self.line_free_at = now;
        }
        if self.queued.len() >= MAX_QUEUED_PACKETS {
            control.count(|it| it.packets_overflowed += 1);
            return None;
        }
        let jitter = conditions.jitter.mul_f64(self.rng.f64());
        let delivery_at = self.line_free_at + conditions.delay + jitter;
        let delivery_at = self.queued.back().map_or(delivery_at, |last| last.delivery_at.max(delivery_at));
        if self.queued.is_empty() && delivery_at <= now {
            return Some(packet.to_vec());
        }
        self.queued.push_back(QueuedPacket { delivery_at, bytes: packet.to_vec() });
        None
    }
}

/// Whether an IP packet carries UDP (protocol 17; RFC 791, section 3.1, and RFC 8200, section 3).
fn is_udp(packet: &[u8]) -> bool {
    let protocol = match packet.first().map(|first| first >> 4) {
        Some(4) => packet.get(9),
        Some(6) => packet.get(6),
        _ => None,
    };
    protocol == Some(&17)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(length: usize, protocol: u8) -> Vec<u8> {
        let mut packet = vec![0; length];
        packet[0] = 0x45;
        packet[9] = protocol;
        packet
    }

    fn shaper(conditions: LinkConditions) -> (Shaper, ShaperControl) {
        let control = ShaperControl::default();
        control.set_conditions(conditions);
        (Shaper::new(7), control)
    }

    #[tokio::test(start_paused = true)]
    async fn packets_pass_unchanged_by_default() {
        let (mut shaper, control) = shaper(LinkConditions::default());
        assert!(shaper.admit(&packet(100, 17), &control).is_some());
        assert_eq!(control.counters(), LinkCounters { packets_in: 1, bytes_in: 100, ..LinkCounters::default() });
    }

    #[tokio::test(start_paused = true)]
    async fn packet_loss_matches_the_configured_probability() {
        let (mut shaper, control) = shaper(LinkConditions { loss: 0.03, ..LinkConditions::default() });
        for _ in 0..10_000 {
            shaper.admit(&packet(100, 17), &control);
        }
        let lost = control.counters().packets_lost;
        assert!((250..350).contains(&lost), "{lost}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_limited_link_paces_packets_and_drops_what_overflows_its_queue() {
        let conditions = LinkConditions { bit_rate: Some(80_000), queue_bytes: 3_000, ..LinkConditions::default() };
        let (mut shaper, control) = shaper(conditions);
        let start = Instant::now();
        for _ in 0..5 {
            shaper.admit(&packet(1_000, 17), &control);
        }
        let times: Vec<_> = shaper.queued.iter().map(|packet| (packet.delivery_at - start).as_millis()).collect();
        assert_eq!(times, [100, 200, 300]);
        assert_eq!(control.counters().packets_overflowed, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn packets_keep_their_order_despite_jitter() {
        let conditions = LinkConditions {
            delay: Duration::from_millis(50),
            jitter: Duration::from_millis(30),
            ..LinkConditions::default()
        };
        let (mut shaper, control) = shaper(conditions);
        let start = Instant::now();
        for _ in 0..100 {
            shaper.admit(&packet(100, 17), &control);
        }
        let times: Vec<_> = shaper.queued.iter().map(|packet| (packet.delivery_at - start).as_millis()).collect();
        assert!(times.is_sorted(), "{times:?}");
        assert!(times.iter().all(|time| (50..=80).contains(time)), "{times:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_udp_only_outage_lets_tcp_through() {
        let (mut shaper, control) = shaper(LinkConditions {
            state: LinkState::Down,
            affects: AffectedTraffic::UdpOnly,
            ..LinkConditions::default()
        });
        assert!(shaper.admit(&packet(100, 17), &control).is_none());
        assert!(shaper.admit(&packet(100, 6), &control).is_some());
        assert_eq!(control.counters().packets_cut, 1);
    }
}
