//! The keys by which limits count a client: its IPv4 address or IPv6 /64, and beside the latter its IPv6 /48.

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

/// The first 48 bits of an IPv6 address: a site (RFC 6177).
///
/// A provider sells a /48 to anybody, and it contains 65,536 prefixes of 64 bits. It may also contain thousands of phones, each
/// with its own /64. So a site has limits of its own, which are several times those of a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct SitePrefix([u16; 3]);

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

    /// A number for the IPv4 address, or for the site of the IPv6 prefix. Those of IPv4 do not occur among sites in use: `::/16` is
    /// reserved (RFC 4291).
    pub(crate) fn origin_number(self) -> u64 {
        match self {
            Self::V4(address) => address.to_bits().into(),
            Self::V6([a, b, c, _]) => [a, b, c].into_iter().fold(0, |number, group| (number << 16) | u64::from(group)),
        }
    }

    /// The site of an IPv6 prefix. `None` for an IPv4 address: IPv4 addresses are scarce, so they have one tier.
    pub(crate) const fn site(self) -> Option<SitePrefix> {
        match self {
            Self::V4(_) => None,
            Self::V6([a, b, c, _]) => Some(SitePrefix([a, b, c])),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> AddrPrefix {
        AddrPrefix::of(text.parse().unwrap())
    }

    #[test]
    fn ipv6_addresses_of_one_64_bit_prefix_share_a_key_and_ipv4_addresses_do_not() {
        assert_eq!(prefix("2001:db8:1:2::1"), prefix("2001:db8:1:2:ffff:ffff:ffff:ffff"));
        assert_ne!(prefix("2001:db8:1:2::1"), prefix("2001:db8:1:3::1"));
        assert_eq!(prefix("::ffff:192.0.2.1"), prefix("192.0.2.1"));
        assert_ne!(prefix("192.0.2.1"), prefix("192.0.2.2"));
        for one in ["2001:db8:1:2::1", "2001:db8:2:2::1", "192.0.2.1", "192.0.2.2"] {
            for other in ["2001:db8:1:3::9", "2001:db8:2:3::9", "192.0.2.1", "192.0.2.2"] {
                let is_same = one == other || prefix(one).site().is_some_and(|site| prefix(other).site() == Some(site));
                assert_eq!(is_same, prefix(one).origin_number() == prefix(other).origin_number(), "{one} {other}");
            }
        }
    }

    #[test]
    fn ipv6_prefixes_of_one_48_bit_site_share_a_site_and_ipv4_addresses_have_none() {
        assert_eq!(prefix("2001:db8:1::").site(), prefix("2001:db8:1:ffff::").site());
        assert_ne!(prefix("2001:db8:1::").site(), prefix("2001:db8:2::").site());
        assert_eq!(prefix("192.0.2.1").site(), None);
        assert_eq!(prefix("::ffff:192.0.2.1").site(), None);
    }
}
