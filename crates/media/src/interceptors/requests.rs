//! Keyframe requests, for whoever encodes.

use rtc::interceptor::{Attribute, Packet, TaggedPacket};
use rtc::rtcp::payload_feedbacks::full_intra_request::FullIntraRequest;
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;

use super::adapter::PacketStep;

/// Marks keyframe requests for delivery: the library drops feedback at the end of the chain otherwise.
pub(super) struct KeyframeRequests;

impl PacketStep for KeyframeRequests {
    fn read(&mut self, mut packet: TaggedPacket) -> Option<TaggedPacket> {
        if let Packet::Rtcp(feedback) = &mut packet.message.packet {
            feedback.retain(|one| is_keyframe_request(one.as_ref()));
            if feedback.is_empty() {
                return None;
            }
            packet.message.add(Attribute::DeliverToApplication);
        }
        Some(packet)
    }
}

/// Whether feedback asks for a keyframe (RFC 4585, section 6.3.1; RFC 5104, section 4.3.1).
pub(crate) fn is_keyframe_request(packet: &dyn rtc::rtcp::Packet) -> bool {
    let any = packet.as_any();
    any.is::<PictureLossIndication>() || any.is::<FullIntraRequest>()
}
