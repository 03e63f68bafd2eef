//! Resolves a server's host and selects the addresses that a connection may use, by transport security.
//!
//! Whether a connection without TLS is allowed depends on the resolved address ([`is_own`]), not on the name: anybody who
//! answers the query for `nas.local` can return any address.

use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use crate::{address::ServerAddress, own_network::is_own};

/// The maximum number of addresses to try for one host. They share the timeout for opening a link.
const MAX_ADDRESSES: usize = 16;

/// The socket addresses that a connection may use, and the certificate check that they need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// Addresses on the own network: plain connections and self-signed certificates are allowed.
    OwnNetwork(Vec<SocketAddr>),
    /// Other addresses: only TLS, with a certificate that a public authority issued.
    Public(Vec<SocketAddr>),
}

/// Error: the server's address is plain, and its host has no address on the own network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("http is permitted on the local network only, and the server has no address there: use https")]
pub struct InsecureRoute;

impl Route {
    /// Selects from the resolved addresses. If the host is on the own network, only its addresses there are used: others
    /// would be reached over the internet.
    ///
    /// # Errors
    ///
    /// [`InsecureRoute`] when the server's address is plain and none of the resolved addresses is on the own network.
    pub fn choose(server: &ServerAddress, resolved: &[SocketAddr]) -> Result<Self, InsecureRoute> {
        let own: Vec<_> = resolved.iter().copied().filter(|address| is_own(address.ip())).take(MAX_ADDRESSES).collect();
        if server.on_own_network() && !own.is_empty() {
            Ok(Self::OwnNetwork(own))
        } else if server.secure() {
            Ok(Self::Public(resolved.iter().copied().take(MAX_ADDRESSES).collect()))
        } else {
            Err(InsecureRoute)
        }
    }
}

/// Resolver of host names: the system's, or a fixed table in tests.
#[derive(Clone, Debug, Default)]
pub enum Resolver {
    /// The system's resolver: hosts file, DNS and, if the system supports it, mDNS for `.local`.
    #[default]
    System,
    /// A fixed table, for tests.
    Fixed(Arc<BTreeMap<String, Vec<IpAddr>>>),
}

impl Resolver {
    /// Resolves the server's host. An IP address is returned as it is.
    ///
    /// # Errors
    ///
    /// The system resolver's error; [`io::ErrorKind::NotFound`] when the host has no address.
    pub async fn resolve(&self, server: &ServerAddress) -> io::Result<Vec<SocketAddr>> {
        let (host, port) = (server.host(), server.port());
        let resolved = match (self, host.parse::<IpAddr>()) {
            (_, Ok(ip)) => vec![SocketAddr::new(ip, port)],
            (Self::System, _) => tokio::net::lookup_host((host.as_str(), port)).await?.collect(),
            (Self::Fixed(names), _) => {
                names.get(&host).into_iter().flatten().map(|ip| SocketAddr::new(*ip, port)).collect()
            }
        };
        if resolved.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(resolved) }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn socket_addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| SocketAddr::new(ip(text), 8017)).collect()
    }

    #[test]
    fn a_plain_connection_uses_addresses_on_the_own_network_only() {
        let cases: [(&str, &[&str], Result<Route, InsecureRoute>); 9] = [
            ("http://nas.local", &["192.168.1.20"], Ok(Route::OwnNetwork(socket_addresses(&["192.168.1.20"])))),
            ("http://nas.local", &["8.8.8.8", "fd00::7"], Ok(Route::OwnNetwork(socket_addresses(&["fd00::7"])))),
            ("http://nas.local", &["8.8.8.8", "2001:db8::1"], Err(InsecureRoute)),
            ("http://nas.local", &["100.64.0.1"], Err(InsecureRoute)),
            ("http://localhost:8017", &["8.8.8.8"], Err(InsecureRoute)),
            ("https://nas.local", &["2001:db8::1", "fe80::7"], Ok(Route::OwnNetwork(socket_addresses(&["fe80::7"])))),
            // Outside the own network a public authority must have issued the certificate.
            ("https://nas.local", &["8.8.8.8"], Ok(Route::Public(socket_addresses(&["8.8.8.8"])))),
            ("https://calls.example", &["8.8.8.8"], Ok(Route::Public(socket_addresses(&["8.8.8.8"])))),
            // A public name needs a public certificate, whatever it resolves to.
            ("https://calls.example", &["10.0.0.7"], Ok(Route::Public(socket_addresses(&["10.0.0.7"])))),
        ];
        for (typed, resolved, expected) in cases {
            let server = ServerAddress::parse(typed).unwrap();
            assert_eq!(Route::choose(&server, &socket_addresses(resolved)), expected, "{typed} {resolved:?}");
        }
    }

    #[tokio::test]
    async fn ip_addresses_resolve_to_themselves_and_unknown_names_are_errors() {
        let resolver = Resolver::Fixed(Arc::new([("nas.local".to_owned(), vec![ip("10.0.0.7")])].into()));
        let resolve = |typed: &str| {
            let server = ServerAddress::parse(typed).unwrap();
            let resolver = resolver.clone();
            async move { resolver.resolve(&server).await }
        };
        assert_eq!(resolve("http://10.0.0.9:8017").await.unwrap(), socket_addresses(&["10.0.0.9"]));
        assert_eq!(resolve("http://nas.local:8017").await.unwrap(), socket_addresses(&["10.0.0.7"]));
        assert_eq!(resolve("http://else.local").await.unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    proptest! {
        #[test]
        fn connections_outside_the_own_network_always_use_tls(typed in "(ws|http|wss|https|)(://)?[a-z0-9.:\\[\\]-]{0,24}(\\.local)?", bits: u32, wide: u128) {
            let Ok(server) = ServerAddress::parse(&typed) else { return Ok(()) };
            let resolved = [SocketAddr::new(Ipv4Addr::from(bits).into(), 1), SocketAddr::new(Ipv6Addr::from(wide).into(), 1)];
            match Route::choose(&server, &resolved) {
                Ok(Route::OwnNetwork(addresses)) => {
                    prop_assert!(!addresses.is_empty() && addresses.iter().all(|address| is_own(address.ip())));
                }
                Ok(Route::Public(_)) => prop_assert!(server.secure()),
                Err(InsecureRoute) => prop_assert!(!server.secure()),
            }
        }

        #[test]
        fn plain_addresses_are_always_on_the_own_network(typed in "\\PC{0,40}") {
            if let Ok(server) = ServerAddress::parse(&typed) {
                prop_assert!(server.secure() || server.on_own_network(), "{} became {}", typed, server);
            }
        }
    }
}
