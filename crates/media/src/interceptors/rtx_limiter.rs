//! Interceptor that limits the rate of sent retransmissions.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rtc::interceptor::{Attribute, Packet, TaggedPacket};

use super::adapter::PacketFilter;
use crate::rtp_session::RtpSession;

/// Bounds of the time in which a packet is retransmitted only once. It is the feedback delay: a NACK that crossed the
/// retransmission must not trigger another.
const MIN_REPEAT_INTERVAL: Duration = Duration::from_millis(45);
const MAX_REPEAT_INTERVAL: Duration = Duration::from_secs(1);
/// Limit of retransmissions in flight.
const MAX_IN_FLIGHT: usize = 256;
/// Retransmission rate as a part of the target bitrate.
const RATE_SHARE: f64 = 0.5;
/// Largest burst of retransmissions, in seconds of the target bitrate.
const BURST: f64 = 0.25;

/// Token bucket for retransmissions, at half the video bitrate.
///
/// After an outage the remote side requests hundreds of packets at once, which would delay new media. Packets beyond the limit
/// are dropped: they are requested again, or replaced by a keyframe.
pub(super) struct RtxLimiter {
    session: Arc<RtpSession>,
    /// Sequence numbers of recent retransmissions, and when they were sent.
    recent: VecDeque<(u16, Instant)>,
    /// Tokens in bits, at the time of the last refill.
    tokens: f64,
    refilled: Option<Instant>,
}

impl RtxLimiter {
    pub fn new(session: Arc<RtpSession>) -> Self {
        Self { session, recent: VecDeque::new(), tokens: 0.0, refilled: None }
    }

    /// Whether a retransmission may be sent now; takes its tokens if so.
    fn admit(&mut self, now: Instant, payload: &[u8]) -> bool {
        let [high, low, ..] = payload else { return true };
        let number = u16::from_be_bytes([*high, *low]);
        let interval = self.session.feedback_delay().clamp(MIN_REPEAT_INTERVAL, MAX_REPEAT_INTERVAL);
        self.recent.retain(|(_, at)| now.duration_since(*at) < interval);
        if self.recent.iter().any(|(recent, _)| *recent == number) {
            return false;
        }
        let target = f64::from(self.session.target_bitrate());
        let elapsed = self.refilled.replace(now).map_or(BURST, |at| now.duration_since(at).as_secs_f64());
        self.tokens = (self.tokens + elapsed * target * RATE_SHARE).min(BURST * target);
        let bits = payload.len() as f64 * 8.0;
        if self.tokens < bits || self.recent.len() >= MAX_IN_FLIGHT {
            return false;
        }
        self.tokens -= bits;
        self.recent.push_back((number, now));
        true
    }
}

impl PacketFilter for RtxLimiter {
    fn outgoing(&mut self, packet: TaggedPacket) -> Option<TaggedPacket> {
        if packet.message.has(&Attribute::Retransmission)
            && let Packet::Rtp(rtp) = &packet.message.packet
            && !self.admit(packet.now, &rtp.payload)
        {
            return None;
        }
        Some(packet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(number: u16) -> Vec<u8> {
        let mut payload = number.to_be_bytes().to_vec();
        payload.resize(1_000, 0);
        payload
    }

    #[test]
    fn a_packet_in_flight_is_not_retransmitted_again() {
        let mut limiter = RtxLimiter::new(Arc::default());
        let now = Instant::now();
        assert!(limiter.admit(now, &payload(1)));
        assert!(!limiter.admit(now + Duration::from_millis(10), &payload(1)));
        assert!(limiter.admit(now + Duration::from_millis(10), &payload(2)));
        assert!(limiter.admit(now + Duration::from_millis(100), &payload(1)));
    }

    #[test]
    fn retransmissions_are_limited_to_half_the_video_bitrate() {
        let session = Arc::<RtpSession>::default();
        let target = u64::from(session.target_bitrate());
        let mut limiter = RtxLimiter::new(session);
        let start = Instant::now();
        // A receiver requests all packets it may, ten times a second for five seconds.
        let mut sent = 0;
        for round in 0..50 {
            for number in 0..500 {
                sent += 8_000 * u64::from(limiter.admit(start + Duration::from_millis(100) * round, &payload(number)));
            }
        }
        assert!(sent <= target * 3, "{sent}");
        assert!(sent >= target * 2, "{sent}");
    }
}
