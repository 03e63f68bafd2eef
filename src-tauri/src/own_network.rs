//! The own network: which IP addresses are loopback, private or link-local.
//!
//! Anybody on the path can read and change a connection without TLS, so plain connections are allowed on the own network
//! only.

use std::net::{IpAddr, Ipv4Addr};

/// Whether an address is on the own network: loopback, private (RFC 1918, RFC 4193) or link-local (RFC 3927, RFC 4291).
///
/// An IPv4-mapped IPv6 address (`::ffff:0:0/96`) counts as its IPv4 address. Shared address space (RFC 6598,
/// 100.64.0.0/10) does not count: a provider's other customers are reachable there.
#[must_use]
pub fn is_own(address: IpAddr) -> bool {
    let v4 = |ip: Ipv4Addr| ip.is_loopback() || ip.is_private() || ip.is_link_local();
    match address.to_canonical() {
        IpAddr::V4(ip) => v4(ip),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use proptest::prelude::*;

    use super::*;

    const OWN: [&str; 17] = [
        "127.0.0.1",
        "127.255.255.254",
        "10.0.0.1",
        "10.255.255.255",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.0.1",
        "192.168.255.255",
        "169.254.0.1",
        "169.254.255.255",
        "::1",
        "fc00::1",
        "fdff:ffff::1",
        "fe80::1",
        "febf::1",
        "::ffff:192.168.1.20",
        "::ffff:127.0.0.1",
    ];

    const NOT_OWN: [&str; 19] = [
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.167.255.255",
        "192.169.0.0",
        "169.253.255.255",
        "169.255.0.0",
        "100.64.0.1",
        "100.127.255.255",
        "0.0.0.0",
        "::",
        "2001:db8::1",
        "fbff::1",
        "fec0::1",
        "fe7f::1",
        "::ffff:8.8.8.8",
        "64:ff9b::a00:1",
    ];

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_own_network_has_the_bounds_of_the_rfcs() {
        for text in OWN {
            assert!(is_own(ip(text)), "{text}");
        }
        for text in NOT_OWN {
            assert!(!is_own(ip(text)), "{text}");
        }
    }

    /// Whether an address is in `prefix/length`.
    fn is_within(ip: Ipv4Addr, prefix: [u8; 4], length: u32) -> bool {
        let mask = u32::MAX << (32 - length);
        u32::from(ip) & mask == u32::from(Ipv4Addr::from(prefix)) & mask
    }

    proptest! {
        #[test]
        fn ipv4_addresses_are_classified_by_prefix(bits: u32) {
            let ip = Ipv4Addr::from(bits);
            let expected = [([127, 0, 0, 0], 8), ([10, 0, 0, 0], 8), ([172, 16, 0, 0], 12), ([192, 168, 0, 0], 16), ([169, 254, 0, 0], 16)]
                .into_iter()
                .any(|(prefix, length)| is_within(ip, prefix, length));
            prop_assert_eq!(is_own(ip.into()), expected);
            prop_assert_eq!(is_own(ip.to_ipv6_mapped().into()), expected);
        }

        #[test]
        fn ipv6_addresses_are_classified_by_prefix(first: u16, rest: [u16; 7]) {
            let [b, c, d, e, f, g, h] = rest;
            let ip = Ipv6Addr::new(first, b, c, d, e, f, g, h);
            prop_assume!(ip.to_ipv4_mapped().is_none());
            let expected = ip == Ipv6Addr::LOCALHOST || first & 0xfe00 == 0xfc00 || first & 0xffc0 == 0xfe80;
            prop_assert_eq!(is_own(ip.into()), expected);
        }
    }
}
