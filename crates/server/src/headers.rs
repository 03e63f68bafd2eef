//! What browsers are told that they may do with our answers.

use hyper::{
    HeaderMap,
    header::{self, HeaderName, HeaderValue},
};

use crate::transport::Transport;

const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");
const CROSS_ORIGIN_OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// What is no page of ours does nothing where it is opened.
const NOTHING: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

/// What a page may use, where the person allows it, and what it never uses.
const DEVICES: HeaderValue = HeaderValue::from_static(
    "camera=(self), microphone=(self), display-capture=(self), screen-wake-lock=(self), geolocation=(), payment=(), usb=()",
);

/// Half a year: long enough for a browser that comes by now and then, and an end to the promise once https is given up.
const HTTPS_ONLY: HeaderValue = HeaderValue::from_static("max-age=15552000");

/// For every answer, whatever it is.
pub(crate) fn guard(headers: &mut HeaderMap, transport: Transport) {
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(CROSS_ORIGIN_RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(NOTHING);
    match transport {
        // A browser that was told so lets nobody pass a warning any more (RFC 6797, section 12.1). With a certificate of our own
        // there always is one, and everybody would be locked out.
        Transport::WithHsts => {
            headers.insert(header::STRICT_TRANSPORT_SECURITY, HTTPS_ONLY);
        }
        Transport::WithoutHsts => {}
        // Browsers heed it in secure pages alone, and complain elsewhere.
        Transport::PageOnly => {
            headers.remove(CROSS_ORIGIN_OPENER_POLICY);
        }
    }
}

/// For a page of ours and its files: what it may do, and what may be done with it.
pub(crate) fn page(headers: &mut HeaderMap, request: &HeaderMap) {
    // Safari does not count ws: and wss: as 'self', so they are named by the host that the page came from.
    let sockets = request
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .filter(|host| host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte)))
        .map(|host| format!(" ws://{host} wss://{host}"))
        .unwrap_or_default();
    let policy = format!(
        "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'{sockets}; \
         media-src 'self' blob: mediastream:; img-src 'self' data: blob:; style-src 'self'; frame-ancestors 'none'; \
         base-uri 'none'; form-action 'self'; object-src 'none'"
    );
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(PERMISSIONS_POLICY, DEVICES);
    headers.insert(CROSS_ORIGIN_OPENER_POLICY, HeaderValue::from_static("same-origin"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_names_the_host_and_nothing_that_is_no_host() {
        let policy = |host: &'static str| {
            let request = [(header::HOST, HeaderValue::from_static(host))].into_iter().collect();
            let mut headers = HeaderMap::new();
            page(&mut headers, &request);
            headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned()
        };
        let named = policy("192.0.2.1:8017");
        assert!(named.contains("connect-src 'self' ws://192.0.2.1:8017 wss://192.0.2.1:8017;"), "{named}");
        let unnamed = policy("a; script-src *");
        assert!(unnamed.contains("connect-src 'self';") && !unnamed.contains('*'), "{unnamed}");
    }

    #[test]
    fn a_page_in_the_clear_from_elsewhere_is_not_told_what_only_secure_ones_heed() {
        let mut headers = HeaderMap::new();
        page(&mut headers, &HeaderMap::new());
        guard(&mut headers, Transport::PageOnly);
        assert!(!headers.contains_key(CROSS_ORIGIN_OPENER_POLICY));
        assert!(!headers.contains_key(header::STRICT_TRANSPORT_SECURITY));
        assert!(headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap().contains("script-src 'self'"));
    }
}
