//! Interceptor that passes keyframe requests to the application.

use rtc::interceptor::{Attribute, Packet, TaggedPacket};
use rtc::rtcp::payload_feedbacks::full_intra_request::FullIntraRequest;
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;

use super::adapter::PacketFilter;

/// Marks keyframe requests for delivery to the application: the library drops all RTCP at the end of the chain otherwise.
pub(super) struct KeyframeRequestFilter;

impl PacketFilter for KeyframeRequestFilter {
    fn incoming(&mut self, mut packet: TaggedPacket) -> Option<TaggedPacket> {
        if let Packet::Rtcp(rtcp_packets) = &mut packet.message.packet {
            rtcp_packets.retain(|rtcp| is_keyframe_request(rtcp.as_ref()));
            if rtcp_packets.is_empty() {
                return None;
            }
            packet.message.add(Attribute::DeliverToApplication);
        }
        Some(packet)
    }
}

/// Whether an RTCP packet requests a keyframe: PLI (RFC 4585, section 6.3.1) or FIR (RFC 5104, section 4.3.1).
pub(crate) fn is_keyframe_request(packet: &dyn rtc::rtcp::Packet) -> bool {
    let any = packet.as_any();
    any.is::<PictureLossIndication>() || any.is::<FullIntraRequest>()
}
