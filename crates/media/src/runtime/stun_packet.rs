//! Parsing of STUN and TURN packets as far as [`StunFilter`](super::stun_filter::StunFilter) needs it (RFC 8489, RFC 8656).

use std::net::{IpAddr, SocketAddr};

/// Bytes of a STUN header (RFC 8489, section 5).
const HEADER: usize = 20;
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xA4, 0x42];
/// Bytes of an attribute's type and length, and of a `ChannelData` header.
const PREFIX: usize = 4;

/// Methods (RFC 8489, section 18.2; RFC 8656, section 17).
pub(super) const SEND: u16 = 0x006;
pub(super) const DATA: u16 = 0x007;
pub(super) const CHANNEL_BIND: u16 = 0x009;

/// Attributes (RFC 8656, section 18).
const CHANNEL_NUMBER: u16 = 0x000C;
const XOR_PEER_ADDRESS: u16 = 0x0012;
const DATA_ATTRIBUTE: u16 = 0x0013;

/// Transaction ID (RFC 8489, section 5): 96 random bits of the request, which the response repeats.
pub(super) type Transaction = [u8; 12];

/// Class of a STUN message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Request,
    Indication,
    /// Success or error.
    Response,
}

/// View of a STUN message.
#[derive(Clone, Copy)]
pub(super) struct StunPacket<'a> {
    pub class: Class,
    pub method: u16,
    pub transaction: Transaction,
    attributes: &'a [u8],
}

impl<'a> StunPacket<'a> {
    /// Parses the header. Like the WebRTC library it does not require that the first two bits are zero.
    pub fn parse(packet: &'a [u8]) -> Option<Self> {
        let (header, rest) = packet.split_first_chunk::<HEADER>()?;
        let [high, low, long, short, cookie @ .., _, _, _, _, _, _, _, _, _, _, _, _] = *header;
        if cookie != MAGIC_COOKIE {
            return None;
        }
        let kind = u16::from_be_bytes([high, low]);
        let class = match (kind >> 4 & 1) | (kind >> 7 & 2) {
            0 => Class::Request,
            1 => Class::Indication,
            _ => Class::Response,
        };
        let method = (kind & 0xF) | (kind >> 1 & 0x70) | (kind >> 2 & 0xF80);
        let attributes = rest.get(..usize::from(u16::from_be_bytes([long, short])))?;
        let transaction = *header.last_chunk()?;
        Some(Self { class, method, transaction, attributes })
    }

    /// The value of the first attribute of a type.
    fn attribute(&self, wanted: u16) -> Option<&'a [u8]> {
        let mut rest = self.attributes;
        loop {
            let ([t0, t1, l0, l1], values) = rest.split_first_chunk::<PREFIX>()?;
            let length = usize::from(u16::from_be_bytes([*l0, *l1]));
            if u16::from_be_bytes([*t0, *t1]) == wanted {
                return values.get(..length);
            }
            rest = values.get(length.next_multiple_of(4)..)?;
        }
    }

    /// The peer of a relayed packet or channel.
    pub fn peer(&self) -> Option<SocketAddr> {
        let value = self.attribute(XOR_PEER_ADDRESS)?;
        let ([_, family, p0, p1], address) = value.split_first_chunk::<PREFIX>()?;
        let port = u16::from_be_bytes([p0 ^ MAGIC_COOKIE[0], p1 ^ MAGIC_COOKIE[1]]);
        let mut mask = [0; 16];
        mask[..4].copy_from_slice(&MAGIC_COOKIE);
        mask[4..].copy_from_slice(&self.transaction);
        let ip: IpAddr = match family {
            1 => {
                let bytes: &[u8; 4] = address.first_chunk()?;
                std::array::from_fn::<u8, 4, _>(|index| bytes[index] ^ mask[index]).into()
            }
            2 => {
                let bytes: &[u8; 16] = address.first_chunk()?;
                std::array::from_fn::<u8, 16, _>(|index| bytes[index] ^ mask[index]).into()
            }
            _ => return None,
        };
        Some(SocketAddr::new(ip, port))
    }

    /// The relayed packet of a Send or Data indication.
    pub fn data(&self) -> Option<&'a [u8]> {
        self.attribute(DATA_ATTRIBUTE)
    }

    /// The channel of a `ChannelBind` request.
    pub fn channel(&self) -> Option<u16> {
        Some(u16::from_be_bytes(*self.attribute(CHANNEL_NUMBER)?.first_chunk()?))
    }
}

