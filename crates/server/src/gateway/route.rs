//! The route of a client: by which name it requested the server, and whether a proxy is between.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use hyper::{HeaderMap, header};

use super::origin::X_FORWARDED_HOST;
use crate::{
    admission::{ProxyHeader, forwarded_hosts},
    turn::{ClientRoute, TurnHost},
};

/// Different routes that are shared at a time. A server has a few names.
const MAX_ROUTES: usize = 64;

/// The route of a request. `proxy`: the header in which the peer records addresses, if it is a trusted proxy. `default_port`: the
/// port of a `Host` header that names none; without one, a proxy that is not trusted must be between.
pub(super) fn client_route(headers: &HeaderMap, proxy: Option<ProxyHeader>, default_port: Option<u16>) -> ClientRoute {
    let requested = headers.get(header::HOST).and_then(|host| host.to_str().ok()).map(str::to_owned);
    let requested = match proxy {
        None => requested,
        Some(ProxyHeader::Forwarded) => forwarded_hosts(headers).pop().or(requested),
        Some(ProxyHeader::XForwardedFor) => {
            let forwarded = headers.get(X_FORWARDED_HOST).and_then(|hosts| hosts.to_str().ok());
            forwarded.and_then(|hosts| hosts.split(',').next()).map(|host| host.trim().to_owned()).or(requested)
        }
    };
    let host: Option<TurnHost> = requested.and_then(|host| host.parse().ok());
    match (proxy, host) {
        (Some(_), host) => ClientRoute::Proxied { host: host.filter(|host| !host.is_loopback()) },
        (None, None) => ClientRoute::Proxied { host: None },
        (None, Some(host)) => match host.port().or(default_port) {
            None => ClientRoute::Proxied { host: Some(host).filter(|host| !host.is_loopback()) },
            Some(port) if host.is_loopback() => ClientRoute::ThisMachine { port },
            Some(port) => ClientRoute::Direct { host, port },
        },
    }
}

/// Shares equal routes, so that thousands of connections do not each store one.
#[derive(Debug, Default)]
pub(super) struct RouteCache(Mutex<HashSet<Arc<ClientRoute>>>);

impl RouteCache {
    pub(super) fn share(&self, route: ClientRoute) -> Arc<ClientRoute> {
        let mut routes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = routes.get(&route) {
            return shared.clone();
        }
        // Clients choose the header freely.
        if routes.len() >= MAX_ROUTES {
            routes.clear();
        }
        let shared = Arc::new(route);
        routes.insert(shared.clone());
        shared
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::{HeaderName, HeaderValue};

    use super::*;

    fn route(headers: &[(&'static str, &str)], proxy: Option<ProxyHeader>) -> ClientRoute {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
            .collect();
        client_route(&headers, proxy, Some(443))
    }

    fn direct(host: &str, port: u16) -> ClientRoute {
        ClientRoute::Direct { host: host.parse().unwrap(), port }
    }

    #[test]
    fn the_requested_host_is_the_route() {
        assert_eq!(route(&[("host", "a.example")], None), direct("a.example", 443));
        assert_eq!(route(&[("host", "a.example:8017")], None), direct("a.example:8017", 8_017));
        assert_eq!(route(&[("host", "[2001:db8::1]:80")], None), direct("[2001:db8::1]:80", 80));
        for local in ["localhost:8017", "127.0.0.1:8017", "[::1]:8017"] {
            assert_eq!(route(&[("host", local)], None), ClientRoute::ThisMachine { port: 8_017 });
        }
        for unusable in ["", "a b", "x,y", "a.example:0"] {
            assert_eq!(route(&[("host", unusable)], None), ClientRoute::Proxied { host: None }, "{unusable}");
        }
        assert_eq!(route(&[("host", "a.example"), ("x-forwarded-host", "b.example")], None), direct("a.example", 443));
    }

    #[test]
    fn a_host_without_a_port_that_the_server_has_is_that_of_an_unknown_proxy() {
        let headers = HeaderMap::from_iter([(header::HOST, HeaderValue::from_static("a.example"))]);
        let expected = ClientRoute::Proxied { host: Some("a.example".parse().unwrap()) };
        assert_eq!(client_route(&headers, None, None), expected);
    }

    #[test]
    fn a_trusted_proxy_names_the_host() {
        let proxied = |host: &str| ClientRoute::Proxied { host: Some(host.parse().unwrap()) };
        let (x, standard) = (Some(ProxyHeader::XForwardedFor), Some(ProxyHeader::Forwarded));
        assert_eq!(route(&[("host", "a.example")], x), proxied("a.example"));
        assert_eq!(
            route(&[("host", "127.0.0.1:8017"), ("x-forwarded-host", "b.example:8443, c.example")], x),
            proxied("b.example:8443")
        );
        assert_eq!(
            route(&[("host", "127.0.0.1"), ("forwarded", "for=192.0.2.1;host=b.example")], standard),
            proxied("b.example")
        );
        assert_eq!(route(&[("host", "localhost")], x), ClientRoute::Proxied { host: None });
    }

    #[test]
    fn equal_routes_are_shared_in_bounded_memory() {
        let cache = RouteCache::default();
        let first = cache.share(direct("a.example", 443));
        assert!(Arc::ptr_eq(&first, &cache.share(direct("a.example", 443))));
        for number in 0..1_000 {
            cache.share(direct(&format!("{number}.example"), 443));
            assert!(cache.0.lock().unwrap().len() <= MAX_ROUTES);
        }
    }
}
