//! Server addresses: parsing what a person types, the normal form, and the addresses of this computer to show to others.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use hutong_core::host_messages::AppProblem;
use hutong_protocol::WS_PATH;
use url::{Host, Url};

use crate::own_network;

/// The default port of a Hutong server on the own network.
pub const DEFAULT_PORT: u16 = 8017;

/// The longest path of a server, in bytes.
const MAX_PATH_BYTES: usize = 200;

/// A server's scheme, host, port and path. Without TLS (`secure` is false) only on the own network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerAddress {
    secure: bool,
    host: Host,
    port: u16,
    /// Empty, or a path such as `/hutong` under which a proxy serves Hutong. Without a slash at its end.
    path: String,
}

impl ServerAddress {
    /// Parses what a person typed: a host, host and port, or an http, https, ws or wss URL, each with or without a path.
    ///
    /// Without a scheme the address is https; a loopback address is http, which the embedded server speaks. Without
    /// scheme and port, an address on the own network gets [`DEFAULT_PORT`].
    ///
    /// # Errors
    ///
    /// [`AppProblem::AddressInvalid`] when the text is no server address, [`AppProblem::AddressNotSecure`] for http or ws
    /// outside the own network.
    pub fn parse(typed: &str) -> Result<Self, AppProblem> {
        let typed = typed.trim();
        let (secure, url) = match typed.split_once("://") {
            Some((scheme, rest)) => {
                let secure = match scheme.to_ascii_lowercase().as_str() {
                    "https" | "wss" => true,
                    "http" | "ws" => false,
                    _ => return Err(AppProblem::AddressInvalid),
                };
                (Some(secure), parse_url(if secure { "https" } else { "http" }, rest)?)
            }
            None => (None, parse_url("https", typed)?),
        };
        let host = url.host().ok_or(AppProblem::AddressInvalid)?.to_owned();
        if is_unreachable(&host) {
            return Err(AppProblem::AddressInvalid);
        }
        let secure = secure.unwrap_or(!is_loopback(&host));
        let typed_host = host_of(typed);
        let port = match url.port() {
            Some(0) => return Err(AppProblem::AddressInvalid),
            Some(port) => port,
            // `Url` drops a scheme's default port, so an explicit `:443` after a bare host also arrives here.
            None if !typed.contains("://") && is_own_network(&host) && !typed_host.ends_with(":443") => DEFAULT_PORT,
            None if secure => 443,
            None => 80,
        };
        if !secure && !is_own_network(&host) {
            return Err(AppProblem::AddressNotSecure);
        }
        let mut path = url.path().trim_end_matches('/');
        while let Some(folder) = path.strip_suffix(WS_PATH) {
            path = folder.trim_end_matches('/');
        }
        let path = path.to_owned();
        Ok(Self { secure, host, port, path })
    }

    /// The address of the server inside this app.
    #[must_use]
    pub fn embedded(port: u16) -> Self {
        Self { secure: false, host: Host::Ipv4(Ipv4Addr::LOCALHOST), port, path: String::new() }
    }

    /// Whether connections use TLS.
    #[must_use]
    pub const fn secure(&self) -> bool {
        self.secure
    }

    /// Whether the host is on the own network, where no public authority issues certificates. A host name counts by its
    /// domain (`.local`); [`crate::route`] checks the addresses that it resolves to.
    #[must_use]
    pub fn on_own_network(&self) -> bool {
        is_own_network(&self.host)
    }

    /// The host without brackets, as in DNS and certificates.
    #[must_use]
    pub fn host(&self) -> String {
        match &self.host {
            Host::Domain(name) => name.clone(),
            Host::Ipv4(ip) => ip.to_string(),
            Host::Ipv6(ip) => ip.to_string(),
        }
    }

    /// The port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Host and port, always both: the key of this server's entries in the settings.
    #[must_use]
    pub fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// The WebSocket URL.
    #[must_use]
    pub fn socket_url(&self) -> String {
        format!("{}://{}{}{WS_PATH}", if self.secure { "wss" } else { "ws" }, self.authority(), self.path)
    }
}

/// The normal form, such as `https://calls.example`.
impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, own_port) = if self.secure { ("https", 443) } else { ("http", 80) };
        write!(f, "{scheme}://{}", self.host)?;
        if self.port != own_port {
            write!(f, ":{}", self.port)?;
        }
        f.write_str(&self.path)
    }
}

/// Sorts the addresses of this computer, the best one for other devices first, and drops those that no other device can
/// reach. `default_route` is the source address of the default route.
#[must_use]
pub fn reachable_addresses(mut addresses: Vec<IpAddr>, default_route: Option<IpAddr>) -> Vec<IpAddr> {
    addresses.retain(|address| rank(*address).is_some());
    addresses.sort_by_key(|address| (Some(*address) != default_route, rank(*address), *address));
    addresses.dedup();
    addresses
}

