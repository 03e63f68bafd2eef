//! Origin check of WebSocket upgrades.
//!
//! Any page can make its visitor's browser open a WebSocket to this server, even on the visitor's loopback. The origin
//! identifies the page (RFC 6455, section 10.2).

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use hyper::{
    HeaderMap,
    header::{self, HeaderName},
};

use crate::{
    admission::{ProxyHeader, forwarded_hosts},
    transport::UrlScheme,
};

pub(super) const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");

/// Origins of the app's page on the platforms of Tauri.
const APP: [&str; 3] = ["tauri://localhost", "http://tauri.localhost", "https://tauri.localhost"];

/// Interval of the log lines about refused origins: anybody can cause one.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// More values than any real chain of proxies writes into one header. Bounds the work for a forged header, which a proxy
/// may pass through: each host is combined with each port.
const MAX_FORWARDED_VALUES: usize = 8;

/// Longest origin or host in a log line, in characters.
const MAX_LOGGED_CHARS: usize = 200;

/// The origins whose pages may open a WebSocket, besides the server's own page and the app's.
#[derive(Debug)]
pub(super) struct AllowedOrigins {
    origins: Box<[String]>,
    last_logged: Mutex<Option<Instant>>,
}

impl AllowedOrigins {
    pub(super) fn new(origins: Vec<String>) -> Self {
        Self { origins: origins.into(), last_logged: Mutex::default() }
    }

    /// Whether the page of a request may open a WebSocket; logs a refusal. Clients other than browsers send no origin.
    ///
    /// `proxy`: the header in which the peer records addresses, if it is a trusted proxy. Only such a peer's
    /// `X-Forwarded-Host` and `X-Forwarded-Port`, or `Forwarded`, count. `scheme`: that of the request, which the page's must equal;
    /// `None` if it passed a trusted proxy, which may have terminated TLS.
    pub(super) fn check(&self, headers: &HeaderMap, proxy: Option<ProxyHeader>, scheme: Option<UrlScheme>) -> bool {
        let mut origins = headers.get_all(header::ORIGIN).iter();
        let Some(origin) = origins.next() else { return true };
        let (Ok(origin), None) = (origin.to_str(), origins.next()) else { return false };
        let hosts = requested_hosts(headers, proxy);
        let is_allowed = APP.contains(&origin)
            || self.origins.iter().any(|allowed| allowed.trim_end_matches('/').eq_ignore_ascii_case(origin))
            || hosts.iter().any(|host| is_page_of(origin, host, scheme));
        if !is_allowed {
            self.log_refusal(origin, &hosts, Instant::now());
        }
        is_allowed
    }

