//! Interceptor for transport-wide congestion control (TWCC): numbers sent packets, and feeds the bandwidth estimator with their
//! feedback.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use rtc::interceptor::{Packet, StreamInfo, TaggedPacket, convert_twcc};
use rtc::rtcp::receiver_report::ReceiverReport;
use rtc::rtcp::sender_report::SenderReport;
use rtc::rtcp::transport_feedbacks::transport_layer_cc::TransportLayerCc;
use rtc::sdp::extmap::TRANSPORT_CC_URI;
use rtc::shared::marshal::MarshalSize;

use super::adapter::PacketFilter;
use crate::estimator::{BandwidthEstimator, PacketResult};
use crate::rtp_session::RtpSession;

/// Overhead below RTP, in bytes: SRTP authentication tag, UDP, IPv4.
const TRANSPORT_OVERHEAD: usize = 10 + 8 + 20;
/// Limit of packets that await feedback: half the sequence number space, so that each number is unambiguous.
const HISTORY: usize = 1 << 15;

/// Sender side of TWCC (draft-holmer-rmcat-transport-wide-cc-extensions-01).
///
/// Replaces the library's: that one does not number retransmissions, and counts packets as lost whose feedback was lost.
pub(super) struct TransportWideCc {
    session: Arc<RtpSession>,
    estimator: BandwidthEstimator,
    streams: HashMap<u32, TwccStream>,
    /// The transport-wide sequence number of the first packet in `history`.
    first: u64,
    history: VecDeque<SentPacket>,
}

/// A sent stream with TWCC negotiated.
#[derive(Clone, Copy)]
struct TwccStream {
    /// ID of the header extension.
    extension: u8,
    /// Whether the stream carries video, and no retransmissions.
    is_video: bool,
}

struct SentPacket {
    at: Instant,
    bytes: usize,
    is_video: bool,
    has_feedback: bool,
}

impl TransportWideCc {
    pub fn new(session: Arc<RtpSession>) -> Self {
        let estimator = BandwidthEstimator::new();
        Self { session, estimator, streams: HashMap::new(), first: 0, history: VecDeque::new() }
    }

    /// Sets the transport-wide sequence number of a packet, and records it.
    fn number(&mut self, now: Instant, packet: &mut rtc::rtp::Packet) {
        let Some(stream) = self.streams.get(&packet.header.ssrc).copied() else { return };
        let number = self.first + self.history.len() as u64;
        #[expect(clippy::cast_possible_truncation, reason = "numbers wrap around")]
        let bytes = (number as u16).to_be_bytes();
        if packet.header.set_extension(stream.extension, bytes.to_vec().into()).is_err() {
            return;
        }
        let bytes = packet.marshal_size() + TRANSPORT_OVERHEAD;
        if self.history.len() >= HISTORY {
            self.history.pop_front();
            self.first += 1;
        }
        self.history.push_back(SentPacket { at: now, bytes, is_video: stream.is_video, has_feedback: false });
        self.estimator.packet_sent(now, bytes);
        self.publish_bitrate();
    }

    fn feedback_received(&mut self, now: Instant, feedback: &TransportLayerCc) {
        // On more packets than were sent. A few bytes can claim to report on 65,535 packets.
        if usize::from(feedback.packet_status_count) > self.history.len() {
            return;
        }
        let next = self.first + self.history.len() as u64;
        let mut results = Vec::new();
        for acknowledged in convert_twcc(feedback) {
            // The latest packet with this sequence number.
            #[expect(clippy::cast_possible_truncation, reason = "numbers wrap around")]
            let back = (next as u16).wrapping_sub(acknowledged.sequence_number);
            let Some(index) = self.history.len().checked_sub(usize::from(back)) else { continue };
            let Some(packet) = self.history.get_mut(index) else { continue };
            // Reported twice only if it arrived late: the first report already counted it as lost.
            if std::mem::replace(&mut packet.has_feedback, true) {
                continue;
            }
            let arrival = acknowledged.arrival.filter(|_| acknowledged.arrived);
            results.push(PacketResult { sent: packet.at, arrival, bytes: packet.bytes, is_video: packet.is_video });
        }
        if let Some(newest) = results.iter().filter(|result| result.arrival.is_some()).map(|result| result.sent).max() {
            self.session.set_feedback_delay(now.duration_since(newest));
        }
        self.estimator.feedback_received(now, &results);
        self.publish_bitrate();
    }

    fn publish_bitrate(&self) {
        self.session.set_bitrate(self.estimator.target(), self.estimator.available());
    }

    fn reports_received(&mut self, reports: &[rtc::rtcp::reception_report::ReceptionReport]) {
        for report in reports {
            if self.streams.get(&report.ssrc).is_some_and(|stream| stream.is_video) {
                self.estimator.report_received(f64::from(report.fraction_lost) / 256.0);
                self.publish_bitrate();
            }
        }
    }
}

impl PacketFilter for TransportWideCc {
    fn incoming(&mut self, packet: TaggedPacket) -> Option<TaggedPacket> {
        if let Packet::Rtcp(rtcp_packets) = &packet.message.packet {
            for rtcp in rtcp_packets {
                let any = rtcp.as_any();
                if let Some(feedback) = any.downcast_ref::<TransportLayerCc>() {
                    self.feedback_received(packet.now, feedback);
                } else if let Some(report) = any.downcast_ref::<ReceiverReport>() {
                    self.reports_received(&report.reports);
                } else if let Some(report) = any.downcast_ref::<SenderReport>() {
                    self.reports_received(&report.reports);
                }
            }
        }
        Some(packet)
    }

    fn outgoing(&mut self, mut packet: TaggedPacket) -> Option<TaggedPacket> {
        if let Packet::Rtp(rtp) = &mut packet.message.packet {
            self.number(packet.now, rtp);
        }
        Some(packet)
    }

    fn outgoing_stream_added(&mut self, info: &StreamInfo) {
        let extension = info.rtp_header_extensions.iter().find(|extension| extension.uri == TRANSPORT_CC_URI);
        let Some(extension) = extension.and_then(|extension| u8::try_from(extension.id).ok()).filter(|id| *id > 0)
        else {
            return;
        };
        let stream = TwccStream { extension, is_video: info.mime_type.starts_with("video/") };
        self.streams.insert(info.ssrc, stream);
        if let Some(rtx) = info.ssrc_rtx {
            self.streams.insert(rtx, TwccStream { is_video: false, ..stream });
        }
    }
}

#[cfg(test)]
mod tests;
