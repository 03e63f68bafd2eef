//! Packets on a byte stream (RFC 8656, section 12.5): STUN messages and `ChannelData`, the latter padded to four bytes.
//!
//! A client's first packet is a STUN message, so the first byte of a stream tells TURN from HTTP. Channel numbers begin with
//! the same bytes as HTTP's methods.

/// Bytes that suffice for [`PacketHeader::parse`].
pub const HEADER: usize = 4;

/// Bytes of a STUN header (RFC 8489, section 5).
const STUN_HEADER: usize = 20;

/// Largest packet on a stream in bytes, with its header: what a UDP client could send, too.
pub const MAX_PACKET: usize = 65_535;

/// The size of a packet on a stream, from its first four bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketHeader {
    /// Bytes of the packet.
    pub length: usize,
    /// Bytes of the padding after it.
    pub padding: usize,
}

impl PacketHeader {
    /// Reads the first bytes of a packet. `None` if no packet begins with them: the stream cannot be read any further.
    #[must_use]
    pub fn parse(header: [u8; HEADER]) -> Option<Self> {
        let [first, _, high, low] = header;
        let announced = usize::from(u16::from_be_bytes([high, low]));
        let (length, padding) = match first {
            // STUN attributes fill up to four bytes.
            0x00..=0x03 if announced.is_multiple_of(4) => (STUN_HEADER + announced, 0),
            0x40..=0x7F => (HEADER + announced, padding(announced)),
            _ => return None,
        };
        (length <= MAX_PACKET).then_some(Self { length, padding })
    }
}

/// Bytes of padding that follow a packet with this many bytes on a stream.
#[must_use]
pub const fn padding(length: usize) -> usize {
    length.next_multiple_of(4) - length
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_length_of_a_packet_is_read_from_its_first_bytes() {
        for (header, expected) in [
            ([0x00, 0x01, 0, 0], Some((20, 0))),
            ([0x00, 0x03, 0, 8], Some((28, 0))),
            ([0x01, 0x01, 0, 12], Some((32, 0))),
            ([0x00, 0x01, 0, 9], None),
            ([0x40, 0x00, 0, 0], Some((4, 0))),
            ([0x40, 0x00, 0, 1], Some((5, 3))),
            ([0x4F, 0xFF, 0, 171], Some((175, 1))),
            ([0x7F, 0xFE, 0, 172], Some((176, 0))),
            ([0x40, 0x00, 0xFF, 0xFB], Some((65_535, 1))),
            ([0x40, 0x00, 0xFF, 0xFC], None),
            ([0x00, 0x01, 0xFF, 0xFC], None),
            ([0x16, 3, 1, 2], None),
            ([0xFF; 4], None),
        ] {
            let parsed = PacketHeader::parse(header).map(|header| (header.length, header.padding));
            assert_eq!(parsed, expected, "{header:?}");
        }
    }

    proptest! {
        #[test]
        fn packets_end_at_a_multiple_of_four(header: [u8; 4]) {
            if let Some(parsed) = PacketHeader::parse(header) {
                prop_assert_eq!((parsed.length + parsed.padding) % 4, 0);
                prop_assert!(parsed.padding < 4 && parsed.length >= HEADER && parsed.length <= MAX_PACKET);
            }
        }
    }
}
