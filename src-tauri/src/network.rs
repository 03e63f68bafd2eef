//! Resolves a server's host, and picks those of its addresses that a connection may take.
//!
//! A name alone does not decide whether a plain connection is allowed: whoever answers for `nas.local` may say any address, so
//! the address decides ([`is_own`]).

use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use crate::{address::Address, own_network::is_own};

/// The addresses of one host that are tried at most. Each takes its share of the time for opening.
const TRIED: usize = 16;

/// Where a connection to a server may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// To these, which are on the own network: plain, or with a certificate that no authority vouches for.
    Own(Vec<SocketAddr>),
    /// To these, with a certificate that a public authority vouches for.
    Public(Vec<SocketAddr>),
}

/// The address is a plain one, and its host is not on the own network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a plain address leads out of the own network")]
pub struct NotSecure;

impl Way {
    /// Decides by what the host's name turned out to mean. Where a name of the own network has addresses in it, they alone are
    /// taken: what else it has would be reached over the internet.
    ///
    /// # Errors
    ///
    /// [`NotSecure`] where no address may be spoken to without TLS.
    pub fn to(server: &Address, found: &[SocketAddr]) -> Result<Self, NotSecure> {
        let own: Vec<_> = found.iter().copied().filter(|place| is_own(place.ip())).take(TRIED).collect();
        if server.on_own_network() && !own.is_empty() {
            Ok(Self::Own(own))
        } else if server.secure() {
            Ok(Self::Public(found.iter().copied().take(TRIED).collect()))
        } else {
            Err(NotSecure)
        }
    }
}

/// What tells the addresses of a host.
#[derive(Clone, Debug, Default)]
pub enum Names {
    /// The system's resolver, with whatever it asks: hosts file, DNS, and for `.local` mDNS where the system does that.
    #[default]
    System,
    /// These names and no others, for tests.
    Only(Arc<BTreeMap<String, Vec<IpAddr>>>),
}

impl Names {
    /// The addresses of this server's host. An address that is written out is taken as it is.
    ///
    /// # Errors
    ///
    /// What the system says; [`io::ErrorKind::NotFound`] where there is none.
    pub async fn of(&self, server: &Address) -> io::Result<Vec<SocketAddr>> {
        let (host, port) = (server.host(), server.port());
        let found = match (self, host.parse::<IpAddr>()) {
            (_, Ok(ip)) => vec![SocketAddr::new(ip, port)],
            (Self::System, _) => tokio::net::lookup_host((host.as_str(), port)).await?.collect(),
            (Self::Only(names), _) => {
                names.get(&host).into_iter().flatten().map(|ip| SocketAddr::new(*ip, port)).collect()
            }
        };
        if found.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(found) }
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

    fn places(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| SocketAddr::new(ip(text), 8017)).collect()
    }

    #[test]
    fn a_plain_connection_takes_the_addresses_of_the_own_network_and_no_others() {
        let cases: [(&str, &[&str], Result<Way, NotSecure>); 9] = [
            ("http://nas.local", &["192.168.1.20"], Ok(Way::Own(places(&["192.168.1.20"])))),
            ("http://nas.local", &["8.8.8.8", "fd00::7"], Ok(Way::Own(places(&["fd00::7"])))),
            ("http://nas.local", &["8.8.8.8", "2001:db8::1"], Err(NotSecure)),
            ("http://nas.local", &["100.64.0.1"], Err(NotSecure)),
            ("http://localhost:8017", &["8.8.8.8"], Err(NotSecure)),
            ("https://nas.local", &["2001:db8::1", "fe80::7"], Ok(Way::Own(places(&["fe80::7"])))),
            // An authority has to vouch for whoever is out there.
            ("https://nas.local", &["8.8.8.8"], Ok(Way::Public(places(&["8.8.8.8"])))),
            ("https://calls.example", &["8.8.8.8"], Ok(Way::Public(places(&["8.8.8.8"])))),
            // A public name stays one, wherever it leads.
            ("https://calls.example", &["10.0.0.7"], Ok(Way::Public(places(&["10.0.0.7"])))),
        ];
        for (typed, found, expected) in cases {
            let server = Address::parse(typed).unwrap();
            assert_eq!(Way::to(&server, &places(found)), expected, "{typed} {found:?}");
        }
    }

    #[tokio::test]
    async fn a_written_address_is_itself_and_an_unknown_name_is_an_error() {
        let names = Names::Only(Arc::new([("nas.local".to_owned(), vec![ip("10.0.0.7")])].into()));
        let of = |typed: &str| {
            let server = Address::parse(typed).unwrap();
            let names = names.clone();
            async move { names.of(&server).await }
        };
        assert_eq!(of("http://10.0.0.9:8017").await.unwrap(), places(&["10.0.0.9"]));
        assert_eq!(of("http://nas.local:8017").await.unwrap(), places(&["10.0.0.7"]));
        assert_eq!(of("http://else.local").await.unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    proptest! {
        #[test]
        fn nothing_outside_the_own_network_is_spoken_to_in_the_clear(typed in "(ws|http|wss|https|)(://)?[a-z0-9.:\\[\\]-]{0,24}(\\.local)?", bits: u32, wide: u128) {
            let Ok(server) = Address::parse(&typed) else { return Ok(()) };
            let found = [SocketAddr::new(Ipv4Addr::from(bits).into(), 1), SocketAddr::new(Ipv6Addr::from(wide).into(), 1)];
            match Way::to(&server, &found) {
                Ok(Way::Own(places)) => prop_assert!(!places.is_empty() && places.iter().all(|place| is_own(place.ip()))),
                Ok(Way::Public(_)) => prop_assert!(server.secure()),
                Err(NotSecure) => prop_assert!(!server.secure()),
            }
        }

        #[test]
        fn whatever_is_typed_a_plain_address_is_of_the_own_network(typed in "\\PC{0,40}") {
            if let Ok(server) = Address::parse(&typed) {
                prop_assert!(server.secure() || server.on_own_network(), "{} became {}", typed, server);
            }
        }
    }
}
