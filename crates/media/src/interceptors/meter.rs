//! Counts what comes and goes, and sets the clock that sender reports tell.

use std::sync::Arc;

use rtc::interceptor::{Packet, StreamInfo, TaggedPacket};
use rtc::rtcp::payload_feedbacks::full_intra_request::FullIntraRequest;
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::rtcp::receiver_report::ReceiverReport;
use rtc::rtcp::sender_report::SenderReport;
use rtc::rtcp::transport_feedbacks::transport_layer_nack::TransportLayerNack;

use super::adapter::PacketStep;
use crate::traffic::{Asked, Traffic};

/// Next to the network.
pub(super) struct Meter {
    traffic: Arc<Traffic>,
}

impl Meter {
    pub fn new(traffic: Arc<Traffic>) -> Self {
        Self { traffic }
    }
}

impl PacketStep for Meter {
    fn read(&mut self, packet: TaggedPacket) -> Option<TaggedPacket> {
        let now = packet.now;
        match &packet.message.packet {
            Packet::Rtp(rtp) => self.traffic.received(now, rtp),
            Packet::Rtcp(feedback) => {
                for one in feedback {
                    let any = one.as_any();
                    if let Some(report) = any.downcast_ref::<SenderReport>() {
                        self.traffic.sender_report(report);
                        self.traffic.reception_reports(now, &report.reports);
                    } else if let Some(report) = any.downcast_ref::<ReceiverReport>() {
                        self.traffic.reception_reports(now, &report.reports);
                    } else if let Some(request) = any.downcast_ref::<TransportLayerNack>() {
                        self.traffic.asked_us(request.media_ssrc, Asked::Again);
                    } else if let Some(request) = any.downcast_ref::<PictureLossIndication>() {
                        self.traffic.asked_us(request.media_ssrc, Asked::Keyframe);
                    } else if let Some(request) = any.downcast_ref::<FullIntraRequest>() {
                        for entry in &request.fir {
                            self.traffic.asked_us(entry.ssrc, Asked::FullKeyframe);
                        }
                    }
                }
            }
            _ => {}
        }
        Some(packet)
    }

    fn write(&mut self, mut packet: TaggedPacket) -> Option<TaggedPacket> {
        let now = packet.now;
        match &mut packet.message.packet {
            Packet::Rtp(rtp) => self.traffic.sent(rtp),
            Packet::Rtcp(feedback) => {
                for one in feedback {
                    let any = one.as_any();
                    if let Some(report) = any.downcast_ref::<SenderReport>() {
                        *one = Box::new(self.traffic.clocked(now, report));
                    } else if let Some(request) = any.downcast_ref::<TransportLayerNack>() {
                        self.traffic.we_asked(request.media_ssrc, Asked::Again);
                    } else if let Some(request) = any.downcast_ref::<PictureLossIndication>() {
                        self.traffic.we_asked(request.media_ssrc, Asked::Keyframe);
                    }
                }
            }
            _ => {}
        }
        Some(packet)
    }

    fn sends(&mut self, info: &StreamInfo) {
        self.traffic.sends(info);
    }

    fn receives(&mut self, info: &StreamInfo) {
        self.traffic.receives(info);
    }
}
