//! Decoder of TURN packets on a byte stream.

use std::io;

use bytes::{Buf, BytesMut};
use tokio_util::codec::Decoder;

use super::framing::{HEADER, PacketHeader};

/// Splits a stream into packets, without their padding. Fails where no packet can begin.
#[derive(Clone, Copy, Debug, Default)]
pub struct PacketDecoder;

impl Decoder for PacketDecoder {
    type Item = BytesMut;
    type Error = io::Error;

    fn decode(&mut self, buffer: &mut BytesMut) -> io::Result<Option<BytesMut>> {
        let Some(header) = buffer.first_chunk::<HEADER>() else { return Ok(None) };
        let PacketHeader { length, padding } = PacketHeader::parse(*header).ok_or(io::ErrorKind::InvalidData)?;
        let missing = (length + padding).saturating_sub(buffer.len());
        if missing > 0 {
            buffer.reserve(missing);
            return Ok(None);
        }
        let packet = buffer.split_to(length);
        buffer.advance(padding);
        Ok(Some(packet))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::relay::framing;

    /// A STUN message or `ChannelData` with this many bytes after its header.
    fn packet(is_stun: bool, length: usize) -> Vec<u8> {
        let length = if is_stun { length.next_multiple_of(4) } else { length };
        let [high, low] = u16::try_from(length).unwrap().to_be_bytes();
        let mut packet = vec![if is_stun { 0 } else { 0x40 }, 1, high, low];
        packet.resize(packet.len() + if is_stun { 16 } else { 0 } + length, 7);
        packet
    }

    proptest! {
        #[test]
        fn packets_are_found_wherever_the_stream_is_split(
            packets in proptest::collection::vec((any::<bool>(), 0_usize..600), 0..8),
            pieces in proptest::collection::vec(1_usize..700, 1..20),
        ) {
            let packets: Vec<_> = packets.into_iter().map(|(is_stun, length)| packet(is_stun, length)).collect();
            let mut stream = Vec::new();
            for packet in &packets {
                stream.extend(packet);
                stream.resize(stream.len() + framing::padding(packet.len()), 0);
            }
            let (mut decoder, mut buffer, mut decoded) = (PacketDecoder, BytesMut::new(), Vec::new());
            let mut pieces = pieces.into_iter().cycle();
            let mut rest = &stream[..];
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(pieces.next().unwrap().min(rest.len()));
                buffer.extend_from_slice(piece);
                rest = after;
                while let Some(packet) = decoder.decode(&mut buffer).unwrap() {
                    decoded.push(packet.to_vec());
                }
            }
            prop_assert_eq!(decoded, packets);
            prop_assert!(buffer.is_empty());
        }

        #[test]
        fn arbitrary_bytes_end_in_an_error_or_wait_for_more(bytes: Vec<u8>) {
            let (mut decoder, mut buffer) = (PacketDecoder, BytesMut::from(&bytes[..]));
            while let Ok(Some(packet)) = decoder.decode(&mut buffer) {
                prop_assert!(packet.len() >= HEADER);
            }
        }
    }
}
