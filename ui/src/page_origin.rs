//! The origin and folder of this page, and the URLs derived from them.

use crate::{dom, page_link};

/// The origin of the page, and the folder that it is in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageOrigin {
    /// `location.protocol`, such as `https:`.
    protocol: String,
    /// `location.host`: host and port.
    host: String,
    /// The folder of the page: `/`, or a path such as `/hutong/` under which a proxy serves Hutong.
    folder: String,
    /// Whether the page is a secure context, in which the browser offers camera and microphone.
    secure: bool,
    /// The part of the fragment with the server's key (`#key=…`), if the page was opened by an invitation with one; else empty.
    key_fragment: String,
}

impl PageOrigin {
    /// The origin of the current page.
    pub fn current() -> Self {
        let Some(window) = dom::window() else { return Self::default() };
        let location = window.location();
        Self {
            protocol: location.protocol().unwrap_or_default(),
            host: location.host().unwrap_or_default(),
            folder: folder_of(&location.pathname().unwrap_or_default()).to_owned(),
            secure: window.is_secure_context(),
            key_fragment: location.hash().map(|hash| key_in(&hash)).unwrap_or_default(),
        }
    }

    /// The WebSocket URL of the server.
    pub fn websocket_url(&self) -> String {
        let scheme = if self.protocol == "https:" { "wss" } else { "ws" };
        format!("{scheme}://{}{}{}", self.host, self.folder.trim_end_matches('/'), hutong_protocol::WS_PATH)
    }

    /// The URL that answers while the server runs.
    pub fn health_url(&self) -> String {
        format!("{}//{}{}healthz", self.protocol, self.host, self.folder)
    }

    /// The URL of the page, without fragment.
    pub fn page_url(&self) -> String {
        format!("{}//{}{}", self.protocol, self.host, self.folder)
    }

    /// The https URL of an insecure page; `None` if the page is secure. The server answers both schemes on one port.
    pub fn https_url(&self) -> Option<String> {
        (!self.secure && self.protocol == "http:").then(|| format!("https://{}{}", self.host, self.folder))
    }

    /// The folder of the page: `/`, or one under which a proxy serves Hutong.
    pub fn folder(&self) -> &str {
        &self.folder
    }

    /// The URL that invites others. Only the app checks the key in it; browsers cannot.
    pub fn invitation_url(&self) -> String {
        let key = Some(self.key_fragment.as_str()).filter(|key| !key.is_empty() && self.protocol == "https:");
        let folder = if key.is_none() && self.folder == "/" { "" } else { self.folder.as_str() };
        format!("{}//{}{folder}{}", self.protocol, self.host, key.unwrap_or_default())
    }
}

/// The part of an invitation address that people read: without the key of the server.
pub fn without_key(address: &str) -> &str {
    address.split_once("/#").map_or(address, |(before, _)| before)
}

/// The part of an invitation address with the key of the server, if any.
pub fn key_fragment(address: &str) -> &str {
    &address[without_key(address).len()..]
}

/// The folder of a URL path, with the slash at its end.
fn folder_of(path: &str) -> &str {
    path.rfind('/').map_or("/", |slash| &path[..=slash])
}

