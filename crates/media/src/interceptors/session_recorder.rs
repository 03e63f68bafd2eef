//! Interceptor that records all packets in the [`RtpSession`], and rewrites sender reports to the capture clock.

use std::sync::Arc;

use rtc::interceptor::{Packet, StreamInfo, TaggedPacket};
use rtc::rtcp::payload_feedbacks::full_intra_request::FullIntraRequest;
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::rtcp::receiver_report::ReceiverReport;
use rtc::rtcp::sender_report::SenderReport;
use rtc::rtcp::transport_feedbacks::transport_layer_nack::TransportLayerNack;

use super::adapter::PacketFilter;
use crate::rtp_session::{RtcpRequest, RtpSession};

/// Records every packet that the connection sends and receives.
pub(super) struct SessionRecorder {
    session: Arc<RtpSession>,
}

impl SessionRecorder {
    pub fn new(session: Arc<RtpSession>) -> Self {
        Self { session }
    }
}

impl PacketFilter for SessionRecorder {
    fn incoming(&mut self, packet: TaggedPacket) -> Option<TaggedPacket> {
        let now = packet.now;
        match &packet.message.packet {
            Packet::Rtp(rtp) => self.session.packet_received(now, rtp),
            Packet::Rtcp(rtcp_packets) => {
                for rtcp in rtcp_packets {
                    let any = rtcp.as_any();
                    if let Some(report) = any.downcast_ref::<SenderReport>() {
                        self.session.sender_report_received(report);
                        self.session.reception_reports_received(now, &report.reports);
                    } else if let Some(report) = any.downcast_ref::<ReceiverReport>() {
                        self.session.reception_reports_received(now, &report.reports);
                    } else if let Some(request) = any.downcast_ref::<TransportLayerNack>() {
                        self.session.request_received(request.media_ssrc, RtcpRequest::Nack);
                    } else if let Some(request) = any.downcast_ref::<PictureLossIndication>() {
                        self.session.request_received(request.media_ssrc, RtcpRequest::Pli);
                    } else if let Some(request) = any.downcast_ref::<FullIntraRequest>() {
                        for entry in &request.fir {
                            self.session.request_received(entry.ssrc, RtcpRequest::Fir);
                        }
                    }
                }
            }
            _ => {}
        }
        Some(packet)
    }

    fn outgoing(&mut self, mut packet: TaggedPacket) -> Option<TaggedPacket> {
        let now = packet.now;
        match &mut packet.message.packet {
            Packet::Rtp(rtp) => self.session.packet_sent(rtp),
            Packet::Rtcp(rtcp_packets) => {
                for rtcp in rtcp_packets {
                    let any = rtcp.as_any();
                    if let Some(report) = any.downcast_ref::<SenderReport>() {
                        *rtcp = Box::new(self.session.with_capture_clock(now, report));
                    } else if let Some(request) = any.downcast_ref::<TransportLayerNack>() {
                        self.session.request_sent(request.media_ssrc, RtcpRequest::Nack);
                    } else if let Some(request) = any.downcast_ref::<PictureLossIndication>() {
                        self.session.request_sent(request.media_ssrc, RtcpRequest::Pli);
                    }
                }
            }
            _ => {}
        }
        Some(packet)
    }

    fn outgoing_stream_added(&mut self, info: &StreamInfo) {
        self.session.add_outbound(info);
    }

    fn incoming_stream_added(&mut self, info: &StreamInfo) {
        self.session.add_inbound(info);
    }
}
