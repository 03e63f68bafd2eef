//! IP packets as a gateway sees them: addresses and ports are read, and rewritten with the checksums kept valid.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4};

/// Protocol above IP. Gateways pass no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl Transport {
    /// By the protocol number of IANA.
    const fn from_number(number: u8) -> Option<Self> {
        match number {
            6 => Some(Self::Tcp),
            17 => Some(Self::Udp),
            _ => None,
        }
    }

    /// Least length of its header, in bytes.
    const fn header(self) -> usize {
        match self {
            Self::Tcp => 20,
            Self::Udp => 8,
        }
    }

    /// Offset of the checksum in its header.
    const fn checksum_at(self) -> usize {
        match self {
            Self::Tcp => 16,
            Self::Udp => 6,
        }
    }
}

/// Transport, source and destination of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Endpoints {
    /// Protocol above IP.
    pub transport: Transport,
    /// Address and port of the sender.
    pub source: SocketAddr,
    /// Address and port of the receiver.
    pub destination: SocketAddr,
}

impl Endpoints {
    /// Reads them from a packet. `None` for fragments, packets with IPv6 extension headers, other protocols than TCP and UDP, and
    /// truncated packets.
    #[must_use]
    pub fn parse(packet: &[u8]) -> Option<Self> {
        let (header, protocol) = match packet.first()? >> 4 {
            4 if !is_fragment(packet)? => (usize::from(packet.first()? & 0x0f) * 4, *packet.get(9)?),
            6 => (40, *packet.get(6)?),
            _ => return None,
        };
        let transport = Transport::from_number(protocol)?;
        let segment = packet.get(header..).filter(|segment| segment.len() >= transport.header())?;
        let (source, destination) = match packet.first()? >> 4 {
            4 if header >= 20 => (ipv4_at(packet, SOURCE)?.into(), ipv4_at(packet, DESTINATION)?.into()),
            6 => (ipv6_at(packet, 8)?.into(), ipv6_at(packet, 24)?.into()),
            _ => return None,
        };
        Some(Self {
            transport,
            source: SocketAddr::new(source, word_at(segment, 0)?),
            destination: SocketAddr::new(destination, word_at(segment, 2)?),
        })
    }
}

/// Offsets of the addresses in an IPv4 header (RFC 791, section 3.1).
const SOURCE: usize = 12;
const DESTINATION: usize = 16;

/// Offset of the IPv4 header's checksum.
const HEADER_CHECKSUM: usize = 10;

/// Replaces an IPv4 packet's source. The packet is one that [`Endpoints::parse`] accepts.
pub fn set_source(packet: &mut [u8], to: SocketAddrV4) {
    rewrite(packet, SOURCE, 0, to);
}

/// Replaces an IPv4 packet's destination. The packet is one that [`Endpoints::parse`] accepts.
pub fn set_destination(packet: &mut [u8], to: SocketAddrV4) {
    rewrite(packet, DESTINATION, 2, to);
}

fn rewrite(packet: &mut [u8], address_at: usize, port_at: usize, to: SocketAddrV4) {
    let Some(Endpoints { transport, .. }) = Endpoints::parse(packet) else { return };
    let header = usize::from(packet[0] & 0x0f) * 4;
    let port_at = header + port_at;
    let old = [word(packet, address_at), word(packet, address_at + 2), word(packet, port_at)];
    let [a, b, c, d] = to.ip().octets();
    let new = [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]), to.port()];

    set_word(packet, address_at, new[0]);
    set_word(packet, address_at + 2, new[1]);
    set_word(packet, port_at, new[2]);
    let checksum = adjusted(word(packet, HEADER_CHECKSUM), &old[..2], &new[..2]);
    set_word(packet, HEADER_CHECKSUM, checksum);

    // The pseudo-header has the addresses too (RFC 768, RFC 9293).
    let checksum_at = header + transport.checksum_at();
    match (transport, word(packet, checksum_at)) {
        // No checksum.
        (Transport::Udp, 0) => {}
        (Transport::Udp, checksum) => {
            let checksum = adjusted(checksum, &old, &new);
            set_word(packet, checksum_at, if checksum == 0 { 0xffff } else { checksum });
        }
        (Transport::Tcp, checksum) => set_word(packet, checksum_at, adjusted(checksum, &old, &new)),
    }
}

