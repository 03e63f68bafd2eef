//! What somebody is handed to join a server: its address and, where no authority vouches for it, the key that it has to show.
//!
//! `https://192.168.1.20:8017/#key=…`: browsers open it as any address, and send nobody what stands behind the `#`.

use std::fmt;

use hutong_core::app::AppProblem;

use crate::{address::Address, tls::Fingerprint};

/// What stands before the key, in the fragment.
const KEY: &str = "key=";

/// An address, and the key that the server there has to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// Where.
    pub address: Address,
    /// Which key, if the invitation says.
    pub key: Option<Fingerprint>,
}

impl Invitation {
    /// Reads what a person typed, pasted or scanned.
    ///
    /// # Errors
    ///
    /// Those of [`Address::parse`]. [`AppProblem::AddressInvalid`] also where the key cannot be read: without it the address would
    /// be trusted as one that names none. [`AppProblem::AddressNotSecure`] also where a plain address names a key, which nothing
    /// could check.
    pub fn parse(typed: &str) -> Result<Self, AppProblem> {
        let typed = typed.trim();
        let (address, fragment) = typed.split_once('#').unwrap_or((typed, ""));
        Self::of(Address::parse(address)?, key(fragment)?)
    }

    /// The same of both parts.
    ///
    /// # Errors
    ///
    /// [`AppProblem::AddressNotSecure`] where a plain address has a key.
    pub fn of(address: Address, key: Option<Fingerprint>) -> Result<Self, AppProblem> {
        if key.is_some() && !address.secure() { Err(AppProblem::AddressNotSecure) } else { Ok(Self { address, key }) }
    }
}

/// As it is handed on.
impl fmt::Display for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)?;
        match self.key.as_ref().and_then(Fingerprint::to_pin) {
            Some(key) => write!(f, "/#{KEY}{key}"),
            None => Ok(()),
        }
    }
}

/// The key that a fragment names, if it names one.
///
/// # Errors
///
/// [`AppProblem::AddressInvalid`] where it cannot be read, or where there are two.
pub fn key(fragment: &str) -> Result<Option<Fingerprint>, AppProblem> {
    let mut keys = fragment.split('&').filter_map(|part| part.strip_prefix(KEY));
    match (keys.next(), keys.next()) {
        (None, _) => Ok(None),
        (Some(key), None) => Fingerprint::from_pin(key).map(Some).ok_or(AppProblem::AddressInvalid),
        (Some(_), Some(_)) => Err(AppProblem::AddressInvalid),
    }
}

#[cfg(test)]
mod tests {
    use AppProblem::{AddressInvalid, AddressNotSecure};
    use proptest::prelude::*;

    use super::*;

    /// The SHA-256 of the empty text.
    const PIN: &str = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU";

    #[test]
    fn the_key_is_read_or_the_whole_is_refused() {
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
            let read = Invitation::parse(&typed.replace("PIN", PIN));
            let read = read.map(|read| (read.address.to_string(), read.key == Some(Fingerprint::of(b""))));
            assert_eq!(read, expected.map(|(address, key)| (address.to_owned(), key)), "{typed}");
        }
    }

    proptest! {
        #[test]
        fn what_is_handed_on_is_read_as_the_same(host in "[a-z]{1,9}\\.example", port in 1_u16.., key in proptest::option::of(any::<[u8; 8]>())) {
            let address = Address::parse(&format!("https://{host}:{port}")).unwrap();
            let invitation = Invitation { address, key: key.map(|key| Fingerprint::of(&key)) };
            prop_assert_eq!(Invitation::parse(&invitation.to_string()), Ok(invitation));
        }

        #[test]
        fn whatever_is_typed_a_key_is_never_passed_over(before in "\\PC{0,20}", key in "[A-Za-z0-9_-]{0,50}") {
            if let Ok(read) = Invitation::parse(&format!("https://calls.example/#{}&key={key}", before.replace('&', ""))) {
                prop_assert!(read.key.is_some() && read.address.secure());
            }
        }
    }
}
