//! Decoder of TURN packets on a byte stream.

use std::io;

use bytes::{Buf, BytesMut};
use tokio_util::codec::Decoder;

use super::framing::{HEADER, MAX_PACKET, PacketHeader};

/// Longest packet in bytes of a client that has not proved its credentials.
const MAX_UNALLOCATED_PACKET: usize = 2_048;

/// Splits a stream into packets, without their padding. Fails where no packet can begin, and at too long ones.
#[derive(Clone, Copy, Debug)]
pub struct PacketDecoder {
    max_packet: usize,
}

impl PacketDecoder {
    /// A decoder for a client without an allocation: each packet may have 2,048 bytes.
    #[must_use]
    pub const fn new() -> Self {
        Self { max_packet: MAX_UNALLOCATED_PACKET }
    }

    /// Accepts packets of up to [`MAX_PACKET`] bytes from now on: the client has an allocation.
    pub const fn accept_long_packets(&mut self) {
        self.max_packet = MAX_PACKET;
    }
}

impl Default for PacketDecoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder for PacketDecoder {
    type Item = BytesMut;
    type Error = io::Error;

    fn decode(&mut self, buffer: &mut BytesMut) -> io::Result<Option<BytesMut>> {
        let Some(header) = buffer.first_chunk::<HEADER>() else { return Ok(None) };
        let PacketHeader { length, padding } = PacketHeader::parse(*header).ok_or(io::ErrorKind::InvalidData)?;
        if length > self.max_packet {
            return Err(io::ErrorKind::InvalidData.into());
        }
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

    #[test]
    fn long_packets_are_accepted_of_clients_with_an_allocation_only() {
        let (longest, too_long) = (packet(false, 2_044), packet(false, 2_045));
        let mut decoder = PacketDecoder::new();
        assert_eq!(decoder.decode(&mut BytesMut::from(&longest[..])).unwrap().unwrap(), longest);
        // Refused by its header, before memory is reserved for the rest.
        assert!(decoder.decode(&mut BytesMut::from(&too_long[..HEADER])).is_err());
        decoder.accept_long_packets();
        assert_eq!(
            decoder.decode(&mut BytesMut::from(&[&too_long[..], &[0; 3]].concat()[..])).unwrap().unwrap(),
            too_long
        );
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
            let (mut decoder, mut buffer, mut decoded) = (PacketDecoder::new(), BytesMut::new(), Vec::new());
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
            let (mut decoder, mut buffer) = (PacketDecoder::new(), BytesMut::from(&bytes[..]));
            while let Ok(Some(packet)) = decoder.decode(&mut buffer) {
                prop_assert!(packet.len() >= HEADER);
            }
        }
    }
}
