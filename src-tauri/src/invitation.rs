//! Invitations: a server's address and, for a server without a public certificate, the key that it must present.
//!
//! Written as a URL with the key in the fragment, `https://192.168.1.20:8017/#key=…`: browsers can open it, and send no
//! fragment to the server.

use std::fmt;

use hutong_core::host_messages::AppProblem;

use crate::{address::ServerAddress, tls::KeyFingerprint};

/// The name of the key in the fragment.
const KEY_PREFIX: &str = "key=";

/// A server's address and optionally its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// The server's address.
    pub address: ServerAddress,
    /// The key that the server must present.
    pub key: Option<KeyFingerprint>,
}

impl Invitation {
    /// Parses what a person typed, pasted or scanned.
    ///
    /// # Errors
    ///
    /// Those of [`ServerAddress::parse`]. [`AppProblem::AddressInvalid`] also for an invalid key: ignoring it would
    /// accept any key. [`AppProblem::AddressNotSecure`] also for a plain address with a key, because only TLS can check a
    /// key.
    pub fn parse(typed: &str) -> Result<Self, AppProblem> {
        let typed = typed.trim();
        let (address, fragment) = typed.split_once('#').unwrap_or((typed, ""));
        Self::new(ServerAddress::parse(address)?, key_in_fragment(fragment)?)
    }

    /// Creates an invitation.
    ///
    /// # Errors
    ///
    /// [`AppProblem::AddressNotSecure`] for a plain address with a key.
    pub fn new(address: ServerAddress, key: Option<KeyFingerprint>) -> Result<Self, AppProblem> {
        if key.is_some() && !address.secure() { Err(AppProblem::AddressNotSecure) } else { Ok(Self { address, key }) }
    }
}

/// The invitation as a URL.
impl fmt::Display for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)?;
        match self.key.as_ref().and_then(KeyFingerprint::to_pin) {
            Some(key) => write!(f, "/#{KEY_PREFIX}{key}"),
            None => Ok(()),
        }
    }
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

    proptest! {
        #[test]
        fn invitations_survive_a_round_trip(host in "[a-z]{1,9}\\.example", port in 1_u16.., key in proptest::option::of(any::<[u8; 8]>())) {
            let address = ServerAddress::parse(&format!("https://{host}:{port}")).unwrap();
            let invitation = Invitation { address, key: key.map(|key| KeyFingerprint::of(&key)) };
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
