//! What our own steps in the library's packet chain do: they pass keyframe requests on, and unwrap retransmissions.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use bytes::Buf;
use rtc::interceptor::{Attribute, Interceptor, Packet, Registry, Slot, StreamInfo, TaggedPacket};
use rtc::rtcp::payload_feedbacks::full_intra_request::FullIntraRequest;
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::sansio::Protocol;
use rtc::shared::error::Error;

/// Before the step that asks for missing packets (7,000).
const UNWRAP: usize = 6_500;
/// After every step that has a use for feedback.
const REQUESTS: usize = 14_000;

/// Adds both steps.
pub(crate) fn add(registry: Registry) -> Registry {
    registry
        .with(Slot::from(UNWRAP), Retransmissions::default())
        .with(Slot::from(REQUESTS), KeyframeRequests::default())
}

/// Marks keyframe requests for delivery: the library drops feedback at the end of the chain otherwise.
#[derive(Default)]
struct KeyframeRequests {
    reads: VecDeque<TaggedPacket>,
    writes: VecDeque<TaggedPacket>,
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for KeyframeRequests {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, mut packet: TaggedPacket) -> Result<(), Error> {
        if let Packet::Rtcp(feedback) = &mut packet.message.packet {
            feedback.retain(|one| is_keyframe_request(one.as_ref()));
            if feedback.is_empty() {
                return Ok(());
            }
            packet.message.add(Attribute::DeliverToApplication);
        }
        self.reads.push_back(packet);
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.reads.pop_front()
    }

    fn handle_write(&mut self, packet: TaggedPacket) -> Result<(), Error> {
        self.writes.push_back(packet);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.writes.pop_front()
    }
}

impl Interceptor for KeyframeRequests {
    fn bind_local_stream(&mut self, _: &StreamInfo) {}
    fn unbind_local_stream(&mut self, _: &StreamInfo) {}
    fn bind_remote_stream(&mut self, _: &StreamInfo) {}
    fn unbind_remote_stream(&mut self, _: &StreamInfo) {}
}

/// Whether feedback asks for a keyframe (RFC 4585, section 6.3.1; RFC 5104, section 4.3.1).
pub(crate) fn is_keyframe_request(packet: &dyn rtc::rtcp::Packet) -> bool {
    let any = packet.as_any();
    any.is::<PictureLossIndication>() || any.is::<FullIntraRequest>()
}

/// Turns retransmissions (RFC 4588) back into the packets that they repeat.
///
/// The library does so too, but behind the step that asks for missing packets, which then never sees them arrive and asks for
/// the same ones again and again.
#[derive(Default)]
struct Retransmissions {
    /// By the stream that repeats.
    streams: HashMap<u32, Repeated>,
    reads: VecDeque<TaggedPacket>,
    writes: VecDeque<TaggedPacket>,
}

/// The stream that is repeated.
#[derive(Clone, Copy)]
struct Repeated {
    ssrc: u32,
    payload_type: u8,
}

impl Retransmissions {
    fn unwrap(&self, packet: &mut rtc::rtp::Packet) {
        // Without the two bytes that say which packet it repeats it is padding, for probing.
        if let Some(stream) = self.streams.get(&packet.header.ssrc)
            && packet.payload.len() >= 2
        {
            packet.header.ssrc = stream.ssrc;
            packet.header.payload_type = stream.payload_type;
            packet.header.sequence_number = packet.payload.get_u16();
        }
    }
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for Retransmissions {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, mut packet: TaggedPacket) -> Result<(), Error> {
        if let Packet::Rtp(rtp) = &mut packet.message.packet {
            self.unwrap(rtp);
        }
        self.reads.push_back(packet);
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.reads.pop_front()
    }

    fn handle_write(&mut self, packet: TaggedPacket) -> Result<(), Error> {
        self.writes.push_back(packet);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.writes.pop_front()
    }
}

impl Interceptor for Retransmissions {
    fn bind_local_stream(&mut self, _: &StreamInfo) {}
    fn unbind_local_stream(&mut self, _: &StreamInfo) {}

    fn bind_remote_stream(&mut self, info: &StreamInfo) {
        if let Some(rtx) = info.ssrc_rtx {
            self.streams.insert(rtx, Repeated { ssrc: info.ssrc, payload_type: info.payload_type });
        }
    }

    fn unbind_remote_stream(&mut self, info: &StreamInfo) {
        if let Some(rtx) = info.ssrc_rtx {
            self.streams.remove(&rtx);
        }
    }
}
