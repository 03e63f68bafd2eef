//! Where somebody comes from, as far as limits are concerned.

use std::net::{IpAddr, Ipv4Addr};

/// An IPv4 address, or an IPv6 network of 64 bits: what one household or office has at least (RFC 6177, RFC 7934), so that its
/// machines cannot count as many by taking another address each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Site {
    V4(Ipv4Addr),
    V6([u16; 4]),
}

impl Site {
    pub(crate) const fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Self::V6([a, b, c, d])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_network_is_one_and_an_ipv4_address_is_itself_in_both_families() {
        let site = |text: &str| Site::of(text.parse().unwrap());
        assert_eq!(site("2001:db8:1:2::1"), site("2001:db8:1:2:ffff:ffff:ffff:ffff"));
        assert_ne!(site("2001:db8:1:2::1"), site("2001:db8:1:3::1"));
        assert_eq!(site("::ffff:192.0.2.1"), site("192.0.2.1"));
        assert_ne!(site("192.0.2.1"), site("192.0.2.2"));
    }
}
