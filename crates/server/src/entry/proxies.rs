//! Proxies that are believed, and whom they speak for.

use std::net::IpAddr;

use hyper::HeaderMap;
use ipnet::IpNet;

use super::forwarded::{self, ProxyHeader};

/// Proxies whose word about an address is taken.
#[derive(Clone, Debug, Default)]
pub(crate) struct Proxies {
    pub networks: Vec<IpNet>,
    pub header: ProxyHeader,
}

impl Proxies {
    pub(crate) fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.iter().any(|network| network.contains(&address))
    }

    /// Whom the peer speaks for: itself, unless it is one of ours. Each proxy writes down whom it heard from, so the first from the
    /// right that is none of ours is the farthest that somebody trusted has seen; what stands left of it is that one's own word.
    pub(crate) fn speaks_for(&self, peer: IpAddr, headers: &HeaderMap) -> Origin {
        let mut nearest = peer.to_canonical();
        if !self.contain(nearest) {
            return Origin::Known(nearest);
        }
        for hop in forwarded::hops(headers, self.header) {
            // It hides all that is left of it.
            let Some(hop) = hop else { return Origin::Behind(nearest) };
            nearest = hop;
            if !self.contain(hop) {
                break;
            }
        }
        Origin::Known(nearest)
    }
}

/// Where a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// From this address.
    Known(IpAddr),
    /// From somewhere behind this one of our proxies, which wrote down nothing that can be read.
    Behind(IpAddr),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_trusted_proxies_wrote_is_believed() {
        let networks = ["127.0.0.0/8", "10.0.0.0/8", "2001:db8::/32"].map(|text| text.parse().unwrap());
        let proxies = Proxies { networks: networks.into(), header: ProxyHeader::XForwardedFor };
        for (peer, header, expected) in [
            // Not one of ours: whatever it says of itself.
            ("192.0.2.1", Some("198.51.100.1"), "192.0.2.1"),
            ("192.0.2.1", None, "192.0.2.1"),
            ("10.0.0.1", None, "10.0.0.1"),
            ("10.0.0.1", Some("198.51.100.1"), "198.51.100.1"),
            ("::ffff:10.0.0.1", Some("198.51.100.1"), "198.51.100.1"),
            ("2001:db8::1", Some("2001:db9::1"), "2001:db9::1"),
            // Two of ours in a row.
            ("127.0.0.1", Some("198.51.100.1, 10.0.0.7"), "198.51.100.1"),
            // A client that says of itself that it is somebody else, or one of ours.
            ("10.0.0.1", Some("203.0.113.9, 198.51.100.1"), "198.51.100.1"),
            ("10.0.0.1", Some("127.0.0.1, 198.51.100.1"), "198.51.100.1"),
            ("10.0.0.1", Some("10.0.0.2, 198.51.100.1, 10.0.0.3"), "198.51.100.1"),
            ("10.0.0.1", Some("10.0.0.2, 10.0.0.3"), "10.0.0.2"),
            ("10.0.0.1", Some("198.51.100.1, nonsense"), "behind 10.0.0.1"),
            ("10.0.0.1", Some("198.51.100.1, nonsense, 10.0.0.3"), "behind 10.0.0.3"),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(value) = header {
                headers.insert("x-forwarded-for", value.parse().unwrap());
            }
            // Passed on by a proxy that does not know it.
            headers.insert("forwarded", "for=203.0.113.200".parse().unwrap());
            let origin = proxies.speaks_for(peer.parse().unwrap(), &headers);
            let expected = match expected.strip_prefix("behind ") {
                Some(proxy) => Origin::Behind(proxy.parse().unwrap()),
                None => Origin::Known(expected.parse().unwrap()),
            };
            assert_eq!(origin, expected, "{peer} {header:?}");
        }
    }
}
