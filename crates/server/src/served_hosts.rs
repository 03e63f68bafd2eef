//! The hosts that a server answers for, against DNS rebinding.
//!
//! An attacker's page can let its own name resolve to this server's address. For the browser, page and server then have one
//! origin, so no other check stops the page. But the browser sends the attacker's name in `Host`.

use std::{
    collections::HashSet,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{HeaderMap, Response, StatusCode, Uri, header};

use crate::{host_name::HostName, http::response::plain_text, tls::Tls};

/// Refused names that are logged, each once. Anybody can send any name.
const MAX_LOGGED_NAMES: usize = 16;

/// Longest host in a log line, in characters.
const MAX_LOGGED_CHARS: usize = 200;

/// Response text to a request for another host. Its first line is the code.
const MISDIRECTED: &str = "host_unknown\n\n\
    This server does not answer for the host name in this address. Open it by its IP address. If you run the server: start it \
    with --name and this host name (HUTONG_NAME), or, behind a reverse proxy, with --trusted-proxy and the proxy's address \
    (HUTONG_TRUSTED_PROXIES).\n\n\
    服务器不接受此网址中的主机名。请用服务器的 IP 地址打开。如果服务器由您管理：启动时请用 --name 指定此主机名（HUTONG_NAME）；\
    如果服务器在反向代理之后，请用 --trusted-proxy 指定代理的地址（HUTONG_TRUSTED_PROXIES）。\n";

/// The host names that a server answers for, besides IP addresses, names without a dot, `localhost`, the machine's name, and the
/// names of the certificate.
#[derive(Debug)]
pub(crate) struct ServedHosts {
    names: Box<[HostName]>,
    machine_name: fn() -> Option<HostName>,
    logged: Mutex<HashSet<String>>,
}

/// The host of an authority such as `box.lan:8017`.
#[derive(Debug, PartialEq, Eq)]
enum RequestedHost {
    Address(IpAddr),
    Name(HostName),
}

impl ServedHosts {
    /// A server with these names.
    pub(crate) fn new(names: Vec<HostName>) -> Self {
        Self { names: names.into(), machine_name: HostName::of_this_machine, logged: Mutex::default() }
    }

    /// Whether the server answers for every host that the request names; logs a refusal. Only clients that are no browsers name
    /// none.
    ///
    /// `tls`: the certificate of the port, whose names count.
    pub(crate) fn serves(&self, uri: &Uri, headers: &HeaderMap, tls: Option<&Tls>) -> bool {
        // With an absolute URI, `Host` should be ignored (RFC 9112, section 3.2.2); here neither may name another host.
        let authority = uri.authority().map(|authority| authority.as_str().as_bytes());
        let hosts = headers.get_all(header::HOST).into_iter().map(header::HeaderValue::as_bytes);
        let mut refused = authority.into_iter().chain(hosts).filter(|host| !self.serves_host(host, tls));
        let Some(host) = refused.next() else { return true };
        self.log_refusal(&String::from_utf8_lossy(host));
        false
    }

    fn serves_host(&self, host: &[u8], tls: Option<&Tls>) -> bool {
        let name = match std::str::from_utf8(host).ok().and_then(RequestedHost::parse) {
            Some(RequestedHost::Address(_)) => return true,
            Some(RequestedHost::Name(name)) => name,
            None => return false,
        };
        name.is_dotless()
            || name.is_localhost()
            || self.names.contains(&name)
            || (self.machine_name)().is_some_and(|machine| name == machine || name == machine.in_local_domain())
            || tls.is_some_and(|tls| tls.covers(name.as_str()))
    }

    fn log_refusal(&self, host: &str) {
        let host: String = host.chars().take(MAX_LOGGED_CHARS).collect();
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        if logged.len() >= MAX_LOGGED_NAMES || !logged.insert(host.clone()) {
            return;
        }
        drop(logged);
        tracing::warn!(
            host,
            "request for an unknown host name refused with status 421; if it is a name of this server, add --name (HUTONG_NAME), or, \
             if a reverse proxy sent it, trust the proxy with --trusted-proxy (HUTONG_TRUSTED_PROXIES)"
        );
    }
}

impl RequestedHost {
    /// Parses the host and optional port of an authority.
    fn parse(authority: &str) -> Option<Self> {
        if let Some(rest) = authority.strip_prefix('[') {
            let (address, port) = rest.split_once(']')?;
            let address: Ipv6Addr = address.parse().ok()?;
            return is_port(port).then_some(Self::Address(address.into()));
        }
        let (host, port) = authority.split_at(authority.find(':').unwrap_or(authority.len()));
        if !is_port(port) {
            return None;
        }
        match host.parse() {
            Ok(address @ IpAddr::V4(_)) => Some(Self::Address(address)),
            _ => host.parse().ok().map(Self::Name),
        }
    }
}

/// Whether the text is empty, or a colon and a port, which may be empty (RFC 3986, section 3.2.3).
fn is_port(text: &str) -> bool {
    text.is_empty() || text.strip_prefix(':').is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Response 421 to a request for a host that the server does not answer for (RFC 9110, section 15.5.20).
pub(crate) fn misdirected() -> Response<Full<Bytes>> {
    plain_text(StatusCode::MISDIRECTED_REQUEST, MISDIRECTED)
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn hosts(names: &[&str]) -> ServedHosts {
        let names = names.iter().map(|name| name.parse().unwrap()).collect();
        ServedHosts { machine_name: || "Box.example.org".parse().ok(), ..ServedHosts::new(names) }
    }

    fn serves(hosts: &ServedHosts, host: &str, tls: Option<&Tls>) -> bool {
        let headers = HeaderMap::from_iter([(header::HOST, HeaderValue::from_str(host).unwrap())]);
        hosts.serves(&Uri::from_static("/ws"), &headers, tls)
    }

    #[test]
    fn only_own_names_addresses_and_names_without_a_dot_are_served() {
        let served = hosts(&["calls.example", "nas.tail1234.ts.net"]);
        for (host, expected) in [
            ("127.0.0.1", true),
            ("192.168.1.20:8017", true),
            ("203.0.113.9:443", true),
            ("[::1]:8017", true),
            ("[2001:db8::1]", true),
            ("[::ffff:192.0.2.1]:80", true),
            ("localhost", true),
            ("LocalHost:8017", true),
            ("localhost.:8017", true),
            ("app.localhost:8017", true),
            // No public DNS name is without a dot.
            ("box", true),
            ("nas:8017", true),
            ("box.example.org", true),
            ("BOX.local:8017", true),
            ("box.local.", true),
            ("calls.example", true),
            ("CALLS.example.:443", true),
            ("nas.tail1234.ts.net:8017", true),
            ("evil.example", false),
            ("evil.example:8017", false),
            ("calls.example.evil.example", false),
            ("evil.calls.example", false),
            ("evilcalls.example", false),
            ("other.local", false),
            ("box.local.evil.example", false),
            ("example.org", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("127.0.0.1.nip.io:8017", false),
            ("evil.example@127.0.0.1", false),
            ("127.0.0.1:80@evil.example", false),
            ("[::1].evil.example", false),
            ("[evil.example]", false),
            ("::1", false),
            ("calls.example:80:80", false),
            ("calls.example:x", false),
            ("", false),
            (".", false),
            ("胡同.example", false),
        ] {
            assert_eq!(serves(&served, host, None), expected, "{host}");
        }
    }

    #[test]
    fn the_names_of_the_certificate_are_served() {
        let directory = tempfile::tempdir().unwrap();
        let names = ["nas.fritz.box".to_owned(), "*.calls.example".to_owned()];
        let tls = Tls::self_signed(directory.path(), &names).unwrap();
        let served = hosts(&[]);
        for (host, expected) in [
            ("nas.fritz.box:8017", true),
            ("NAS.fritz.box.", true),
            ("a.calls.example", true),
            ("a.b.calls.example", false),
            ("calls.example", false),
            ("fritz.box", false),
            ("evil.example", false),
        ] {
            assert_eq!(serves(&served, host, Some(&tls)), expected, "{host}");
            assert!(!serves(&served, host, None), "{host} without the certificate");
        }
    }

    #[test]
    fn every_host_of_a_request_must_be_served() {
        let served = hosts(&["calls.example"]);
        let check = |uri: &'static str, hosts: &[&'static str]| {
            let hosts = hosts.iter().map(|host| (header::HOST, HeaderValue::from_static(host)));
            let mut headers = HeaderMap::new();
            headers.extend(hosts.map(|(name, host)| (Some(name), host)));
            served.serves(&Uri::from_static(uri), &headers, None)
        };
        assert!(check("/", &[]), "browsers always name a host");
        assert!(check("http://calls.example/", &["127.0.0.1"]));
        assert!(!check("http://evil.example/", &["127.0.0.1"]));
        assert!(!check("http://calls.example/", &["evil.example"]));
        let mut two = HeaderMap::new();
        two.append(header::HOST, HeaderValue::from_static("calls.example"));
        two.append(header::HOST, HeaderValue::from_static("evil.example"));
        assert!(!served.serves(&Uri::from_static("/"), &two, None));
        let binary = HeaderMap::from_iter([(header::HOST, HeaderValue::from_bytes(b"\xff.example").unwrap())]);
        assert!(!served.serves(&Uri::from_static("/"), &binary, None));
    }

    #[test]
    fn the_log_of_refused_names_is_bounded() {
        let served = hosts(&[]);
        for number in 0..1_000 {
            assert!(!serves(&served, &format!("{number}.{}.example", "a".repeat(300)), None));
        }
        let logged = served.logged.lock().unwrap();
        assert_eq!(logged.len(), MAX_LOGGED_NAMES);
        assert!(logged.iter().all(|name| name.chars().count() <= MAX_LOGGED_CHARS));
    }

    proptest! {
        #[test]
        fn a_name_of_another_domain_is_never_served(
            name in "[a-zA-Z0-9-]{1,20}(\\.[a-zA-Z0-9-]{1,20}){0,3}\\.(com|example|box|net)\\.?", port in "(:[0-9]{0,5})?",
        ) {
            let is_served = serves(&hosts(&["calls.example.org"]), &format!("{name}{port}"), None);
            prop_assert!(!is_served);
        }

        #[test]
        fn any_host_is_parsed_without_a_panic(host: String) {
            RequestedHost::parse(&host);
        }
    }
}
