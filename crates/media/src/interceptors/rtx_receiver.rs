//! Interceptor that decapsulates received retransmissions (RTX, RFC 4588).

use std::collections::HashMap;

use bytes::Buf;
use rtc::interceptor::{Packet, StreamInfo, TaggedPacket};

use super::adapter::PacketFilter;

/// Restores the original packets from RTX packets.
///
/// The library does so after its NACK generator, which then never sees the repaired packets and requests them again.
#[derive(Default)]
pub(super) struct RtxReceiver {
    /// The original stream, by the SSRC of its RTX stream.
    originals: HashMap<u32, OriginalStream>,
}

#[derive(Clone, Copy)]
struct OriginalStream {
    ssrc: u32,
    payload_type: u8,
}

impl PacketFilter for RtxReceiver {
    fn incoming(&mut self, mut packet: TaggedPacket) -> Option<TaggedPacket> {
        if let Packet::Rtp(rtp) = &mut packet.message.packet
            && let Some(original) = self.originals.get(&rtp.header.ssrc)
            // RTX packets without the original sequence number (2 bytes) are padding, used for probing.
            && rtp.payload.len() >= 2
        {
            rtp.header.ssrc = original.ssrc;
            rtp.header.payload_type = original.payload_type;
            rtp.header.sequence_number = rtp.payload.get_u16();
        }
        Some(packet)
    }

    fn incoming_stream_added(&mut self, info: &StreamInfo) {
        if let Some(rtx) = info.ssrc_rtx {
            self.originals.insert(rtx, OriginalStream { ssrc: info.ssrc, payload_type: info.payload_type });
        }
    }

    fn incoming_stream_removed(&mut self, info: &StreamInfo) {
        if let Some(rtx) = info.ssrc_rtx {
            self.originals.remove(&rtx);
        }
    }
}
