//! Identifiers and secrets: a user's token, a call's id, a ticket, a secret.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::limits::SECRET_BYTES;

/// A user's token: the moment of the first login, in microseconds since the Unix epoch, made unique by the server.
///
/// It fits a JavaScript number exactly until the year 2255 (2^53 microseconds).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Token(pub u64);

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A call's id: `c-` and the moment of its OFFERING in microseconds since the Unix epoch, in hexadecimal, unique on its
/// server.
///
/// Knowing one gives no right to the call: the server checks who is a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId(pub u64);

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "c-{:x}", self.0)
    }
}

impl FromStr for CallId {
    type Err = BadCallId;

    fn from_str(text: &str) -> Result<Self, BadCallId> {
        let digits = text.strip_prefix("c-").ok_or(BadCallId)?;
        if digits.is_empty() || digits.len() > 16 || digits.starts_with('+') {
            return Err(BadCallId);
        }
        u64::from_str_radix(digits, 16).map(Self).map_err(|_| BadCallId)
    }
}

/// The text is no call id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a call id is c- and up to 16 hexadecimal digits")]
pub struct BadCallId;

impl Serialize for CallId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for CallId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// What the server signed so that its holder can come back: as a user (`welcome`), or into a call (`confirm`, `calling`).
///
/// Opaque to clients, and a secret: its text is left out of debug output, so that it cannot reach a log.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Ticket(Arc<str>);

impl Ticket {
    /// Wraps a ticket's text. Nothing is checked: only the server that signed it can tell.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// The text, for the wire and for the client's own store.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ticket(..)")
    }
}

impl Serialize for Ticket {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Ticket {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(text.into()))
    }
}

/// What a person gives to be let in: the server's access key, or the password of their name.
///
/// Its text is left out of debug output, so that it cannot reach a log.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Wraps what was typed, as it is: spaces count.
    ///
    /// # Errors
    ///
    /// [`SecretTooLong`] past [`SECRET_BYTES`].
    pub fn new(typed: &str) -> Result<Self, SecretTooLong> {
        if typed.len() > SECRET_BYTES {
            return Err(SecretTooLong);
        }
        Ok(Self(typed.into()))
    }

    /// The text, for the wire and for whoever checks it. Comparing it with `==` takes longer the more of it is right.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}

/// The text is no secret: it is longer than [`SECRET_BYTES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a secret has at most {SECRET_BYTES} bytes")]
pub struct SecretTooLong;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn call_ids_are_read_as_they_are_written() {
        for id in [0, 1, 0x7f, u64::MAX] {
            assert_eq!(CallId(id).to_string().parse(), Ok(CallId(id)));
        }
        for bad in ["", "c-", "7f", "c-xyz", "c-+1", "c-11111111111111111", "C-1"] {
            assert_eq!(bad.parse::<CallId>(), Err(BadCallId), "{bad}");
        }
    }

    #[test]
    fn a_ticket_stays_out_of_debug_output() {
        assert_eq!(format!("{:?}", Ticket::new("secret")), "Ticket(..)");
    }

    #[test]
    fn a_secret_is_bounded_and_stays_out_of_debug_output() {
        let longest = "é".repeat(SECRET_BYTES / 2);
        let secret = Secret::new(&longest).unwrap();
        assert_eq!((secret.expose(), format!("{secret:?}").as_str()), (longest.as_str(), "Secret(..)"));
        assert_eq!(Secret::new(&format!("{longest}x")), Err(SecretTooLong));
        let said = serde_json::from_str::<Secret>(&format!("\"{longest}x\"")).unwrap_err().to_string();
        assert!(said.contains("at most 1024") && !said.contains('é'), "{said}");
    }
}