/// Checksum after words of the packet were replaced. Incremental (RFC 1624, equation 3), so that a wrong one stays wrong.
fn adjusted(checksum: u16, old: &[u16], new: &[u16]) -> u16 {
    let words = old.iter().map(|word| !word).chain(new.iter().copied());
    let mut sum = u32::from(!checksum) + words.map(u32::from).sum::<u32>();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// Whether an IPv4 packet is a fragment: it has an offset, or more fragments follow.
fn is_fragment(packet: &[u8]) -> Option<bool> {
    Some(word_at(packet, 6)? & 0x3fff != 0)
}

fn ipv4_at(packet: &[u8], at: usize) -> Option<Ipv4Addr> {
    Some(Ipv4Addr::from(<[u8; 4]>::try_from(packet.get(at..at + 4)?).ok()?))
}

fn ipv6_at(packet: &[u8], at: usize) -> Option<Ipv6Addr> {
    Some(Ipv6Addr::from(<[u8; 16]>::try_from(packet.get(at..at + 16)?).ok()?))
}

fn word_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(<[u8; 2]>::try_from(bytes.get(at..at + 2)?).ok()?))
}

fn word(packet: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([packet[at], packet[at + 1]])
}

fn set_word(packet: &mut [u8], at: usize, value: u16) {
    packet[at..at + 2].copy_from_slice(&value.to_be_bytes());
}

/// Packets for the tests of gateways.
#[cfg(test)]
pub(super) mod samples {
    use super::*;

    /// A packet with valid checksums.
    pub fn packet(transport: Transport, source: SocketAddr, destination: SocketAddr, payload: &[u8]) -> Vec<u8> {
        let mut segment = vec![0; transport.header()];
        set_word(&mut segment, 0, source.port());
        set_word(&mut segment, 2, destination.port());
        let number = match transport {
            Transport::Tcp => {
                segment[12] = 5 << 4;
                6
            }
            Transport::Udp => {
                set_word(&mut segment, 4, (8 + payload.len()) as u16);
                17
            }
        };
        segment.extend(payload);
        let mut packet = match (source, destination) {
            (SocketAddr::V4(source), SocketAddr::V4(destination)) => {
                let mut header = vec![0x45, 0, 0, 0, 0, 7, 0x40, 0, 64, number, 0, 0];
                header.extend(source.ip().octets());
                header.extend(destination.ip().octets());
                set_word(&mut header, 2, (20 + segment.len()) as u16);
                let checksum = !sum(&header);
                set_word(&mut header, HEADER_CHECKSUM, checksum);
                header
            }
            (SocketAddr::V6(source), SocketAddr::V6(destination)) => {
                let mut header = vec![0x60, 0, 0, 0, 0, 0, number, 64];
                set_word(&mut header, 4, segment.len() as u16);
                header.extend(source.ip().octets());
                header.extend(destination.ip().octets());
                header
            }
            _ => panic!("two address families"),
        };
        let header = packet.len();
        packet.extend(segment);
        let checksum = !transport_sum(&packet, header, transport);
        let checksum = if checksum == 0 { 0xffff } else { checksum };
        set_word(&mut packet, header + transport.checksum_at(), checksum);
        packet
    }

    /// Whether the checksums of an IPv4 packet are valid.
    pub fn has_valid_checksums(packet: &[u8]) -> bool {
        let transport = Endpoints::parse(packet).unwrap().transport;
        let has_none = transport == Transport::Udp && word(packet, 26) == 0;
        sum(&packet[..20]) == 0xffff && (has_none || transport_sum(packet, 20, transport) == 0xffff)
    }

    /// Ones' complement sum (RFC 1071).
    fn sum(bytes: &[u8]) -> u16 {
        let words = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
        let mut sum: u32 = words.sum();
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        sum as u16
    }