/// The channel and the relayed packet of `ChannelData` (RFC 8656, section 12.4).
pub(super) fn channel_data(packet: &[u8]) -> Option<(u16, &[u8])> {
    let ([c0 @ 0x40..=0x7F, c1, l0, l1], rest) = packet.split_first_chunk::<PREFIX>()? else { return None };
    let data = rest.get(..usize::from(u16::from_be_bytes([*l0, *l1])))?;
    Some((u16::from_be_bytes([*c0, *c1]), data))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rtc::stun::attributes::{ATTR_CHANNEL_NUMBER, ATTR_DATA, ATTR_XOR_PEER_ADDRESS};
    use rtc::stun::message::{
        CLASS_ERROR_RESPONSE, CLASS_INDICATION, CLASS_REQUEST, CLASS_SUCCESS_RESPONSE, METHOD_ALLOCATE, METHOD_BINDING,
        METHOD_CHANNEL_BIND, METHOD_DATA, METHOD_SEND, Message, MessageType, TransactionId,
    };
    use rtc::stun::xoraddr::XorMappedAddress;

    use super::*;

    #[test]
    fn packets_of_the_library_are_parsed() {
        for (method, number) in [
            (METHOD_BINDING, 1),
            (METHOD_ALLOCATE, 3),
            (METHOD_SEND, SEND),
            (METHOD_DATA, DATA),
            (METHOD_CHANNEL_BIND, CHANNEL_BIND),
        ] {
            for (class, expected) in [
                (CLASS_REQUEST, Class::Request),
                (CLASS_INDICATION, Class::Indication),
                (CLASS_SUCCESS_RESPONSE, Class::Response),
                (CLASS_ERROR_RESPONSE, Class::Response),
            ] {
                let mut message = Message::new();
                message.build(&[Box::new(MessageType::new(method, class)), Box::new(TransactionId::new())]).unwrap();
                let packet = StunPacket::parse(&message.raw).unwrap();
                assert_eq!((packet.class, packet.method), (expected, number));
                assert_eq!(packet.transaction, message.transaction_id.0);
                assert_eq!((packet.peer(), packet.data(), packet.channel()), (None, None, None));
            }
        }
    }

    #[test]
    fn attributes_are_found() {
        for peer in ["192.0.2.7:5000", "[2001:db8::7]:5000"] {
            let peer: SocketAddr = peer.parse().unwrap();
            let mut message = Message::new();
            let kind = MessageType::new(METHOD_SEND, CLASS_INDICATION);
            message.build(&[Box::new(kind), Box::new(TransactionId::new())]).unwrap();
            message.add(ATTR_DATA, &[1, 2, 3]);
            let address = XorMappedAddress { ip: peer.ip(), port: peer.port() };
            address.add_to_as(&mut message, ATTR_XOR_PEER_ADDRESS).unwrap();
            message.add(ATTR_CHANNEL_NUMBER, &[0x40, 1, 0, 0]);
            let packet = StunPacket::parse(&message.raw).unwrap();
            assert_eq!(packet.peer(), Some(peer));
            assert_eq!(packet.data(), Some(&[1, 2, 3][..]));
            assert_eq!(packet.channel(), Some(0x4001));
        }
    }

    #[test]
    fn channel_data_is_unwrapped_without_its_padding() {
        assert_eq!(channel_data(&[0x40, 1, 0, 3, 7, 8, 9, 0]), Some((0x4001, &[7, 8, 9][..])));
        for other in [&[0x40, 1, 0, 3, 7, 8][..], &[0x80, 1, 0, 0], &[0x40], &[]] {
            assert_eq!(channel_data(other), None, "{other:?}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_do_not_panic(mut bytes: Vec<u8>) {
            if bytes.len() >= 8 {
                bytes[4..8].copy_from_slice(&MAGIC_COOKIE);
            }
            channel_data(&bytes);
            if let Some(packet) = StunPacket::parse(&bytes) {
                let _parsed = (packet.peer(), packet.data(), packet.channel());
            }
        }
    }
}