    fn log_refusal(&self, origin: &str, hosts: &[String], now: Instant) {
        let mut last = self.last_logged.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_some_and(|last| now.saturating_duration_since(last) < LOG_INTERVAL) {
            return;
        }
        *last = Some(now);
        drop(last);
        tracing::warn!(
            origin = shortened(origin),
            expected_host = shortened(&hosts.join(" or ")),
            "WebSocket refused: the page's origin is not the requested host and scheme; a proxy must forward the Host header with its \
             port, or be trusted (--trusted-proxy) and send X-Forwarded-Host; one that terminates TLS must be trusted; \
             --allow-origin admits other pages"
        );
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(MAX_LOGGED_CHARS).collect()
}

/// The hosts, with their ports, that the client may have requested.
fn requested_hosts(headers: &HeaderMap, proxy: Option<ProxyHeader>) -> Vec<String> {
    let values = |name: HeaderName| {
        let lines = headers.get_all(name).into_iter().filter_map(|line| line.to_str().ok());
        let values = lines.flat_map(|line| line.split(',')).take(MAX_FORWARDED_VALUES);
        values.map(|value| value.trim().to_owned()).collect::<Vec<_>>()
    };
    let mut hosts: Vec<String> =
        headers.get(header::HOST).and_then(|host| host.to_str().ok()).map(str::to_owned).into_iter().collect();
    match proxy {
        None => {}
        Some(ProxyHeader::Forwarded) => hosts.extend(forwarded_hosts(headers)),
        Some(ProxyHeader::XForwardedFor) => {
            hosts.extend(values(X_FORWARDED_HOST));
            let without_port: Vec<_> = hosts.iter().filter(|host| !has_port(host)).cloned().collect();
            for port in values(X_FORWARDED_PORT) {
                hosts.extend(without_port.iter().map(|host| format!("{host}:{port}")));
            }
        }
    }
    // A repetitive header must not fill the log.
    hosts.sort_unstable();
    hosts.dedup();
    hosts
}

fn has_port(host: &str) -> bool {
    host.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'))
}

/// Whether an origin is that of the pages of this host and scheme; without a scheme, of either.
fn is_page_of(origin: &str, host: &str, scheme: Option<UrlScheme>) -> bool {
    let Some((origin_scheme, authority)) = origin.split_once("://") else { return false };
    let (origin_scheme, default_port) = match origin_scheme {
        "http" => (UrlScheme::Http, ":80"),
        "https" => (UrlScheme::Https, ":443"),
        _ => return false,
    };
    if scheme.is_some_and(|scheme| scheme != origin_scheme) {
        return false;
    }
    let normalized = |authority: &str| {
        authority.strip_suffix(default_port).unwrap_or(authority).trim_end_matches('.').to_ascii_lowercase()
    };
    normalized(authority) == normalized(host)
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    /// Names and values.
    type HeaderList<'a> = [(&'static str, &'a str)];

    fn headers(list: &HeaderList<'_>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in list {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn only_allowed_origins_may_open_a_websocket() {
        let allowed = AllowedOrigins::new(vec!["https://partner.example".to_owned()]);
        let cases = [
            ("localhost:8017", None, true),
            ("localhost:8017", Some("http://localhost:8017"), true),
            ("LOCALHOST:8017", Some("http://localhost:8017"), true),
            ("localhost:8017", Some("http://localhost:8018"), false),
            ("localhost:8017", Some("http://127.0.0.1:8017"), false),
            ("example.org", Some("https://example.org"), true),
            ("example.org:443", Some("https://example.org"), true),
            ("example.org:80", Some("https://example.org"), false),
            ("example.org", Some("https://example.org:8443"), false),
            ("[::1]:8017", Some("http://[::1]:8017"), true),
            ("[2001:db8::1]", Some("https://[2001:db8::1]"), true),
            ("[2001:db8::1]", Some("https://[2001:db8::2]"), false),
            ("localhost:8017", Some("tauri://localhost"), true),
            ("localhost:8017", Some("http://tauri.localhost"), true),
            ("localhost:8017", Some("https://tauri.localhost"), true),
            ("localhost:8017", Some("https://partner.example"), true),
            ("localhost:8017", Some("https://evil.example"), false),
            ("localhost:8017", Some("https://localhost:8017.evil.example"), false),
            ("localhost:8017", Some("null"), false),
            ("localhost:8017", Some(""), false),
            ("localhost:8017", Some("file://localhost:8017"), false),
        ];
        for (host, origin, expected) in cases {
            let mut list = headers(&[("host", host)]);
            if let Some(origin) = origin {
                list.insert(header::ORIGIN, HeaderValue::from_str(origin).unwrap());
            }
            assert_eq!(allowed.check(&list, None, None), expected, "{origin:?} at {host}");
        }
        let two = headers(&[("host", "localhost"), ("origin", "http://localhost"), ("origin", "http://evil.example")]);
        assert!(!AllowedOrigins::new(vec![]).check(&two, None, None));
    }

    #[test]
    fn the_origin_has_the_scheme_of_the_request() {
        const HTTP: Option<UrlScheme> = Some(UrlScheme::Http);
        const HTTPS: Option<UrlScheme> = Some(UrlScheme::Https);
        let allowed = AllowedOrigins::new(vec!["https://partner.example".to_owned()]);
        for (origin, scheme, expected) in [
            ("http://calls.example:8017", HTTP, true),
            ("http://calls.example:8017", HTTPS, false),
            ("https://calls.example:8017", HTTPS, true),
            // Not through an unknown proxy that terminates TLS, nor for a page that an attacker serves by https elsewhere.
            ("https://calls.example:8017", HTTP, false),
            ("https://calls.example:8017", None, true),
            ("http://calls.example:8017", None, true),
            // Other pages are allowed by their whole origin.
            ("https://partner.example", HTTP, true),
            ("tauri://localhost", HTTP, true),
            ("https://tauri.localhost", HTTP, true),
        ] {
            let headers = headers(&[("host", "calls.example:8017"), ("origin", origin)]);
            assert_eq!(allowed.check(&headers, None, scheme), expected, "{origin} over {scheme:?}");
        }
    }

    #[test]
    fn only_a_trusted_proxy_may_name_the_requested_host() {
        const X: Option<ProxyHeader> = Some(ProxyHeader::XForwardedFor);
        const RFC: Option<ProxyHeader> = Some(ProxyHeader::Forwarded);
        let forwarded_host = ("x-forwarded-host", "calls.example:8443");
        let cases: &[(&HeaderList<'_>, &str, Option<ProxyHeader>, bool)] = &[
            (&[forwarded_host], "https://calls.example:8443", X, true),
            (&[forwarded_host], "https://calls.example:8443", None, false),
            (&[forwarded_host], "https://calls.example:8443", RFC, false),
            (&[forwarded_host], "https://calls.example", X, false),
            (&[("x-forwarded-host", "calls.example, inner.example")], "https://calls.example", X, true),
            (
                &[("x-forwarded-host", "calls.example"), ("x-forwarded-port", "8443")],
                "https://calls.example:8443",
                X,
                true,
            ),
            (
                &[("x-forwarded-host", "[2001:db8::1]"), ("x-forwarded-port", "8443")],
                "https://[2001:db8::1]:8443",
                X,
                true,
            ),
            (&[("x-forwarded-port", "8443")], "https://inner.example:8443", X, true),
            (&[("x-forwarded-port", "8443")], "https://inner.example:8443", None, false),
            (&[("x-forwarded-host", "")], "https://evil.example", X, false),
            (&[("forwarded", "for=192.0.2.1;host=\"calls.example:8443\"")], "https://calls.example:8443", RFC, true),
            (&[("forwarded", "for=192.0.2.1;host=calls.example")], "https://calls.example", RFC, true),
            (&[("forwarded", "for=192.0.2.1;host=calls.example")], "https://calls.example", X, false),
        ];
        for (list, origin, proxy, expected) in cases {
            let mut headers = headers(list);
            headers.insert(header::HOST, HeaderValue::from_static("inner.example"));
            headers.insert(header::ORIGIN, HeaderValue::from_str(origin).unwrap());
            let allowed = AllowedOrigins::new(vec![]);
            assert_eq!(allowed.check(&headers, *proxy, None), *expected, "{list:?} {origin} {proxy:?}");
        }
    }

    #[test]
    fn a_forged_list_of_hosts_and_ports_is_cut() {
        let (hosts, ports) = (vec!["a"; 1_000].join(","), vec!["1"; 1_000].join(","));
        let headers = headers(&[("x-forwarded-host", hosts.as_str()), ("x-forwarded-port", ports.as_str())]);
        let hosts = requested_hosts(&headers, Some(ProxyHeader::XForwardedFor));
        assert!(hosts.len() <= (1 + MAX_FORWARDED_VALUES) * (1 + MAX_FORWARDED_VALUES), "{}", hosts.len());
    }
}
