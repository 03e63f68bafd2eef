//! Retransmissions that go out.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rtc::interceptor::{Attribute, Packet, TaggedPacket};

use super::adapter::PacketStep;
use crate::traffic::Traffic;

/// What was repeated is not repeated before it can have arrived, and the request that crossed it: within the time that feedback
/// takes, but this at least and at most.
const AGAIN: [Duration; 2] = [Duration::from_millis(45), Duration::from_secs(1)];
/// How many of those are remembered. More are never on their way at once.
const REMEMBERED: usize = 256;
/// Which part of the target bitrate repeats may take.
const PART: f64 = 0.5;
/// How much may be repeated at once, in seconds of the target bitrate.
const BURST: f64 = 0.25;

/// Keeps retransmissions in bounds: after an outage the other side asks for hundreds of packets at once, which would fill the
/// path before what is new. They get half of what the picture does; what goes beyond is not sent, and asked for again, or made
/// up for by a keyframe.
pub(super) struct Repeats {
    traffic: Arc<Traffic>,
    lately: VecDeque<(u16, Instant)>,
    /// Bits that may be sent, at the time of the last look.
    credit: f64,
    looked: Option<Instant>,
}

impl Repeats {
    pub fn new(traffic: Arc<Traffic>) -> Self {
        Self { traffic, lately: VecDeque::new(), credit: 0.0, looked: None }
    }

    fn may_go(&mut self, now: Instant, payload: &[u8]) -> bool {
        let [high, low, ..] = payload else { return true };
        let number = u16::from_be_bytes([*high, *low]);
        let again = self.traffic.answer().clamp(AGAIN[0], AGAIN[1]);
        self.lately.retain(|(_, at)| now.duration_since(*at) < again);
        if self.lately.iter().any(|(one, _)| *one == number) {
            return false;
        }
        let target = f64::from(self.traffic.target());
        let passed = self.looked.replace(now).map_or(BURST, |looked| now.duration_since(looked).as_secs_f64());
        self.credit = (self.credit + passed * target * PART).min(BURST * target);
        let bits = payload.len() as f64 * 8.0;
        if self.credit < bits || self.lately.len() >= REMEMBERED {
            return false;
        }
        self.credit -= bits;
        self.lately.push_back((number, now));
        true
    }
}

impl PacketStep for Repeats {
    fn write(&mut self, packet: TaggedPacket) -> Option<TaggedPacket> {
        if packet.message.has(&Attribute::Retransmission)
            && let Packet::Rtp(rtp) = &packet.message.packet
            && !self.may_go(packet.now, &rtp.payload)
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
    fn what_is_on_its_way_is_not_repeated() {
        let mut repeats = Repeats::new(Arc::default());
        let now = Instant::now();
        assert!(repeats.may_go(now, &payload(1)));
        assert!(!repeats.may_go(now + Duration::from_millis(10), &payload(1)));
        assert!(repeats.may_go(now + Duration::from_millis(10), &payload(2)));
        assert!(repeats.may_go(now + Duration::from_millis(100), &payload(1)));
    }

    #[test]
    fn no_more_goes_than_the_picture_may_take() {
        let traffic = Arc::<Traffic>::default();
        let target = u64::from(traffic.target());
        let mut repeats = Repeats::new(traffic);
        let start = Instant::now();
        // All that a receiver may ask for, ten times a second for five seconds.
        let mut sent = 0;
        for round in 0..50 {
            for number in 0..500 {
                sent += 8_000 * u64::from(repeats.may_go(start + Duration::from_millis(100) * round, &payload(number)));
            }
        }
        assert!(sent <= target * 3, "{sent}");
        assert!(sent >= target * 2, "{sent}");
    }
}
