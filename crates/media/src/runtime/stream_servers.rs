//! TURN servers that are reached over TCP or TLS, under the names and addresses that stand for them in the WebRTC library.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rtc::ice::url::{ProtoType, SchemeType, Url};
use tokio_rustls::rustls::ClientConfig;

/// Top-level domain of the names that stand for servers (RFC 6761, section 6.4: it never exists).
const DOMAIN: &str = ".invalid";

/// Servers of one connection.
const MAX_SERVERS: usize = 16;

/// Addresses that stand for servers. Each network change may resolve a name to other ones; then those stay unreachable until
/// the next call.
const MAX_ADDRESSES: usize = 256;

/// Addresses of a server that are tried for one stream.
const MAX_ATTEMPTS: usize = 4;

/// Protocol below TURN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamProtocol {
    Tcp,
    Tls,
}

impl StreamProtocol {
    /// As in the names that stand for servers; the W3C's `RTCIceServerTransportProtocol`.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        }
    }
}

/// A server URL of a peer's configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TurnUrl {
    /// The library uses it as it is.
    Datagram,
    /// TURN over a stream.
    Stream { host: String, port: u16, protocol: StreamProtocol },
}

impl TurnUrl {
    /// Parses a URL (RFC 7064, RFC 7065). `None` if nothing can use it.
    pub fn parse(url: &str) -> Option<Self> {
        let url = Url::parse_url(url).ok()?;
        let stream = |protocol| Some(Self::Stream { host: url.host.clone(), port: url.port, protocol });
        match (url.scheme, url.proto) {
            (SchemeType::Stun, _) | (SchemeType::Turn, ProtoType::Udp) => Some(Self::Datagram),
            (SchemeType::Turn, ProtoType::Tcp) => stream(StreamProtocol::Tcp),
            (SchemeType::Turns, ProtoType::Tcp) => stream(StreamProtocol::Tls),
            // DTLS, and STUN over TLS, which no server here offers.
            _ => None,
        }
    }
}

/// The protocol between this side and the relay of a URL, as the library writes it (W3C: `RTCIceServerTransportProtocol`).
pub(crate) fn relay_protocol(url: &str) -> &'static str {
    let host = url.split(':').nth(1).unwrap_or_default();
    match host.strip_suffix(DOMAIN).and_then(|name| name.split_once('.')) {
        Some((_, "tcp")) => "tcp",
        Some((_, "tls")) => "tls",
        _ => "udp",
    }
}

/// How much later than by UDP a TURN server is reached by TCP or TLS, if both are possible. The library prefers none of its relayed
/// candidates, so the first one wins, and media is better off without a stream.
const DATAGRAM_HEAD_START: Duration = Duration::from_millis(300);

/// Table of the servers, shared by a connection's runtime and sockets. A clone is the same table.
#[derive(Clone)]
pub(crate) struct StreamServers {
    table: Arc<Mutex<Table>>,
    tls: Option<Arc<ClientConfig>>,
    /// How long relayed candidates are held back.
    relay_delay: Duration,
}

#[derive(Default)]
struct Table {
    has_datagram_relay: bool,
    servers: Vec<StreamServer>,
    /// The server and its real address, for each address that stands for it.
    addresses: Vec<(usize, SocketAddr)>,
}

#[derive(Clone, PartialEq, Eq)]
struct StreamServer {
    host: String,
    port: u16,
    protocol: StreamProtocol,
}

/// What a stream is opened to.
#[derive(Clone)]
pub(super) struct StreamTarget {
    /// Its addresses of one family, at least one, in the order in which to try them.
    pub addresses: Vec<SocketAddr>,
    pub security: StreamSecurity,
    /// How long to wait before connecting.
    pub delay: Duration,
}

/// Security of a stream.
#[derive(Clone)]
pub(super) enum StreamSecurity {
    /// TCP alone. Media is encrypted from end to end.
    Plain,
    /// TLS, for which the server must prove this name.
    Tls { config: Arc<ClientConfig>, host: String },
}

impl StreamServers {
    /// An empty table. Servers over TLS need a configuration to verify them. Relayed candidates are held back for `relay_delay`.
    pub fn new(tls: Option<Arc<ClientConfig>>, relay_delay: Duration) -> Self {
        Self { table: Arc::default(), tls, relay_delay }
    }

    /// Sets whether a TURN server is reached by UDP, too.
    pub fn set_has_datagram_relay(&self, has_datagram_relay: bool) {
        self.lock().has_datagram_relay = has_datagram_relay;
    }

    /// How long a relayed candidate is held back after it was gathered, by the URL of its server in the library.
    pub fn candidate_delay(&self, url: &str) -> Duration {
        let waited = if relay_protocol(url) == "udp" { Duration::ZERO } else { self.connect_delay(&self.lock()) };
        self.relay_delay.saturating_sub(waited)
    }

    fn connect_delay(&self, table: &Table) -> Duration {
        if table.has_datagram_relay { self.relay_delay + DATAGRAM_HEAD_START } else { Duration::ZERO }
    }