/// The https URL of a server on this computer, for others to type or scan.
#[must_use]
pub fn https_url(address: IpAddr, port: u16) -> String {
    format!("https://{}", SocketAddr::new(address, port))
}

fn parse_url(scheme: &str, rest: &str) -> Result<Url, AppProblem> {
    let host = host_of(rest);
    // Without brackets, `Url` would read part of an IPv6 address as the port.
    let url = if host.parse::<Ipv6Addr>().is_ok() {
        Url::parse(&format!("{scheme}://[{host}]{}", &rest[host.len()..]))
    } else {
        Url::parse(&format!("{scheme}://{rest}"))
    };
    let url = url.map_err(|_| AppProblem::AddressInvalid)?;
    // Credentials would be stored in the settings and shown on the screen.
    let has_no_credentials = url.username().is_empty() && url.password().is_none();
    if has_no_credentials && url.path().len() <= MAX_PATH_BYTES { Ok(url) } else { Err(AppProblem::AddressInvalid) }
}

/// Host and port of an address without a scheme.
fn host_of(address: &str) -> &str {
    address.split(['/', '?', '#']).next().unwrap_or_default()
}

fn is_unreachable(host: &Host) -> bool {
    match host {
        Host::Domain(name) => name.trim_matches('.').is_empty(),
        Host::Ipv4(ip) => ip.is_unspecified() || ip.is_multicast() || ip.is_broadcast(),
        Host::Ipv6(ip) => ip.is_unspecified() || ip.is_multicast(),
    }
}

fn is_loopback(host: &Host) -> bool {
    match host {
        Host::Domain(name) => is_within(name, "localhost"),
        Host::Ipv4(ip) => ip.is_loopback(),
        Host::Ipv6(ip) => ip.to_canonical().is_loopback(),
    }
}

fn is_own_network(host: &Host) -> bool {
    match host {
        Host::Domain(name) => is_within(name, "localhost") || is_within(name, "local"),
        Host::Ipv4(ip) => own_network::is_own((*ip).into()),
        Host::Ipv6(ip) => own_network::is_own((*ip).into()),
    }
}

fn is_within(name: &str, domain: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    match name.strip_suffix(domain) {
        Some("") => domain == "localhost",
        Some(before) => before.len() > 1 && before.ends_with('.'),
        None => false,
    }
}

/// The preference of an address: private IPv4 first, because it is short to type and every device supports it.
fn rank(address: IpAddr) -> Option<u8> {
    match address {
        IpAddr::V4(ip) if ip.is_loopback() || ip.is_unspecified() || ip.is_link_local() => None,
        IpAddr::V4(ip) if ip.is_private() => Some(0),
        IpAddr::V4(_) => Some(1),
        // Link-local IPv6 addresses need the scope ID of the other device's interface.
        IpAddr::V6(ip) if ip.is_loopback() || ip.is_unspecified() || ip.is_unicast_link_local() => None,
        IpAddr::V6(ip) if ip.is_unique_local() => Some(2),
        IpAddr::V6(_) => Some(3),
    }
}

#[cfg(test)]
mod tests {
    use AppProblem::{AddressInvalid, AddressNotSecure};

    use super::*;

    const LONG_PATH: &str = concat!(
        "calls.example/",
        "01234567890123456789012345678901234567890123456789",
        "01234567890123456789012345678901234567890123456789",
        "01234567890123456789012345678901234567890123456789",
        "01234567890123456789012345678901234567890123456789"
    );

