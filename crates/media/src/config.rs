//! Configuration of a peer: ICE servers, the media that it may send, its data channel, and local addresses.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use hutong_protocol::IceServer;
use rtc::peer_connection::transport::RTCIceServer;

/// Configuration of a [`Peer`](crate::Peer). The default sends no media, has no data channel, and binds to every network
/// interface.
#[derive(Clone, Debug)]
pub struct Config {
    /// STUN and TURN servers. URLs that need TCP or TLS are ignored: the WebRTC library supports neither.
    pub ice_servers: Vec<IceServer>,
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

/// Keeps the server URLs that the WebRTC library supports: one URL that it cannot parse would fail the whole connection.
pub(crate) fn supported_ice_servers(servers: &[IceServer]) -> Vec<RTCIceServer> {
    servers
        .iter()
        .filter_map(|server| {
            let urls: Vec<String> = server.urls.iter().filter(|url| is_supported(url)).cloned().collect();
            (!urls.is_empty()).then(|| RTCIceServer {
                urls,
                username: server.username.clone().unwrap_or_default(),
                credential: server.credential.clone().unwrap_or_default(),
            })
        })
        .collect()
}

fn is_supported(url: &str) -> bool {
    let url = url.to_ascii_lowercase();
    (url.starts_with("stun:") || url.starts_with("turn:")) && !url.contains("transport=tcp")
}

/// The protocol between this side and the relay of a TURN URL (W3C: `RTCIceServerTransportProtocol`).
pub(crate) fn relay_protocol(url: &str) -> &'static str {
    let url = url.to_ascii_lowercase();
    if url.starts_with("turns:") {
        "tls"
    } else if url.contains("transport=tcp") {
        "tcp"
    } else {
        "udp"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(urls: &[&str]) -> IceServer {
        IceServer {
            urls: urls.iter().map(|url| (*url).to_owned()).collect(),
            username: Some("name".into()),
            credential: Some("secret".into()),
        }
    }

    #[test]
    fn urls_with_tcp_or_tls_are_ignored() {
        let servers = [
            server(&["turns:a.example", "turn:a.example?transport=tcp", "turn:a.example?transport=udp"]),
            server(&["turns:b.example"]),
            server(&["stun:c.example"]),
        ];
        let kept: Vec<_> = supported_ice_servers(&servers).into_iter().flat_map(|server| server.urls).collect();
        assert_eq!(kept, ["turn:a.example?transport=udp", "stun:c.example"]);
    }

    #[test]
    fn the_url_of_a_relay_gives_its_protocol() {
        for (url, expected) in [
            ("turn:a.example:3478?transport=udp", "udp"),
            ("turn:a.example", "udp"),
            ("turn:a.example:443?transport=tcp", "tcp"),
            ("turns:a.example:443?transport=tcp", "tls"),
        ] {
            assert_eq!(relay_protocol(url), expected, "{url}");
        }
    }
}
