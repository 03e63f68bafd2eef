//! What counts as the own network, and which of a host's addresses a connection may take.
//!
//! Without TLS everybody on the way can read and change what is said, so plain connections go no further than the own network.
//! A name alone does not decide that: whoever answers for `nas.local` may say any address, so it is the address that counts.

use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use crate::address::Address;

/// The addresses of one host that are tried at most. Each takes its share of the time for opening.
const TRIED: usize = 16;

/// Whether this address is this computer itself or one on the own network: loopback, private (RFC 1918, RFC 4193) or
/// link-local (RFC 3927, RFC 4291). An IPv4 address in IPv6 clothes (`::ffff:0:0/96`) counts as what it is.
///
/// The shared addresses of RFC 6598 (100.64.0.0/10) do not count: behind them are a provider's other customers.
#[must_use]
pub fn is_own(address: IpAddr) -> bool {
    let v4 = |ip: Ipv4Addr| ip.is_loopback() || ip.is_private() || ip.is_link_local();
    match address.to_canonical() {
        IpAddr::V4(ip) => v4(ip),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

/// Where a connection to a server may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// To these, which are on the own network: plain, or with a certificate that no authority vouches for.
    Own(Vec<SocketAddr>),
    /// To these, with a certificate that a public authority vouches for.
    Public(Vec<SocketAddr>),
}

/// The address is a plain one, and its host is not on the own network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

    fn places(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| SocketAddr::new(ip(text), 8017)).collect()
    }

    #[test]
    fn the_own_network_ends_where_the_standards_say() {
        for text in OWN {
            assert!(is_own(ip(text)), "{text}");
        }
        for text in NOT_OWN {
            assert!(!is_own(ip(text)), "{text}");
        }
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

    /// Prefix and length, as the standards write them.
    fn is_within(ip: Ipv4Addr, prefix: [u8; 4], length: u32) -> bool {
        let mask = u32::MAX << (32 - length);
        u32::from(ip) & mask == u32::from(Ipv4Addr::from(prefix)) & mask
    }

    proptest! {
        #[test]
        fn every_ipv4_address_is_judged_by_its_prefix(bits: u32) {
            let ip = Ipv4Addr::from(bits);
            let expected = [([127, 0, 0, 0], 8), ([10, 0, 0, 0], 8), ([172, 16, 0, 0], 12), ([192, 168, 0, 0], 16), ([169, 254, 0, 0], 16)]
                .into_iter()
                .any(|(prefix, length)| is_within(ip, prefix, length));
            prop_assert_eq!(is_own(ip.into()), expected);
            prop_assert_eq!(is_own(ip.to_ipv6_mapped().into()), expected);
        }

        #[test]
        fn every_ipv6_address_is_judged_by_its_prefix(first: u16, rest: [u16; 7]) {
            let [b, c, d, e, f, g, h] = rest;
            let ip = Ipv6Addr::new(first, b, c, d, e, f, g, h);
            prop_assume!(ip.to_ipv4_mapped().is_none());
            let expected = ip == Ipv6Addr::LOCALHOST || first & 0xfe00 == 0xfc00 || first & 0xffc0 == 0xfe80;
            prop_assert_eq!(is_own(ip.into()), expected);
        }

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