    #[test]
    fn typed_addresses_are_parsed_or_rejected() {
        let cases: [(&str, Result<&str, AppProblem>); 56] = [
            ("calls.example", Ok("https://calls.example")),
            ("  calls.example  ", Ok("https://calls.example")),
            ("Calls.Example", Ok("https://calls.example")),
            ("calls.example:8443", Ok("https://calls.example:8443")),
            ("calls.example:443", Ok("https://calls.example")),
            ("calls.example/", Ok("https://calls.example")),
            ("https://calls.example", Ok("https://calls.example")),
            ("HTTPS://calls.example/", Ok("https://calls.example")),
            ("https://calls.example/ws", Ok("https://calls.example")),
            ("https://calls.example/#top", Ok("https://calls.example")),
            ("wss://calls.example/ws", Ok("https://calls.example")),
            ("http://calls.example", Err(AddressNotSecure)),
            ("ws://calls.example/ws", Err(AddressNotSecure)),
            ("http://nas", Err(AddressNotSecure)),
            ("http://8.8.8.8:8017", Err(AddressNotSecure)),
            ("http://172.32.0.1", Err(AddressNotSecure)),
            ("http://[2001:db8::1]", Err(AddressNotSecure)),
            ("http://local", Err(AddressNotSecure)),
            ("http://.local", Err(AddressNotSecure)),
            ("http://notlocal", Err(AddressNotSecure)),
            ("http://localhost.example", Err(AddressNotSecure)),
            ("http://192.168.1.20.example", Err(AddressNotSecure)),
            ("localhost", Ok("http://localhost:8017")),
            ("localhost:9000", Ok("http://localhost:9000")),
            ("https://localhost:9000", Ok("https://localhost:9000")),
            ("127.0.0.1", Ok("http://127.0.0.1:8017")),
            ("::1", Ok("http://[::1]:8017")),
            ("[::1]:9000", Ok("http://[::1]:9000")),
            ("192.168.1.20", Ok("https://192.168.1.20:8017")),
            ("192.168.1.20:8017", Ok("https://192.168.1.20:8017")),
            ("192.168.1.20:443", Ok("https://192.168.1.20")),
            ("https://192.168.1.20", Ok("https://192.168.1.20")),
            ("http://192.168.1.20:8017", Ok("http://192.168.1.20:8017")),
            ("ws://10.0.0.7/ws", Ok("http://10.0.0.7")),
            ("http://169.254.3.4", Ok("http://169.254.3.4")),
            ("http://[fd00::7]:8017", Ok("http://[fd00::7]:8017")),
            ("http://[fe80::7]", Ok("http://[fe80::7]")),
            ("http://[::ffff:10.0.0.1]", Ok("http://[::ffff:a00:1]")),
            ("http://anas-laptop.local:8017", Ok("http://anas-laptop.local:8017")),
            ("fd00::7", Ok("https://[fd00::7]:8017")),
            ("胡同.example", Ok("https://xn--dqr365h.example")),
            ("", Err(AddressInvalid)),
            ("two words", Err(AddressInvalid)),
            ("ftp://calls.example", Err(AddressInvalid)),
            ("https://", Err(AddressInvalid)),
            ("https://ana:secret@calls.example", Err(AddressInvalid)),
            ("https://calls.example/hutong/", Ok("https://calls.example/hutong")),
            ("calls.example:8443/a/b?query#top", Ok("https://calls.example:8443/a/b")),
            ("wss://calls.example/hutong/ws", Ok("https://calls.example/hutong")),
            ("192.168.1.20/hutong", Ok("https://192.168.1.20:8017/hutong")),
            ("192.168.1.20:443/hutong", Ok("https://192.168.1.20/hutong")),
            ("fd00::7/hutong", Ok("https://[fd00::7]:8017/hutong")),
            (LONG_PATH, Err(AddressInvalid)),
            ("calls.example:0", Err(AddressInvalid)),
            ("calls.example:99999", Err(AddressInvalid)),
            ("http://0.0.0.0:8017", Err(AddressInvalid)),
        ];
        for (typed, expected) in cases {
            let read = ServerAddress::parse(typed).map(|address| address.to_string());
            assert_eq!(read, expected.map(str::to_owned), "{typed:?}");
        }
    }

    #[test]
    fn the_normal_form_parses_to_the_same_address() {
        for typed in [
            "calls.example",
            "127.0.0.1",
            "fd00::7",
            "http://10.0.0.7",
            "192.168.1.20:443",
            "calls.example:8443/hutong/",
            "calls.example/ws/ws",
        ] {
            let address = ServerAddress::parse(typed).unwrap();
            assert_eq!(ServerAddress::parse(&address.to_string()), Ok(address), "{typed}");
        }
    }

    #[test]
    fn the_websocket_url_has_the_same_host_and_port() {
        let cases = [
            ("calls.example", "wss://calls.example:443/ws", "calls.example"),
            ("[::1]:9000", "ws://[::1]:9000/ws", "::1"),
            ("calls.example/hutong/", "wss://calls.example:443/hutong/ws", "calls.example"),
        ];
        for (typed, url, host) in cases {
            let address = ServerAddress::parse(typed).unwrap();
            assert_eq!((address.socket_url().as_str(), address.host().as_str()), (url, host));
        }
        assert_eq!(ServerAddress::embedded(8017).socket_url(), "ws://127.0.0.1:8017/ws");
    }

    #[test]
    fn reachable_addresses_start_with_private_ipv4_and_omit_loopback_and_link_local() {
        let all =
            ["::1", "fe80::1", "2001:db8::1", "127.0.0.1", "169.254.1.1", "203.0.113.5", "fd00::1", "192.168.1.20"];
        let all = || all.iter().chain(&["192.168.1.20"]).map(|ip| ip.parse().unwrap()).collect();
        let shown: Vec<_> = reachable_addresses(all(), None).into_iter().map(|ip| https_url(ip, 8017)).collect();
        assert_eq!(
            shown,
            [
                "https://192.168.1.20:8017",
                "https://203.0.113.5:8017",
                "https://[fd00::1]:8017",
                "https://[2001:db8::1]:8017"
            ]
        );
        let default_route: IpAddr = "203.0.113.5".parse().unwrap();
        assert_eq!(reachable_addresses(all(), Some(default_route)).first(), Some(&default_route));
        let loopback: IpAddr = "127.0.0.1".parse().unwrap();
        assert!(!reachable_addresses(all(), Some(loopback)).contains(&loopback));
    }
}
