//! What a peer is made with.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use hutong_protocol::IceServer;
use rtc::peer_connection::transport::RTCIceServer;

/// What a peer is made with. [`Config::default`] sends nothing, has no data channel, and listens on every network interface.
#[derive(Clone, Debug)]
pub struct Config {
    /// STUN and TURN servers. URLs that ask for TCP or TLS are passed over.
    pub ice_servers: Vec<IceServer>,
    /// Whether only paths over the TURN servers are used (`iceTransportPolicy: "relay"` in the W3C's words).
    pub relay_only: bool,
    /// Whether this side may send voice. It may begin at any time, and pause, without another negotiation.
    pub voice: bool,
    /// Whether this side may send a picture. It may begin at any time, and pause, without another negotiation.
    pub video: bool,
    /// The data channel, if there is one.
    pub channel: Option<Channel>,
    /// Local UDP addresses to listen on; port 0 means any free one. The unspecified address means all network interfaces of
    /// its family but loopback and those with link-local addresses alone. An address that the system does not have is passed
    /// over, so that both families may be named where there is one.
    pub addresses: Vec<SocketAddr>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            ice_servers: Vec::new(),
            relay_only: false,
            voice: false,
            video: false,
            channel: None,
            addresses: vec![(Ipv4Addr::UNSPECIFIED, 0).into(), (Ipv6Addr::UNSPECIFIED, 0).into()],
        }
    }
}

/// A data channel that both sides open by themselves (`negotiated` in the W3C's words), reliable and in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// Its label.
    pub label: String,
    /// Its number, the same on both sides. From 0 to 1023, as in browsers.
    pub number: u16,
}

/// The servers that the library can talk to. A single URL that it cannot parse would fail the whole connection.
pub(crate) fn usable(servers: &[IceServer]) -> Vec<RTCIceServer> {
    servers
        .iter()
        .filter_map(|server| {
            let urls: Vec<String> = server.urls.iter().filter(|url| is_usable(url)).cloned().collect();
            (!urls.is_empty()).then(|| RTCIceServer {
                urls,
                username: server.username.clone().unwrap_or_default(),
                credential: server.credential.clone().unwrap_or_default(),
            })
        })
        .collect()
}

fn is_usable(url: &str) -> bool {
    let url = url.to_ascii_lowercase();
    (url.starts_with("stun:") || url.starts_with("turn:")) && !url.contains("transport=tcp")
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
    fn tcp_and_tls_are_passed_over() {
        let servers = [
            server(&["turns:a.example", "turn:a.example?transport=tcp", "turn:a.example?transport=udp"]),
            server(&["turns:b.example"]),
            server(&["stun:c.example"]),
        ];
        let left: Vec<_> = usable(&servers).into_iter().flat_map(|server| server.urls).collect();
        assert_eq!(left, ["turn:a.example?transport=udp", "stun:c.example"]);
    }
}
