//! Configuration of a peer: ICE servers, the media that it may send, its data channel, and local addresses.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use hutong_protocol::IceServer;
use rtc::peer_connection::transport::RTCIceServer;
use tokio_rustls::rustls::ClientConfig;

use crate::runtime::{StreamServers, TurnUrl, relay_protocol};

/// Configuration of a [`Peer`](crate::Peer). The default sends no media, has no data channel, and binds to every network
/// interface.
#[derive(Clone, Debug)]
pub struct Config {
    /// STUN and TURN servers, by UDP, TCP and TLS. Of the first 64 URLs, 16 are used at most. Those that nothing can use are
    /// ignored, and servers with a URL, user name or credential of more than 512 bytes.
    pub ice_servers: Vec<IceServer>,
    /// Verifies TURN servers that are reached over TLS. `None` ignores these.
    pub tls: Option<Arc<ClientConfig>>,
    /// Use relayed candidates only (W3C: `iceTransportPolicy: "relay"`).
    pub relay_only: bool,
    /// Whether this side may send audio. It may start and pause at any time without renegotiation.
    pub sends_audio: bool,
    /// Whether this side may send video. It may start and pause at any time without renegotiation.
    pub sends_video: bool,
    /// The data channel, if any.
    pub data_channel: Option<DataChannelConfig>,
    /// Local UDP addresses to bind; port 0 means any free port. The unspecified address stands for all network interfaces of
    /// its family, except loopback and those with only link-local addresses. Addresses that the system lacks are skipped, so
    /// both families may be listed on a host that has one.
    pub bind_addresses: Vec<SocketAddr>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            ice_servers: Vec::new(),
            tls: None,
            relay_only: false,
            sends_audio: false,
            sends_video: false,
            data_channel: None,
            bind_addresses: vec![(Ipv4Addr::UNSPECIFIED, 0).into(), (Ipv6Addr::UNSPECIFIED, 0).into()],
        }
    }
}

/// A pre-negotiated data channel (W3C: `negotiated: true`), reliable and ordered. Both sides open it by themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataChannelConfig {
    /// The channel's label.
    pub label: String,
    /// The channel's stream ID, the same on both sides: 0 to 1023, as in browsers.
    pub id: u16,
}

/// Server URLs of one connection that are used. Each costs a request on every network interface.
const MAX_URLS: usize = 16;

/// Server URLs of one connection that are considered.
const MAX_CONSIDERED_URLS: usize = 64;
/// Limit of a URL, user name or credential in bytes. A host name has 253 at most, a user name in STUN 508 (RFC 8489, section
/// 14.3).
const MAX_TEXT: usize = 512;

/// Translates the servers for the WebRTC library, which supports UDP only: others get a URL that stands for them. Omits URLs that
/// nothing can use, because one that the library cannot parse would fail the whole connection.
pub(crate) fn library_ice_servers(servers: &[IceServer], streams: &StreamServers) -> Vec<RTCIceServer> {
    let urls = servers.iter().flat_map(|server| server.urls.iter().map(move |url| (server, url)));
    let urls = urls.take(MAX_CONSIDERED_URLS).filter(|(server, url)| {
        let mut texts = [Some(*url), server.username.as_ref(), server.credential.as_ref()].into_iter().flatten();
        texts.all(|text| text.len() <= MAX_TEXT)
    });
    let usable = urls.filter_map(|(server, url)| {
        let has_credential = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
        let is_complete = has_credential(&server.username) && has_credential(&server.credential);
        let url = match TurnUrl::parse(url)? {
            TurnUrl::Datagram => url.clone(),
            TurnUrl::Stream { host, port, protocol } => streams.library_url(&host, port, protocol)?,
        };
        (is_complete || !url.starts_with("turn")).then(|| RTCIceServer {
            urls: vec![url],
            username: server.username.clone().unwrap_or_default(),
            credential: server.credential.clone().unwrap_or_default(),
        })
    });
    let usable: Vec<_> = usable.take(MAX_URLS).collect();
    let mut relays = usable.iter().flat_map(|server| &server.urls).filter(|url| url.starts_with("turn"));
    streams.set_has_datagram_relay(relays.any(|url| relay_protocol(url) == "udp"));
    usable
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn server(urls: &[&str]) -> IceServer {
        IceServer {
            urls: urls.iter().map(|url| (*url).to_owned()).collect(),
            username: Some("name".into()),
            credential: Some("secret".into()),
        }
    }

    fn library_urls(servers: &[IceServer]) -> Vec<String> {
        let servers = library_ice_servers(servers, &StreamServers::new(None, Duration::ZERO));
        servers.into_iter().flat_map(|server| server.urls).collect()
    }

    #[test]
    fn urls_over_tcp_are_replaced_and_unusable_ones_omitted() {
        let servers = [
            server(&["turns:a.example", "turn:a.example?transport=tcp", "turn:a.example?transport=udp"]),
            server(&["http://b.example", "", "turn:b.example?transport=sctp", "stuns:b.example"]),
            server(&["stun:c.example"]),
            IceServer { username: None, ..server(&["turn:d.example"]) },
            IceServer { username: None, credential: None, ..server(&["stun:d.example"]) },
        ];
        let expected = [
            "turn:0.tcp.invalid:3478?transport=udp",
            "turn:a.example?transport=udp",
            "stun:c.example",
            "stun:d.example",
        ];
        assert_eq!(library_urls(&servers), expected);
    }

    #[test]
    fn the_number_of_urls_is_limited() {
        let urls: Vec<_> = (0..100).map(|number| format!("turn:{number}.example")).collect();
        let urls: Vec<_> = urls.iter().map(String::as_str).collect();
        assert_eq!(library_urls(&[server(&urls)]).len(), MAX_URLS);
        let each: Vec<_> = urls.iter().map(|url| server(&[url])).collect();
        assert_eq!(library_urls(&each).len(), MAX_URLS);
        let unusable = vec!["stuns:a.example"; MAX_CONSIDERED_URLS];
        assert_eq!(library_urls(&[server(&unusable), server(&["stun:b.example"])]), [""; 0]);
    }

    #[test]
    fn servers_with_too_long_texts_are_ignored() {
        let long = "a".repeat(MAX_TEXT + 1);
        let servers = [
            server(&[&format!("stun:{long}"), "stun:a.example"]),
            IceServer { username: Some(long.clone()), ..server(&["turn:b.example"]) },
            IceServer { credential: Some(long), ..server(&["turn:c.example"]) },
        ];
        assert_eq!(library_urls(&servers), ["stun:a.example"]);
    }
}
