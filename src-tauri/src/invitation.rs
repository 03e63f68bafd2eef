//! Invitations: a server's address, for a server without a public certificate the key that it must present, and the access key
//! that it may require.
//!
//! Written as a URL with these in the fragment, `https://192.168.1.20:8017/#key=…&access=…`: browsers can open it, and send no
//! fragment to the server.

use std::fmt;

use hutong_core::host_messages::AppProblem;
use hutong_protocol::Secret;
use percent_encoding::percent_decode_str;

use crate::{address::ServerAddress, tls::KeyFingerprint};

/// The name of the key in the fragment.
const KEY_PREFIX: &str = "key=";

/// The name of the access key in the fragment.
const ACCESS_PREFIX: &str = "access=";

/// A server's address, and optionally its key and its access key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// The server's address.
    pub address: ServerAddress,
    /// The key that the server must present.
    pub key: Option<KeyFingerprint>,
    /// The access key that the server requires. Not part of [`Display`](fmt::Display): it is neither stored nor passed on.
    pub access_key: Option<Secret>,
}

impl Invitation {
    /// Parses what a person typed, pasted or scanned.
    ///
    /// # Errors
    ///
    /// Those of [`ServerAddress::parse`]. [`AppProblem::AddressInvalid`] also for an invalid key or access key: ignoring the
    /// former would accept any key, and without the latter nobody can join. [`AppProblem::AddressNotSecure`] also for a plain address with a key, because only TLS can check a
    /// key.
    pub fn parse(typed: &str) -> Result<Self, AppProblem> {
        let typed = typed.trim();
        let (address, fragment) = typed.split_once('#').unwrap_or((typed, ""));
        let access_key = access_key_in_fragment(fragment)?;
        Ok(Self { access_key, ..Self::new(ServerAddress::parse(address)?, key_in_fragment(fragment)?)? })
    }

    /// Creates an invitation without an access key.
    ///
    /// # Errors
    ///
    /// [`AppProblem::AddressNotSecure`] for a plain address with a key.
    pub fn new(address: ServerAddress, key: Option<KeyFingerprint>) -> Result<Self, AppProblem> {
        if key.is_some() && !address.secure() {
            return Err(AppProblem::AddressNotSecure);
        }
        Ok(Self { address, key, access_key: None })
    }
}

/// The invitation as a URL, without the access key.
impl fmt::Display for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)?;
        match self.key.as_ref().and_then(KeyFingerprint::to_pin) {
            Some(key) => write!(f, "/#{KEY_PREFIX}{key}"),
            None => Ok(()),
        }
    }
}

/// The end of an invitation's URL: `/#key=…&access=…`, `/#key=…`, `/#access=…` or nothing. `access_key` must be valid in a URL as
/// it is.
pub fn fragment(key: Option<String>, access_key: Option<&Secret>) -> String {
    let key = key.map(|key| format!("{KEY_PREFIX}{key}"));
    let access_key = access_key.map(|key| format!("{ACCESS_PREFIX}{}", key.expose()));
    let parts: Vec<_> = key.into_iter().chain(access_key).collect();
    if parts.is_empty() { String::new() } else { format!("/#{}", parts.join("&")) }
}

/// The access key in a URL fragment, percent-encoded, if there is one.
///
/// # Errors
///
/// [`AppProblem::AddressInvalid`] for one that is empty, too long or not UTF-8, or several.
pub fn access_key_in_fragment(fragment: &str) -> Result<Option<Secret>, AppProblem> {
    let mut keys = fragment.split('&').filter_map(|part| part.strip_prefix(ACCESS_PREFIX));
    let Some(key) = keys.next() else { return Ok(None) };
    let key = percent_decode_str(key).decode_utf8().map_err(|_| AppProblem::AddressInvalid)?;
    if key.is_empty() || keys.next().is_some() {
        return Err(AppProblem::AddressInvalid);
    }
    Secret::new(&key).map(Some).map_err(|_| AppProblem::AddressInvalid)
}

/// The key in a URL fragment, if there is one.
///
/// # Errors
///
/// [`AppProblem::AddressInvalid`] for an invalid key, or several.
pub fn key_in_fragment(fragment: &str) -> Result<Option<KeyFingerprint>, AppProblem> {
    let mut keys = fragment.split('&').filter_map(|part| part.strip_prefix(KEY_PREFIX));
    match (keys.next(), keys.next()) {
        (None, _) => Ok(None),
        (Some(key), None) => KeyFingerprint::from_pin(key).map(Some).ok_or(AppProblem::AddressInvalid),
        (Some(_), Some(_)) => Err(AppProblem::AddressInvalid),
    }
}

#[cfg(test)]
mod tests {
    use AppProblem::{AddressInvalid, AddressNotSecure};
    use proptest::prelude::*;

