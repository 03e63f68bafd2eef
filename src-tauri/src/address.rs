//! The address of a server, from what a person types to what is connected to.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use hutong_core::app::AppProblem;
use hutong_protocol::WS_PATH;
use url::{Host, Url};

use crate::own_network;

/// The port of a Hutong server of one's own, where the person names none.
pub const DEFAULT_PORT: u16 = 8017;

/// Where a server is. Plain (not `secure`) only on the own network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    secure: bool,
    host: Host,
    port: u16,
}

impl Address {
    /// Reads what a person typed: a host, host and port, or an http, https, ws or wss URL.
    ///
    /// What names no scheme is https, but for this computer itself, whose server speaks plain http. What names neither
    /// scheme nor port, on the own network, is on the port that Hutong's servers take.
    ///
    /// # Errors
    ///
    /// [`AppProblem::AddressInvalid`] where it is no address, [`AppProblem::AddressNotSecure`] where it is a plain one
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
                (Some(secure), read(if secure { "https" } else { "http" }, rest)?)
            }
            None => (None, read("https", typed)?),
        };
        let host = url.host().ok_or(AppProblem::AddressInvalid)?.to_owned();
        if is_nowhere(&host) {
            return Err(AppProblem::AddressInvalid);
        }
        let secure = secure.unwrap_or(!is_this_computer(&host));
        let port = match url.port() {
            Some(0) => return Err(AppProblem::AddressInvalid),
            Some(port) => port,
            // The URL's reader drops a port that is its scheme's own, so that `:443` after a bare host comes here too.
            None if !typed.contains("://") && is_own_network(&host) && !typed.ends_with(":443") => DEFAULT_PORT,
            None if secure => 443,
            None => 80,
        };
        if !secure && !is_own_network(&host) {
            return Err(AppProblem::AddressNotSecure);
        }
        Ok(Self { secure, host, port })
    }

    /// The server inside this app.
    #[must_use]
    pub const fn embedded(port: u16) -> Self {
        Self { secure: false, host: Host::Ipv4(Ipv4Addr::LOCALHOST), port }
    }

    /// Whether it is spoken to by TLS.
    #[must_use]
    pub const fn secure(&self) -> bool {
        self.secure
    }

    /// Whether it is on the own network, where no public authority certifies anybody. Of a name this says only that it is a name
    /// of the own network: what it leads to is judged by `network::Way`.
    #[must_use]
    pub fn on_own_network(&self) -> bool {
        is_own_network(&self.host)
    }

    /// The host without brackets, as a resolver and a certificate name it.
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

    /// Host and port, always both: the `Host` header, and the name under which a certificate is remembered.
    #[must_use]
    pub fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Where the WebSocket is.
    #[must_use]
    pub fn socket_url(&self) -> String {
        format!("{}://{}{WS_PATH}", if self.secure { "wss" } else { "ws" }, self.authority())
    }
}

