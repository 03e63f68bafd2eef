//! Transport-wide numbers, and what the other side says of them.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use rtc::interceptor::{Packet, StreamInfo, TaggedPacket, convert_twcc};
use rtc::rtcp::receiver_report::ReceiverReport;
use rtc::rtcp::sender_report::SenderReport;
use rtc::rtcp::transport_feedbacks::transport_layer_cc::TransportLayerCc;
use rtc::sdp::extmap::TRANSPORT_CC_URI;
use rtc::shared::marshal::MarshalSize;

use super::adapter::PacketStep;
use crate::estimator::{Estimator, Outcome};
use crate::traffic::Traffic;

/// What is added below RTP, in bytes: SRTP's tag, UDP, IPv4.
const BELOW: usize = 10 + 8 + 20;
/// How many packets are remembered: what is not heard of by then is not heard of any more. Half of what the numbers tell apart.
const REMEMBERED: usize = 1 << 15;

/// Numbers what goes out (draft-holmer-rmcat-transport-wide-cc-extensions-01), and feeds the estimate with what is heard of it.
///
/// The library has such steps. But its numbering leaves retransmissions out, and its history takes for lost what a lost
/// feedback was about.
pub(super) struct Congestion {
    traffic: Arc<Traffic>,
    estimator: Estimator,
    streams: HashMap<u32, Stream>,
    /// The number of the first packet in `packets`.
    first: u64,
    packets: VecDeque<Sent>,
}

#[derive(Clone, Copy)]
struct Stream {
    extension: u8,
    picture: bool,
}

struct Sent {
    at: Instant,
    bytes: usize,
    picture: bool,
    told: bool,
}

impl Congestion {
    pub fn new(traffic: Arc<Traffic>) -> Self {
        Self { traffic, estimator: Estimator::new(), streams: HashMap::new(), first: 0, packets: VecDeque::new() }
    }

    fn number(&mut self, now: Instant, packet: &mut rtc::rtp::Packet) {
        let Some(stream) = self.streams.get(&packet.header.ssrc).copied() else { return };
        let number = self.first + self.packets.len() as u64;
        #[expect(clippy::cast_possible_truncation, reason = "numbers wrap around")]
        let bytes = (number as u16).to_be_bytes();
        if packet.header.set_extension(stream.extension, bytes.to_vec().into()).is_err() {
            return;
        }
        let bytes = packet.marshal_size() + BELOW;
        if self.packets.len() >= REMEMBERED {
            self.packets.pop_front();
            self.first += 1;
        }
        self.packets.push_back(Sent { at: now, bytes, picture: stream.picture, told: false });
        self.estimator.sent(now, bytes);
        self.publish();
    }

    fn feedback(&mut self, now: Instant, feedback: &TransportLayerCc) {
        let next = self.first + self.packets.len() as u64;
        let mut outcomes = Vec::new();
        for acknowledged in convert_twcc(feedback) {
            // The last packet with this number.
            #[expect(clippy::cast_possible_truncation, reason = "numbers wrap around")]
            let back = (next as u16).wrapping_sub(acknowledged.sequence_number);
            let Some(index) = self.packets.len().checked_sub(usize::from(back)) else { continue };
            let Some(packet) = self.packets.get_mut(index) else { continue };
            // Told of twice only when it was late: then it was counted as lost.
            if std::mem::replace(&mut packet.told, true) {
                continue;
            }
            let arrival = acknowledged.arrival.filter(|_| acknowledged.arrived);
            outcomes.push(Outcome { sent: packet.at, arrival, bytes: packet.bytes, picture: packet.picture });
        }
        if let Some(newest) =
            outcomes.iter().filter(|outcome| outcome.arrival.is_some()).map(|outcome| outcome.sent).max()
        {
            self.traffic.took(now.duration_since(newest));
        }
        self.estimator.feedback(now, &outcomes);
        self.publish();
    }

    fn publish(&self) {
        self.traffic.estimated(self.estimator.target(), self.estimator.available());
    }

    fn report(&mut self, reports: &[rtc::rtcp::reception_report::ReceptionReport]) {
        for report in reports {
            if self.streams.get(&report.ssrc).is_some_and(|stream| stream.picture) {
                self.estimator.report(f64::from(report.fraction_lost) / 256.0);
                self.publish();
            }
        }
    }
}

impl PacketStep for Congestion {
    fn read(&mut self, packet: TaggedPacket) -> Option<TaggedPacket> {
        if let Packet::Rtcp(feedback) = &packet.message.packet {
            for one in feedback {
                let any = one.as_any();
                if let Some(feedback) = any.downcast_ref::<TransportLayerCc>() {
                    self.feedback(packet.now, feedback);
                } else if let Some(report) = any.downcast_ref::<ReceiverReport>() {
                    self.report(&report.reports);
                } else if let Some(report) = any.downcast_ref::<SenderReport>() {
                    self.report(&report.reports);
                }
            }
        }
        Some(packet)
    }

    fn write(&mut self, mut packet: TaggedPacket) -> Option<TaggedPacket> {
        if let Packet::Rtp(rtp) = &mut packet.message.packet {
            self.number(packet.now, rtp);
        }
        Some(packet)
    }

    fn sends(&mut self, info: &StreamInfo) {
        let extension = info.rtp_header_extensions.iter().find(|extension| extension.uri == TRANSPORT_CC_URI);
        let Some(extension) = extension.and_then(|extension| u8::try_from(extension.id).ok()).filter(|id| *id > 0)
        else {
            return;
        };
        let stream = Stream { extension, picture: info.mime_type.starts_with("video/") };
        self.streams.insert(info.ssrc, stream);
        if let Some(rtx) = info.ssrc_rtx {
            self.streams.insert(rtx, Stream { picture: false, ..stream });
        }
    }
}

#[cfg(test)]
mod tests;
