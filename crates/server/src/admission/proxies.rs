//! Trusted proxies, and the client address that they vouch for.

use std::net::IpAddr;

use hyper::HeaderMap;
use ipnet::IpNet;

use super::forwarded::{self, ProxyHeader};

/// Networks of the trusted proxies, and the header in which they record client addresses.
#[derive(Clone, Debug, Default)]
pub(crate) struct TrustedProxies {
    pub networks: Vec<IpNet>,
    pub header: ProxyHeader,
}

impl TrustedProxies {
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.iter().any(|network| network.contains(&address))
    }

    /// Resolves the client address of a request: the peer itself, unless the peer is a trusted proxy.
    ///
    /// Each proxy appends the address of its own peer. The rightmost entry that is not a trusted proxy is therefore the
    /// farthest address that a trusted party has seen; entries left of it may be forged.
    pub(crate) fn resolve(&self, peer: IpAddr, headers: &HeaderMap) -> ResolvedAddr {
        let mut nearest = peer.to_canonical();
        if !self.contains(nearest) {
            return ResolvedAddr::Client(nearest);
        }
        for hop in forwarded::hops(headers, self.header) {
            let Some(hop) = hop else { return ResolvedAddr::BehindProxy(nearest) };
            nearest = hop;
            if !self.contains(hop) {
                break;
            }
        }
        ResolvedAddr::Client(nearest)
    }
}

/// Client address of a request, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResolvedAddr {
    /// The address of the client.
    Client(IpAddr),
    /// The address of a trusted proxy that recorded no readable client address.
    BehindProxy(IpAddr),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_that_trusted_proxies_recorded_are_believed() {
        let networks = ["127.0.0.0/8", "10.0.0.0/8", "2001:db8::/32"].map(|text| text.parse().unwrap());
        let proxies = TrustedProxies { networks: networks.into(), header: ProxyHeader::XForwardedFor };
        for (peer, header, expected) in [
            // The peer is not a trusted proxy, so its header is ignored.
            ("192.0.2.1", Some("198.51.100.1"), "192.0.2.1"),
            ("192.0.2.1", None, "192.0.2.1"),
            ("10.0.0.1", None, "10.0.0.1"),
            ("10.0.0.1", Some("198.51.100.1"), "198.51.100.1"),
            ("::ffff:10.0.0.1", Some("198.51.100.1"), "198.51.100.1"),
            ("2001:db8::1", Some("2001:db9::1"), "2001:db9::1"),
            // A chain of two trusted proxies.
            ("127.0.0.1", Some("198.51.100.1, 10.0.0.7"), "198.51.100.1"),
            // The client forged entries, one of them a trusted address.
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
            // A forged header of the other kind, which the proxy passed through.
            headers.insert("forwarded", "for=203.0.113.200".parse().unwrap());
            let resolved = proxies.resolve(peer.parse().unwrap(), &headers);
            let expected = match expected.strip_prefix("behind ") {
                Some(proxy) => ResolvedAddr::BehindProxy(proxy.parse().unwrap()),
                None => ResolvedAddr::Client(expected.parse().unwrap()),
            };
            assert_eq!(resolved, expected, "{peer} {header:?}");
        }
    }
}
