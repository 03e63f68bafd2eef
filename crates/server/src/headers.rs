//! Security headers of HTTP responses: CSP, HSTS, permissions and cross-origin policies.

use hyper::{
    HeaderMap,
    header::{self, HeaderName, HeaderValue},
};

use crate::transport::Transport;

const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");
const CROSS_ORIGIN_OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Content security policy of responses that are not part of the web app: they may load and run nothing.
const DENY_ALL_CSP: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

/// Permissions policy of the web app: devices that it may ask for, and features that it never uses.
const APP_PERMISSIONS: HeaderValue = HeaderValue::from_static(
    "camera=(self), microphone=(self), display-capture=(self), screen-wake-lock=(self), geolocation=(), payment=(), usb=()",
);

/// HSTS for half a year: it outlasts rare visits, and expires if the operator gives up https.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=15552000");

/// Adds the headers of every response. Call it last: it keeps a content security policy that is already there.
pub(crate) fn add_common(headers: &mut HeaderMap, transport: Transport) {
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(CROSS_ORIGIN_RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(DENY_ALL_CSP);
    match transport {
        // With HSTS, users cannot bypass certificate warnings (RFC 6797, section 12.1). A self-signed certificate always causes
        // one, so HSTS would lock everybody out.
        Transport::WithHsts => {
            headers.insert(header::STRICT_TRANSPORT_SECURITY, HSTS);
        }
        Transport::WithoutHsts => {}
        // Browsers ignore this header in insecure pages, with a console warning.
        Transport::PageOnly => {
            headers.remove(CROSS_ORIGIN_OPENER_POLICY);
        }
    }
}

/// Adds the headers of the web app and its files.
pub(crate) fn add_web_app(headers: &mut HeaderMap, request: &HeaderMap) {
    // In Safari 'self' does not include ws: and wss:, so the policy names the host of the request.
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
    headers.insert(PERMISSIONS_POLICY, APP_PERMISSIONS);
    headers.insert(CROSS_ORIGIN_OPENER_POLICY, HeaderValue::from_static("same-origin"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_names_a_valid_host_and_ignores_an_invalid_one() {
        let policy = |host: &'static str| {
            let request = [(header::HOST, HeaderValue::from_static(host))].into_iter().collect();
            let mut headers = HeaderMap::new();
            add_web_app(&mut headers, &request);
            headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned()
        };
        let named = policy("192.0.2.1:8017");
        assert!(named.contains("connect-src 'self' ws://192.0.2.1:8017 wss://192.0.2.1:8017;"), "{named}");
        let unnamed = policy("a; script-src *");
        assert!(unnamed.contains("connect-src 'self';") && !unnamed.contains('*'), "{unnamed}");
    }

    #[test]
    fn an_insecure_page_gets_no_headers_that_only_secure_pages_support() {
        let mut headers = HeaderMap::new();
        add_web_app(&mut headers, &HeaderMap::new());
        add_common(&mut headers, Transport::PageOnly);
        assert!(!headers.contains_key(CROSS_ORIGIN_OPENER_POLICY));
        assert!(!headers.contains_key(header::STRICT_TRANSPORT_SECURITY));
        assert!(headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap().contains("script-src 'self'"));
    }
}