    use super::*;

    /// The SHA-256 of the empty string, in base64url.
    const PIN: &str = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU";

    #[test]
    fn an_invitation_with_an_invalid_key_is_rejected() {
        let cases = [
            ("https://192.168.1.20:8017/#key=PIN", Ok(("https://192.168.1.20:8017", true))),
            (" 192.168.1.20#key=PIN ", Ok(("https://192.168.1.20:8017", true))),
            ("https://calls.example#key=PIN", Ok(("https://calls.example", true))),
            ("https://calls.example/#lang=en&key=PIN&x", Ok(("https://calls.example", true))),
            ("https://calls.example/#top", Ok(("https://calls.example", false))),
            ("https://calls.example/#", Ok(("https://calls.example", false))),
            ("https://calls.example", Ok(("https://calls.example", false))),
            ("https://calls.example/#key=", Err(AddressInvalid)),
            ("https://calls.example/#key=PINA", Err(AddressInvalid)),
            ("https://calls.example/#key=PI", Err(AddressInvalid)),
            ("https://calls.example/#key=PIN#key=PIN", Err(AddressInvalid)),
            ("https://calls.example/#key=PIN&key=PIN", Err(AddressInvalid)),
            ("http://192.168.1.20:8017/#key=PIN", Err(AddressNotSecure)),
            ("localhost#key=PIN", Err(AddressNotSecure)),
            ("#key=PIN", Err(AddressInvalid)),
        ];
        for (typed, expected) in cases {
            let parsed = Invitation::parse(&typed.replace("PIN", PIN));
            let parsed = parsed.map(|parsed| (parsed.address.to_string(), parsed.key == Some(KeyFingerprint::of(b""))));
            assert_eq!(parsed, expected.map(|(address, key)| (address.to_owned(), key)), "{typed}");
        }
    }

    #[test]
    fn an_access_key_is_read_and_neither_ignored_nor_passed_on() {
        let long = format!("calls.example/#access={}", "x".repeat(1_025));
        let cases = [
            ("https://calls.example/#access=abc_-123", Ok(Some("abc_-123"))),
            ("https://192.168.1.20:8017/#key=PIN&access=abc", Ok(Some("abc"))),
            ("https://192.168.1.20:8017/#access=abc&key=PIN", Ok(Some("abc"))),
            ("calls.example#lang=en&access=correct%20horse%E4%BA%92", Ok(Some("correct horse互"))),
            ("https://calls.example/#key=PIN", Ok(None)),
            ("https://calls.example/#Access=abc&xaccess=abc", Ok(None)),
            ("https://calls.example/#access=", Err(AddressInvalid)),
            ("https://calls.example/#access=a&access=a", Err(AddressInvalid)),
            ("https://calls.example/#access=%ff", Err(AddressInvalid)),
            (&long, Err(AddressInvalid)),
        ];
        for (typed, expected) in cases {
            let parsed = Invitation::parse(&typed.replace("PIN", PIN));
            let key =
                parsed.as_ref().map(|parsed| parsed.access_key.as_ref().map(Secret::expose)).map_err(|error| *error);
            assert_eq!(key, expected, "{typed}");
            assert!(!parsed.is_ok_and(|parsed| format!("{parsed} {parsed:?}").contains("abc")), "{typed}");
        }
    }

    #[test]
    fn the_fragment_for_others_is_parsed_as_the_same_keys() {
        let access_key = Secret::new("abc_-123").unwrap();
        for (key, access) in
            [(None, None), (Some(PIN), None), (None, Some(&access_key)), (Some(PIN), Some(&access_key))]
        {
            let url = format!("https://192.168.1.20:8017{}", fragment(key.map(Into::into), access));
            let parsed = Invitation::parse(&url).unwrap();
            assert_eq!((parsed.key.is_some(), parsed.access_key.as_ref()), (key.is_some(), access), "{url}");
        }
    }

    proptest! {
        #[test]
        fn invitations_survive_a_round_trip(host in "[a-z]{1,9}\\.example", port in 1_u16.., key in proptest::option::of(any::<[u8; 8]>())) {
            let address = ServerAddress::parse(&format!("https://{host}:{port}")).unwrap();
            let invitation = Invitation::new(address, key.map(|key| KeyFingerprint::of(&key))).unwrap();
            prop_assert_eq!(Invitation::parse(&invitation.to_string()), Ok(invitation));
        }

        #[test]
        fn a_key_is_never_ignored(before in "\\PC{0,20}", key in "[A-Za-z0-9_-]{0,50}") {
            if let Ok(parsed) = Invitation::parse(&format!("https://calls.example/#{}&key={key}", before.replace('&', ""))) {
                prop_assert!(parsed.key.is_some() && parsed.address.secure());
            }
        }
    }
}
