//! Where this page came from, and what follows from that.

use crate::dom;

/// The page's address, as far as it matters here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// `https:` and the like.
    protocol: String,
    /// Host and port.
    host: String,
    /// Whether the browser offers camera and microphone to this page.
    secure: bool,
    /// The server's key, as the invitation that this page was opened by told it, with what stands before it; or nothing.
    key: String,
}

impl Place {
    /// Asks the browser.
    pub fn here() -> Self {
        let Some(window) = dom::window() else { return Self::default() };
        let location = window.location();
        Self {
            protocol: location.protocol().unwrap_or_default(),
            host: location.host().unwrap_or_default(),
            secure: window.is_secure_context(),
            key: location.hash().ok().filter(|hash| is_key(hash)).unwrap_or_default(),
        }
    }

    /// Where the WebSocket of this page's server is.
    pub fn socket(&self) -> String {
        let scheme = if self.protocol == "https:" { "wss" } else { "ws" };
        format!("{scheme}://{}{}", self.host, hutong_protocol::WS_PATH)
    }

    /// The same page, secure, where this one is not: the server answers both at one port.
    pub fn secure_twin(&self) -> Option<String> {
        (!self.secure && self.protocol == "http:").then(|| format!("https://{}/", self.host))
    }

    /// What to hand on to somebody who is to join. The key in it is the app's to check; a browser cannot.
    pub fn address(&self) -> String {
        let key = Some(self.key.as_str()).filter(|key| !key.is_empty() && self.protocol == "https:");
        let slash = if key.is_some() { "/" } else { "" };
        format!("{}//{}{slash}{}", self.protocol, self.host, key.unwrap_or_default())
    }
}

/// An address without the key that the server there has to show, for people to read.
pub fn without_key(address: &str) -> &str {
    address.split_once("/#").map_or(address, |(before, _)| before)
}

/// The rest of it.
pub fn key_of(address: &str) -> &str {
    &address[without_key(address).len()..]
}

/// Whether a fragment is a server's key: the SHA-256 of its public key in base64url.
fn is_key(fragment: &str) -> bool {
    fragment.strip_prefix("#key=").is_some_and(|key| {
        key.len() == 43 && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    })
}

/// Whether an address leads nowhere from another machine.
pub fn is_only_here(address: &str) -> bool {
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

    fn place(protocol: &str, host: &str, secure: bool) -> Place {
        Place { protocol: protocol.into(), host: host.into(), secure, key: String::new() }
    }

    #[test]
    fn the_socket_is_as_secure_as_the_page() {
        assert_eq!(place("http:", "127.0.0.1:8017", true).socket(), "ws://127.0.0.1:8017/ws");
        assert_eq!(place("https:", "calls.example", true).socket(), "wss://calls.example/ws");
    }

    #[test]
    fn only_a_page_without_devices_has_a_secure_twin() {
        assert_eq!(place("http:", "192.0.2.7:8017", false).secure_twin().as_deref(), Some("https://192.0.2.7:8017/"));
        assert_eq!(place("http:", "localhost:8017", true).secure_twin(), None);
        assert_eq!(place("https:", "192.0.2.7:8017", true).secure_twin(), None);
    }

    #[test]
    fn the_key_of_the_invitation_is_handed_on_and_nothing_else() {
        let key = format!("#key={}", "aB-_".repeat(11).split_at(43).0);
        assert!(is_key(&key));
        for other in ["", "#", "#top", "#key=", "#key=short", &format!("{key}x"), &key.replace('a', "<")] {
            assert!(!is_key(other), "{other}");
        }
        let invited = Place { key: key.clone(), ..place("https:", "192.0.2.7:8017", true) };
        assert_eq!(invited.address(), format!("https://192.0.2.7:8017/{key}"));
        assert_eq!(without_key(&invited.address()), "https://192.0.2.7:8017");
        assert_eq!(key_of(&invited.address()), format!("/{key}"));
        assert!(!is_only_here(&invited.address()));
        let address = place("https:", "192.0.2.7:8017", true).address();
        assert_eq!((without_key(&address), key_of(&address)), ("https://192.0.2.7:8017", ""));
        assert_eq!(Place { key, ..place("http:", "localhost:8017", true) }.address(), "http://localhost:8017");
    }

    #[test]
    fn loopback_addresses_are_no_use_to_others() {
        for (host, only_here) in [
            ("localhost:8017", true),
            ("127.0.0.1:8017", true),
            ("[::1]:8017", true),
            ("[::1]", true),
            ("[2001:db8::1]", false),
            ("192.0.2.7:8017", false),
            ("calls.example", false),
        ] {
            assert_eq!(is_only_here(&place("http:", host, true).address()), only_here, "{host}");
            assert_eq!(is_only_here(&format!("https://{host}/")), only_here, "{host}");
        }
    }
}
