//! Retransmissions (RFC 4588) that come in.

use std::collections::HashMap;

use bytes::Buf;
use rtc::interceptor::{Packet, StreamInfo, TaggedPacket};

use super::adapter::PacketStep;

/// Turns retransmissions back into the packets that they repeat.
///
/// The library does so too, but behind the step that asks for missing packets, which then never sees them arrive and asks for
/// the same ones again and again.
#[derive(Default)]
pub(super) struct Retransmissions {
    /// By the stream that repeats.
    streams: HashMap<u32, Repeated>,
}

/// The stream that is repeated.
#[derive(Clone, Copy)]
struct Repeated {
    ssrc: u32,
    payload_type: u8,
}

impl PacketStep for Retransmissions {
    fn read(&mut self, mut packet: TaggedPacket) -> Option<TaggedPacket> {
        if let Packet::Rtp(rtp) = &mut packet.message.packet
            && let Some(stream) = self.streams.get(&rtp.header.ssrc)
            // Without the two bytes that say which packet it repeats it is padding, for probing.
            && rtp.payload.len() >= 2
        {
            rtp.header.ssrc = stream.ssrc;
            rtp.header.payload_type = stream.payload_type;
            rtp.header.sequence_number = rtp.payload.get_u16();
        }
        Some(packet)
    }

    fn receives(&mut self, info: &StreamInfo) {
        if let Some(rtx) = info.ssrc_rtx {
            self.streams.insert(rtx, Repeated { ssrc: info.ssrc, payload_type: info.payload_type });
        }
    }

    fn receives_no_more(&mut self, info: &StreamInfo) {
        if let Some(rtx) = info.ssrc_rtx {
            self.streams.remove(&rtx);
        }
    }
}