    /// The URL that stands for a server in the library. `None` if it cannot be used: without a TLS configuration, or beyond 16.
    pub fn library_url(&self, host: &str, port: u16, protocol: StreamProtocol) -> Option<String> {
        if protocol == StreamProtocol::Tls && self.tls.is_none() {
            return None;
        }
        let server = StreamServer { host: host.to_owned(), port, protocol };
        let mut table = self.lock();
        let known = table.servers.iter().position(|known| *known == server);
        let number = match known {
            Some(number) => number,
            None if table.servers.len() < MAX_SERVERS => {
                table.servers.push(server);
                table.servers.len() - 1
            }
            None => return None,
        };
        Some(format!("turn:{number}.{}{DOMAIN}:{port}?transport=udp", protocol.as_str()))
    }

    /// The host and port of the server for which a name and port stand.
    pub(super) fn real_host(&self, text: &str) -> Option<(String, u16)> {
        let table = self.lock();
        let server = table.servers.get(server_number(text)?)?;
        Some((server.host.clone(), server.port))
    }

    /// The address that stands for a server's real one.
    pub(super) fn assign(&self, text: &str, real: SocketAddr) -> Option<SocketAddr> {
        let server = server_number(text)?;
        let mut table = self.lock();
        let known = table.addresses.iter().position(|known| *known == (server, real));
        let index = match known {
            Some(index) => index,
            None if table.addresses.len() < MAX_ADDRESSES => {
                table.addresses.push((server, real));
                table.addresses.len() - 1
            }
            None => return None,
        };
        standing_for(index, real)
    }

    /// The server for which an address stands. `None` for other addresses.
    pub(super) fn target(&self, address: SocketAddr) -> Option<StreamTarget> {
        let index = index_of(address.ip())?;
        let table = self.lock();
        let (number, real) = *table.addresses.get(index)?;
        // Of the addresses of this form, only those that the library was given: the other side may signal others as candidates.
        if standing_for(index, real) != Some(address) {
            return None;
        }
        let server = table.servers.get(number)?;
        let others = table.addresses.iter().filter(|(other, also)| *other == number && *also != real);
        let others = others.map(|(_, also)| *also).filter(|also| also.is_ipv4() == real.is_ipv4());
        let addresses = [real].into_iter().chain(others).take(MAX_ATTEMPTS).collect();
        let security = match (server.protocol, &self.tls) {
            (StreamProtocol::Tcp, _) => StreamSecurity::Plain,
            (StreamProtocol::Tls, Some(config)) => {
                StreamSecurity::Tls { config: config.clone(), host: server.host.clone() }
            }
            (StreamProtocol::Tls, None) => return None,
        };
        Some(StreamTarget { addresses, security, delay: self.connect_delay(&table) })
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for StreamServers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamServers").field("servers", &self.lock().servers.len()).finish_non_exhaustive()
    }
}

/// The number in a name such as `3.tls.invalid:443`.
fn server_number(text: &str) -> Option<usize> {
    let (name, _) = text.rsplit_once(':')?;
    let (number, _) = name.strip_suffix(DOMAIN)?.split_once('.')?;
    number.parse().ok()
}

/// An address that no host has: of the reserved IPv4 block 240.0.0.0/4 (RFC 1112, section 4), or the IPv6 discard prefix
/// `100::/64` (RFC 6666), there beside the address that servers use.
fn standing_for(index: usize, real: SocketAddr) -> Option<SocketAddr> {
    let index = u16::try_from(index).ok()?;
    let [high, low] = index.to_be_bytes();
    let address: IpAddr = match real {
        SocketAddr::V4(_) => Ipv4Addr::new(240, 0, high, low).into(),
        SocketAddr::V6(_) => Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 1, index).into(),
    };
    Some(SocketAddr::new(address, real.port()))
}