/// The fragment with nothing but the server's key, which is one part of it: the SHA-256 of its public key in base64url.
fn key_in(fragment: &str) -> String {
    let is_key = |key: &str| {
        key.len() == 43 && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    let mut keys = page_link::parts(fragment).filter_map(|part| part.strip_prefix("key="));
    match (keys.next(), keys.next()) {
        (Some(key), None) if is_key(key) => format!("#key={key}"),
        _ => String::new(),
    }
}

/// Whether an address works only on this machine.
pub fn is_loopback(address: &str) -> bool {
    let authority = address.split_once("//").map_or(address, |(_, rest)| rest);
    let authority = authority.split_once('/').map_or(authority, |(authority, _)| authority);
    let host = match authority.rsplit_once(':') {
        // An IPv6 address without a port ends in a bracket.
        Some((host, port)) if !port.ends_with(']') => host,
        _ => authority,
    };
    host == "localhost" || host.ends_with(".localhost") || host.starts_with("127.") || host == "[::1]"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(protocol: &str, host: &str, secure: bool) -> PageOrigin {
        let folder = "/".to_owned();
        PageOrigin { protocol: protocol.into(), host: host.into(), folder, secure, key_fragment: String::new() }
    }

    #[test]
    fn the_websocket_is_as_secure_as_the_page() {
        assert_eq!(origin("http:", "127.0.0.1:8017", true).websocket_url(), "ws://127.0.0.1:8017/ws");
        assert_eq!(origin("https:", "calls.example", true).websocket_url(), "wss://calls.example/ws");
    }

    #[test]
    fn urls_stay_in_the_folder_of_the_page() {
        for (path, folder) in
            [("/", "/"), ("/index.html", "/"), ("/hutong/", "/hutong/"), ("/a/b/index.html", "/a/b/"), ("", "/")]
        {
            assert_eq!(folder_of(path), folder, "{path}");
        }
        let page =
            |protocol: &str| PageOrigin { folder: "/hutong/".into(), ..origin(protocol, "calls.example", false) };
        assert_eq!(page("https:").websocket_url(), "wss://calls.example/hutong/ws");
        assert_eq!(page("https:").health_url(), "https://calls.example/hutong/healthz");
        assert_eq!(page("http:").https_url().as_deref(), Some("https://calls.example/hutong/"));
        assert_eq!(page("https:").invitation_url(), "https://calls.example/hutong/");
        assert_eq!(origin("https:", "calls.example:8443", true).health_url(), "https://calls.example:8443/healthz");
    }

    #[test]
    fn only_an_insecure_page_has_an_https_url() {
        assert_eq!(origin("http:", "192.0.2.7:8017", false).https_url().as_deref(), Some("https://192.0.2.7:8017/"));
        assert_eq!(origin("http:", "localhost:8017", true).https_url(), None);
        assert_eq!(origin("https:", "192.0.2.7:8017", true).https_url(), None);
    }

    #[test]
    fn an_invitation_passes_the_key_on_and_no_other_fragment() {
        let key = format!("#key={}", "aB-_".repeat(11).split_at(43).0);
        for with in [key.clone(), format!("{key}&call=Ana"), key.replace('#', "#call=Ana&")] {
            assert_eq!(key_in(&with), key);
        }
        let twice = format!("{key}&{}", &key[1..]);
        for other in ["", "#", "#top", "#key=", "#key=short", &format!("{key}x"), &key.replace('a', "<"), &twice] {
            assert_eq!(key_in(other), "", "{other}");
        }
        let invited = PageOrigin { key_fragment: key.clone(), ..origin("https:", "192.0.2.7:8017", true) };
        assert_eq!(invited.invitation_url(), format!("https://192.0.2.7:8017/{key}"));
        assert_eq!(without_key(&invited.invitation_url()), "https://192.0.2.7:8017");
        assert_eq!(key_fragment(&invited.invitation_url()), format!("/{key}"));
        assert!(!is_loopback(&invited.invitation_url()));
        let address = origin("https:", "192.0.2.7:8017", true).invitation_url();
        assert_eq!((without_key(&address), key_fragment(&address)), ("https://192.0.2.7:8017", ""));
        assert_eq!(
            PageOrigin { key_fragment: key, ..origin("http:", "localhost:8017", true) }.invitation_url(),
            "http://localhost:8017"
        );
    }

    #[test]
    fn loopback_addresses_are_recognized() {
        for (host, expected) in [
            ("localhost:8017", true),
            ("127.0.0.1:8017", true),
            ("[::1]:8017", true),
            ("[::1]", true),
            ("[2001:db8::1]", false),
            ("192.0.2.7:8017", false),
            ("calls.example", false),
        ] {
            assert_eq!(is_loopback(&origin("http:", host, true).invitation_url()), expected, "{host}");
            assert_eq!(is_loopback(&format!("https://{host}/")), expected, "{host}");
        }
    }
}
