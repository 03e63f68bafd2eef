//! TURN credentials that expire, each for one user: the "TURN REST API" convention, which coturn's `static-auth-secret`
//! follows, too.
//!
//! The username is `expiry:user`, with the expiry in seconds since the Unix epoch. The password is the HMAC-SHA1 of the
//! username under a secret that the servers share, in base64. So a server issues credentials, and another checks them, without
//! storing any.

use std::{fmt, fs, io, path::Path, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac};
use hutong_protocol::Token;
use sha1::Sha1;
use sha2::Sha256;
use stun_types::message::{IntegrityAlgorithm, IntegrityKey, LongTermKeyCredentials};

/// Longest lifetime of a credential that is accepted: whatever carries a later expiry was not issued by a server of ours.
pub const MAX_CREDENTIAL_LIFETIME: Duration = Duration::from_hours(48);

/// Longest username in bytes. Ours have under 40.
const MAX_USERNAME: usize = 128;

/// Shortest secret in bytes: 128 bits in base64.
const MIN_SECRET: usize = 22;

/// Longest secret in bytes.
const MAX_SECRET: usize = 512;

/// Separates the derived secret from other uses of the ticket key.
const DERIVATION_LABEL: &[u8] = b"hutong turn secret 1";

/// A secret that signs credentials. `Debug` omits it.
#[derive(Clone, PartialEq, Eq)]
pub struct TurnSecret(String);

/// A user's credential.
#[derive(Clone, PartialEq, Eq)]
pub struct TurnCredential {
    /// `expiry:user`.
    pub username: String,
    /// The password. Secret.
    pub password: String,
}

impl TurnSecret {
    /// The secret of servers with this ticket key.
    #[must_use]
    pub fn derive(ticket_key: &[u8; 32]) -> Self {
        let mut block = [0; 64];
        block[..ticket_key.len()].copy_from_slice(ticket_key);
        let mut mac = <Hmac<Sha256> as hmac::digest::KeyInit>::new(&block.into());
        mac.update(DERIVATION_LABEL);
        Self(hex::encode(mac.finalize().into_bytes()))
    }

    /// Takes a secret from text, such as that of coturn's `static-auth-secret`. White space around it does not count.
    ///
    /// # Errors
    ///
    /// [`TurnSecretError::Invalid`] unless it is one line of 22 to 512 bytes.
    pub fn parse(text: &str) -> Result<Self, TurnSecretError> {
        let secret = text.trim();
        let is_valid = (MIN_SECRET..=MAX_SECRET).contains(&secret.len()) && !secret.contains(char::is_control);
        if is_valid { Ok(Self(secret.to_owned())) } else { Err(TurnSecretError::Invalid) }
    }

    /// Reads a secret from a file, as [`parse`](Self::parse) does.
    ///
    /// # Errors
    ///
    /// [`TurnSecretError`] if the file is inaccessible or invalid.
    pub fn from_file(path: &Path) -> Result<Self, TurnSecretError> {
        Self::parse(&fs::read_to_string(path)?)
    }

    /// Issues a credential for a user. Allocations can be made with it until `expires`, a Unix time; they live longer.
    #[must_use]
    pub fn issue(&self, user: Token, expires: Duration) -> TurnCredential {
        let username = format!("{}:{}", expires.as_secs(), user.0);
        let password = self.password(&username);
        TurnCredential { username, password }
    }

    fn password(&self, username: &str) -> String {
        let mac = Hmac::<Sha1>::new_from_slice(self.0.as_bytes()).map(|mut mac| {
            mac.update(username.as_bytes());
            mac.finalize().into_bytes()
        });
        // HMAC takes keys of every length.
        mac.map(|mac| STANDARD.encode(mac)).unwrap_or_default()
    }
}

impl fmt::Debug for TurnSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TurnSecret(..)")
    }
}

impl fmt::Debug for TurnCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TurnCredential").field("username", &self.username).finish_non_exhaustive()
    }
}