/// The index of [`standing_for`].
fn index_of(address: IpAddr) -> Option<usize> {
    match address {
        IpAddr::V4(address) => match address.octets() {
            [240, 0, high, low] => Some(usize::from(u16::from_be_bytes([high, low]))),
            _ => None,
        },
        IpAddr::V6(address) => match address.segments() {
            [0x100, 0, 0, 0, 0, 0, 1, index] => Some(usize::from(index)),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(host: &str, port: u16, protocol: StreamProtocol) -> Option<TurnUrl> {
        Some(TurnUrl::Stream { host: host.into(), port, protocol })
    }

    #[test]
    fn urls_are_sorted_by_what_carries_them() {
        use StreamProtocol::{Tcp, Tls};
        for (url, expected) in [
            ("stun:a.example", Some(TurnUrl::Datagram)),
            ("turn:a.example", Some(TurnUrl::Datagram)),
            ("turn:a.example:443?transport=udp", Some(TurnUrl::Datagram)),
            ("turn:a.example:443?transport=tcp", stream("a.example", 443, Tcp)),
            ("turns:a.example", stream("a.example", 5_349, Tls)),
            ("turns:[2001:db8::1]:443?transport=tcp", stream("2001:db8::1", 443, Tls)),
            ("turns:a.example?transport=udp", None),
            ("stuns:a.example", None),
            ("http://a.example", None),
            ("turn:", None),
            ("", None),
        ] {
            assert_eq!(TurnUrl::parse(url), expected, "{url}");
        }
    }

    #[test]
    fn a_server_is_found_by_the_name_and_the_address_that_stand_for_it() {
        let servers = StreamServers::new(None, Duration::ZERO);
        let first = servers.library_url("a.example", 443, StreamProtocol::Tcp).unwrap();
        assert_eq!(first, "turn:0.tcp.invalid:443?transport=udp");
        assert_eq!(servers.library_url("a.example", 443, StreamProtocol::Tcp), Some(first.clone()));
        assert_eq!(servers.library_url("a.example", 443, StreamProtocol::Tls), None, "nothing could verify it");
        assert_eq!(relay_protocol(&first), "tcp");
        assert_eq!(servers.real_host("0.tcp.invalid:443"), Some(("a.example".into(), 443)));
        for (real, expected) in [("192.0.2.7:443", "240.0.0.0:443"), ("[2001:db8::7]:443", "[100::1:1]:443")] {
            let (real, expected): (SocketAddr, SocketAddr) = (real.parse().unwrap(), expected.parse().unwrap());
            for _ in 0..2 {
                assert_eq!(servers.assign("0.tcp.invalid:443", real), Some(expected));
            }
            assert_eq!(servers.target(expected).map(|target| target.addresses), Some(vec![real]));
        }
        for other in [
            "192.0.2.7:443",
            "240.0.0.9:443",
            "240.1.0.0:443",
            "240.0.0.0:444",
            "240.0.0.1:443",
            "[100::1:0]:443",
            "[100::1]:443",
            "[2001:db8::7]:443",
        ] {
            assert!(servers.target(other.parse().unwrap()).is_none(), "{other}");
        }
        for other in ["1.tcp.invalid:443", "a.example:443", "0.tcp.invalid", "x.tcp.invalid:1", "invalid:1"] {
            assert_eq!(servers.real_host(other), None, "{other}");
        }
    }

    #[test]
    fn candidates_over_streams_come_after_those_over_datagrams() {
        let delay = Duration::from_millis(500);
        let servers = StreamServers::new(None, delay);
        let stream = servers.library_url("a.example", 443, StreamProtocol::Tcp).unwrap();
        let address = servers.assign("0.tcp.invalid:443", "192.0.2.7:443".parse().unwrap()).unwrap();
        for (has_datagram_relay, connect_after, report_after) in
            [(false, Duration::ZERO, delay), (true, delay + DATAGRAM_HEAD_START, Duration::ZERO)]
        {
            servers.set_has_datagram_relay(has_datagram_relay);
            assert_eq!(servers.target(address).map(|target| target.delay), Some(connect_after));
            assert_eq!(servers.candidate_delay(&stream), report_after);
            assert_eq!(servers.candidate_delay("turn:a.example:443?transport=udp"), delay);
        }
    }

    #[test]
    fn a_stream_tries_all_addresses_of_a_family() {
        let servers = StreamServers::new(None, Duration::ZERO);
        servers.library_url("a.example", 443, StreamProtocol::Tcp).unwrap();
        let real: Vec<SocketAddr> =
            ["192.0.2.7:443", "[2001:db8::7]:443", "192.0.2.8:443"].map(|text| text.parse().unwrap()).into();
        let assigned: Vec<_> = real.iter().map(|real| servers.assign("0.tcp.invalid:443", *real).unwrap()).collect();
        for (index, expected) in [(0, vec![real[0], real[2]]), (1, vec![real[1]]), (2, vec![real[2], real[0]])] {
            assert_eq!(servers.target(assigned[index]).map(|target| target.addresses), Some(expected));
        }
    }

    #[test]
    fn the_number_of_servers_and_addresses_is_limited() {
        let servers = StreamServers::new(None, Duration::ZERO);
        let urls = (0..100).filter_map(|port| servers.library_url("a.example", port, StreamProtocol::Tcp)).count();
        assert_eq!(urls, MAX_SERVERS);
        let real = |port| SocketAddr::from(([192, 0, 2, 7], port));
        let addresses = (0..1_000).filter_map(|port| servers.assign("0.tcp.invalid:443", real(port))).count();
        assert_eq!(addresses, MAX_ADDRESSES);
    }

    #[test]
    fn the_url_of_a_relay_gives_its_protocol() {
        for (url, expected) in [
            ("turn:a.example:3478?transport=udp", "udp"),
            ("turn:0.tcp.invalid:443?transport=udp", "tcp"),
            ("turn:11.tls.invalid:443?transport=udp", "tls"),
            ("turn:[2001:db8::1]:443?transport=udp", "udp"),
            ("", "udp"),
        ] {
            assert_eq!(relay_protocol(url), expected, "{url}");
        }
    }
}
