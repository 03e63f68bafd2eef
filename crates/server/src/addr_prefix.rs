//! The key by which limits count a client: its IPv4 address or its IPv6 /64 prefix.

use std::net::{IpAddr, Ipv4Addr};

/// An IPv4 address, or the first 64 bits of an IPv6 address.
///
/// A household or office has at least a /64 (RFC 6177, RFC 7934). Counting single IPv6 addresses would let one machine
/// evade every limit by changing its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum AddrPrefix {
    V4(Ipv4Addr),
    V6([u16; 4]),
}

impl AddrPrefix {
    pub(crate) const fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Self::V6([a, b, c, d])
            }
        }
    }

    /// A number for the prefix. Those of IPv4 do not occur among IPv6 prefixes in use: `::/32` is reserved (RFC 4291).
    pub(crate) fn to_number(self) -> u64 {
        match self {
            Self::V4(address) => address.to_bits().into(),
            Self::V6(groups) => groups.into_iter().fold(0, |number, group| (number << 16) | u64::from(group)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv6_addresses_of_one_64_bit_prefix_share_a_key_and_ipv4_addresses_do_not() {
        let prefix = |text: &str| AddrPrefix::of(text.parse().unwrap());
        assert_eq!(prefix("2001:db8:1:2::1"), prefix("2001:db8:1:2:ffff:ffff:ffff:ffff"));
        assert_ne!(prefix("2001:db8:1:2::1"), prefix("2001:db8:1:3::1"));
        assert_eq!(prefix("::ffff:192.0.2.1"), prefix("192.0.2.1"));
        assert_ne!(prefix("192.0.2.1"), prefix("192.0.2.2"));
        for one in ["2001:db8:1:2::1", "2001:db8:1:3::1", "192.0.2.1", "192.0.2.2"] {
            for other in ["2001:db8:1:2::9", "2001:db8:1:3::9", "192.0.2.1", "192.0.2.2"] {
                assert_eq!(prefix(one) == prefix(other), prefix(one).to_number() == prefix(other).to_number());
            }
        }
    }
}