/// Error of reading a secret.
#[derive(Debug, thiserror::Error)]
pub enum TurnSecretError {
    /// The text is no usable secret.
    #[error("expected one line of 22 to 512 characters: `openssl rand -base64 32` makes one")]
    Invalid,
    /// The file could not be read.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// The secret that signs new credentials, and former ones whose credentials are still accepted.
#[derive(Clone, Debug)]
pub struct TurnSecrets {
    signing: TurnSecret,
    former: Vec<TurnSecret>,
}

impl TurnSecrets {
    /// Secrets of which the first signs.
    #[must_use]
    pub const fn new(signing: TurnSecret, former: Vec<TurnSecret>) -> Self {
        Self { signing, former }
    }

    /// The secret that signs.
    #[must_use]
    pub const fn signing(&self) -> &TurnSecret {
        &self.signing
    }

    /// The message-integrity keys that a user with this name may have: one for each secret.
    pub(super) fn keys<'s>(&'s self, username: &'s str, realm: &'s str) -> impl Iterator<Item = IntegrityKey> + 's {
        [&self.signing].into_iter().chain(&self.former).map(move |secret| {
            LongTermKeyCredentials::new(username.to_owned(), secret.password(username), realm.to_owned())
                .make_key(IntegrityAlgorithm::Sha1)
        })
    }
}

/// The parts of a username.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Username<'u> {
    /// Unix time until which the credential creates allocations.
    pub expires: Duration,
    /// The user, whose allocations are counted together.
    pub user: &'u str,
}

impl<'u> Username<'u> {
    /// Splits a username. `None` if it is none of ours.
    pub fn parse(text: &'u str) -> Option<Self> {
        let (expires, user) = text.split_once(':')?;
        let expires = Duration::from_secs(expires.parse().ok()?);
        (text.len() <= MAX_USERNAME && !user.is_empty()).then_some(Self { expires, user })
    }

    /// Whether it creates allocations at this Unix time.
    pub fn is_valid_at(&self, unix_time: Duration) -> bool {
        unix_time <= self.expires && self.expires <= unix_time + MAX_CREDENTIAL_LIFETIME
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_follow_the_rest_convention() {
        // `printf 1700000000:7 | openssl dgst -sha1 -hmac north-by-northwest-1959 -binary | base64`
        let secret = TurnSecret::parse(" north-by-northwest-1959\n").unwrap();
        let credential = secret.issue(Token(7), Duration::from_secs(1_700_000_000));
        assert_eq!(credential.username, "1700000000:7");
        assert_eq!(credential.password, "aNLQ1eYxEv3NkieD2NZ4hxunI4o=");
        assert_eq!(format!("{secret:?}"), "TurnSecret(..)");
        assert!(!format!("{credential:?}").contains(&credential.password));
    }

    #[test]
    fn a_derived_secret_depends_on_the_ticket_key_alone() {
        assert_eq!(TurnSecret::derive(&[7; 32]), TurnSecret::derive(&[7; 32]));
        assert_ne!(TurnSecret::derive(&[7; 32]), TurnSecret::derive(&[8; 32]));
        assert_eq!(TurnSecret::parse(&TurnSecret::derive(&[7; 32]).0).unwrap(), TurnSecret::derive(&[7; 32]));
    }

    #[test]
    fn only_one_line_of_sufficient_length_is_a_secret() {
        for invalid in ["", "short", "two lines of text here\nand another one", &"x".repeat(513)] {
            assert!(matches!(TurnSecret::parse(invalid), Err(TurnSecretError::Invalid)), "{invalid}");
        }
    }

    #[test]
    fn usernames_are_split_at_the_first_colon() {
        let parsed = Username::parse("100:7:8").unwrap();
        assert_eq!(parsed, Username { expires: Duration::from_secs(100), user: "7:8" });
        let long = format!("100:{}", "x".repeat(128));
        for invalid in ["", "7", "x:7", "100:", ":7", "-1:7", &long] {
            assert_eq!(Username::parse(invalid), None, "{invalid}");
        }
    }

    #[test]
    fn a_username_is_valid_until_its_expiry_and_not_from_the_far_future() {
        let username = Username::parse("1000000:7").unwrap();
        let expires = Duration::from_secs(1_000_000);
        assert!(username.is_valid_at(expires) && !username.is_valid_at(expires + Duration::from_secs(1)));
        let earliest = expires.saturating_sub(MAX_CREDENTIAL_LIFETIME);
        assert!(username.is_valid_at(earliest) && !username.is_valid_at(earliest - Duration::from_secs(1)));
    }
}