/// The normal form, such as `https://calls.example`.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, own_port) = if self.secure { ("https", 443) } else { ("http", 80) };
        write!(f, "{scheme}://{}", self.host)?;
        if self.port == own_port { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

/// Orders the addresses of this computer by how well others reach it, best first, and drops those that nobody else can use.
/// `outward` is the one that its default route starts from, if it has one.
#[must_use]
pub fn for_others(mut addresses: Vec<IpAddr>, outward: Option<IpAddr>) -> Vec<IpAddr> {
    addresses.retain(|address| rank(*address).is_some());
    addresses.sort_by_key(|address| (Some(*address) != outward, rank(*address), *address));
    addresses.dedup();
    addresses
}

/// The https address of this computer for others, as they type or scan it.
#[must_use]
pub fn https(address: IpAddr, port: u16) -> String {
    format!("https://{}", SocketAddr::new(address, port))
}

fn read(scheme: &str, rest: &str) -> Result<Url, AppProblem> {
    let bare = rest.split(['/', '?', '#']).next().unwrap_or_default();
    // The colons of a bare IPv6 address would be read as a port.
    let url = if bare.parse::<Ipv6Addr>().is_ok() {
        Url::parse(&format!("{scheme}://[{bare}]"))
    } else {
        Url::parse(&format!("{scheme}://{rest}"))
    };
    let url = url.map_err(|_| AppProblem::AddressInvalid)?;
    // A password would end up in the settings and on the screen.
    let names_nothing_else = url.username().is_empty() && url.password().is_none();
    let served = matches!(url.path().trim_end_matches('/'), "" | WS_PATH);
    if names_nothing_else && served { Ok(url) } else { Err(AppProblem::AddressInvalid) }
}

fn is_nowhere(host: &Host) -> bool {
    match host {
        Host::Domain(name) => name.trim_matches('.').is_empty(),
        Host::Ipv4(ip) => ip.is_unspecified() || ip.is_multicast() || ip.is_broadcast(),
        Host::Ipv6(ip) => ip.is_unspecified() || ip.is_multicast(),
    }
}

fn is_this_computer(host: &Host) -> bool {
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

/// Private IPv4 first: it is short to type, and phones and routers all speak it.
fn rank(address: IpAddr) -> Option<u8> {
    match address {
        IpAddr::V4(ip) if ip.is_loopback() || ip.is_unspecified() || ip.is_link_local() => None,
        IpAddr::V4(ip) if ip.is_private() => Some(0),
        IpAddr::V4(_) => Some(1),
        // A link-local address means nothing without the reader's own interface.
        IpAddr::V6(ip) if ip.is_loopback() || ip.is_unspecified() || ip.is_unicast_link_local() => None,
        IpAddr::V6(ip) if ip.is_unique_local() => Some(2),
        IpAddr::V6(_) => Some(3),
    }
}

#[cfg(test)]
mod tests {
    use AppProblem::{AddressInvalid, AddressNotSecure};

    use super::*;

    #[test]
    fn what_people_type_becomes_an_address_or_a_problem() {
        let cases: [(&str, Result<&str, AppProblem>); 50] = [
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
            ("https://calls.example/other/path", Err(AddressInvalid)),
            ("calls.example:0", Err(AddressInvalid)),
            ("calls.example:99999", Err(AddressInvalid)),
            ("http://0.0.0.0:8017", Err(AddressInvalid)),
        ];
        for (typed, expected) in cases {
            let read = Address::parse(typed).map(|address| address.to_string());
            assert_eq!(read, expected.map(str::to_owned), "{typed:?}");
        }
    }

    #[test]
    fn the_normal_form_reads_as_itself() {
        for typed in ["calls.example", "127.0.0.1", "fd00::7", "http://10.0.0.7", "192.168.1.20:443"] {
            let address = Address::parse(typed).unwrap();
            assert_eq!(Address::parse(&address.to_string()), Ok(address), "{typed}");
        }
    }

    #[test]
    fn the_socket_is_on_the_same_host() {
        let cases = [
            ("calls.example", "wss://calls.example:443/ws", "calls.example"),
            ("[::1]:9000", "ws://[::1]:9000/ws", "::1"),
        ];
        for (typed, url, host) in cases {
            let address = Address::parse(typed).unwrap();
            assert_eq!((address.socket_url().as_str(), address.host().as_str()), (url, host));
        }
        assert_eq!(Address::embedded(8017).socket_url(), "ws://127.0.0.1:8017/ws");
    }

    #[test]
    fn others_are_told_private_ipv4_first_and_nothing_that_they_cannot_reach() {
        let all =
            ["::1", "fe80::1", "2001:db8::1", "127.0.0.1", "169.254.1.1", "203.0.113.5", "fd00::1", "192.168.1.20"];
        let all = || all.iter().chain(&["192.168.1.20"]).map(|ip| ip.parse().unwrap()).collect();
        let shown: Vec<_> = for_others(all(), None).into_iter().map(|ip| https(ip, 8017)).collect();
        assert_eq!(
            shown,
            [
                "https://192.168.1.20:8017",
                "https://203.0.113.5:8017",
                "https://[fd00::1]:8017",
                "https://[2001:db8::1]:8017"
            ]
        );
        let outward: IpAddr = "203.0.113.5".parse().unwrap();
        assert_eq!(for_others(all(), Some(outward)).first(), Some(&outward));
        let loopback: IpAddr = "127.0.0.1".parse().unwrap();
        assert!(!for_others(all(), Some(loopback)).contains(&loopback));
    }
}