    fn transport_sum(packet: &[u8], header: usize, transport: Transport) -> u16 {
        let mut bytes = packet[if header == 20 { 12..20 } else { 8..40 }].to_vec();
        bytes.extend([0, if transport == Transport::Tcp { 6 } else { 17 }]);
        bytes.extend(((packet.len() - header) as u16).to_be_bytes());
        bytes.extend(&packet[header..]);
        sum(&bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{samples::*, *};

    fn transports() -> impl Strategy<Value = Transport> {
        prop_oneof![Just(Transport::Tcp), Just(Transport::Udp)]
    }

    proptest! {
        #[test]
        fn rewritten_packets_have_the_new_endpoints_and_valid_checksums(
            transport in transports(),
            addresses: [(u32, u16); 4],
            payload: Vec<u8>,
        ) {
            let [from, to, new_from, new_to] = addresses.map(|(ip, port)| SocketAddrV4::new(ip.into(), port));
            let mut bytes = packet(transport, from.into(), to.into(), &payload);
            prop_assert!(has_valid_checksums(&bytes));
            set_source(&mut bytes, new_from);
            set_destination(&mut bytes, new_to);
            let expected = Endpoints { transport, source: new_from.into(), destination: new_to.into() };
            prop_assert_eq!(Endpoints::parse(&bytes), Some(expected));
            prop_assert!(has_valid_checksums(&bytes));
            prop_assert!(bytes.ends_with(&payload));
        }

        #[test]
        fn a_wrong_checksum_stays_wrong(transport in transports(), ip: u32, port: u16, flipped in 1_u8..) {
            let mut bytes = packet(transport, samples_address(1), samples_address(2), &[1, 2, 3, 4]);
            *bytes.last_mut().unwrap() ^= flipped;
            set_source(&mut bytes, SocketAddrV4::new(ip.into(), port));
            prop_assert!(!has_valid_checksums(&bytes));
        }

        #[test]
        fn arbitrary_bytes_do_not_panic(mut bytes: Vec<u8>, version in prop_oneof![Just(0x45_u8), Just(0x60), any::<u8>()]) {
            if let Some(first) = bytes.first_mut() {
                *first = version;
            }
            let before = Endpoints::parse(&bytes);
            if before.is_some_and(|endpoints| endpoints.source.is_ipv4()) {
                set_source(&mut bytes, SocketAddrV4::new(Ipv4Addr::LOCALHOST, 1));
            }
        }
    }

    fn samples_address(last: u8) -> SocketAddr {
        ([10, 0, 0, last], 5_000).into()
    }

    #[test]
    fn udp_without_a_checksum_stays_without_one() {
        let mut bytes = packet(Transport::Udp, samples_address(1), samples_address(2), b"payload");
        set_word(&mut bytes, 26, 0);
        set_source(&mut bytes, SocketAddrV4::new(Ipv4Addr::new(198, 51, 100, 1), 40_000));
        assert_eq!(word(&bytes, 26), 0);
        assert!(has_valid_checksums(&bytes));
    }

    #[test]
    fn a_udp_checksum_never_becomes_zero() {
        let mut bytes = packet(Transport::Udp, samples_address(1), samples_address(2), b"payload");
        for port in 0..=u16::MAX {
            set_source(&mut bytes, SocketAddrV4::new(Ipv4Addr::new(198, 51, 100, 1), port));
            assert_ne!(word(&bytes, 26), 0, "port {port}");
        }
        assert!(has_valid_checksums(&bytes));
    }

    #[test]
    fn fragments_truncated_packets_and_other_protocols_have_no_endpoints() {
        let good = packet(Transport::Udp, samples_address(1), samples_address(2), b"payload");
        assert!(Endpoints::parse(&good).is_some());
        let changed = |at: usize, value: u8| {
            let mut bytes = good.clone();
            bytes[at] = value;
            bytes
        };
        let (more_fragments, with_offset, echo) = (changed(6, 0x20), changed(7, 1), changed(9, 1));
        for bytes in [&[][..], &good[..27], &more_fragments, &with_offset, &echo, &changed(0, 0x44), &changed(0, 0x55)]
        {
            assert_eq!(Endpoints::parse(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn ipv6_packets_have_endpoints() {
        let (one, other) = ("[3fff::1]:4".parse().unwrap(), "[3fff::2]:5".parse().unwrap());
        let mut bytes = packet(Transport::Tcp, one, other, b"payload");
        let expected = Endpoints { transport: Transport::Tcp, source: one, destination: other };
        assert_eq!(Endpoints::parse(&bytes), Some(expected));
        // Hop-by-hop options, and ICMPv6.
        for next_header in [0, 58] {
            bytes[6] = next_header;
            assert_eq!(Endpoints::parse(&bytes), None);
        }
    }
}
