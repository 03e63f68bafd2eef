//! Which addresses may be a peer's.

use std::net::{IpAddr, SocketAddr};

/// Port of mDNS (RFC 6762, section 3). The WebRTC library takes every packet from or to it for mDNS.
pub(crate) const MDNS_PORT: u16 = 5_353;

/// Whether packets to an address reach one host at most: it is neither unspecified nor multicast nor broadcast, and has a port.
pub(crate) fn is_unicast(address: SocketAddr) -> bool {
    let ip = address.ip().to_canonical();
    let is_broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
    address.port() != 0 && !ip.is_unspecified() && !ip.is_multicast() && !is_broadcast
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn group_addresses_and_incomplete_ones_are_not_unicast() {
        for (address, expected) in [
            ("192.0.2.7:5000", true),
            ("127.0.0.1:5000", true),
            ("[2001:db8::7]:5000", true),
            ("[::ffff:192.0.2.7]:5000", true),
            ("192.0.2.7:0", false),
            ("0.0.0.0:5000", false),
            ("[::]:5000", false),
            ("224.0.0.251:5353", false),
            ("239.1.2.3:5000", false),
            ("[ff02::fb]:5000", false),
            ("255.255.255.255:5000", false),
            ("[::ffff:224.0.0.251]:5000", false),
            ("[::ffff:0.0.0.0]:5000", false),
        ] {
            assert_eq!(is_unicast(address.parse().unwrap()), expected, "{address}");
        }
    }
}
