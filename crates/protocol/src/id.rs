//! Identifiers and credentials: user token, call ID, tickets, secret.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::limits::MAX_SECRET_BYTES;

/// A user's identifier: the time of the first login, in microseconds since the Unix epoch, made unique by the server.
///
/// It is public, and no credential. The session ticket is the credential. Until the year 2255 it is below 2^53, so a
/// JavaScript number holds it exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Token(pub u64);

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A call's ID: `c-` and the time of its `offering` in microseconds since the Unix epoch, in hexadecimal, unique on its
/// server.
///
/// It is no credential: the server checks that the sender is a member of the call.
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

/// Error: the text is not a call ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a call ID is c- and up to 16 hexadecimal digits")]
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

macro_rules! tickets {
    ($($(#[doc = $doc:literal])* $name:ident,)+) => {$(
        $(#[doc = $doc])*
        #[derive(Clone, PartialEq, Eq, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Wraps the text of a ticket without checking it: only the server can verify its own signature.
            #[must_use]
            pub fn new(text: &str) -> Self {
                Self(text.into())
            }

            /// The text, for the wire and for the client's storage.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer).map(|text| Self(text.into()))
            }
        }
    )+};
}

tickets! {
    /// Signed credential for resuming a session: `hello` with it keeps the user's token.
    ///
    /// Opaque to clients and secret: `Debug` leaves out its text, so that it cannot reach a log.
    SessionTicket,
    /// Signed credential for claiming a call after a reconnect.
    ///
    /// Opaque to clients and secret: `Debug` leaves out its text, so that it cannot reach a log.
    CallTicket,
}

/// Login secret that a person enters: the server's access key, or the password of their name.
///
/// `Debug` leaves out its text, so that it cannot reach a log.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Wraps the text as typed, including spaces.
    ///
    /// # Errors
    ///
    /// [`SecretTooLong`] above [`MAX_SECRET_BYTES`].
    pub fn new(typed: &str) -> Result<Self, SecretTooLong> {
        if typed.len() > MAX_SECRET_BYTES {
            return Err(SecretTooLong);
        }
        Ok(Self(typed.into()))
    }

    /// The text, for the wire and for verification. Do not verify it with `==`, whose duration depends on the matching
    /// prefix.
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

/// Error: the text is longer than [`MAX_SECRET_BYTES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a secret has at most {MAX_SECRET_BYTES} bytes")]
pub struct SecretTooLong;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn call_ids_round_trip_and_other_text_is_rejected() {
        for id in [0, 1, 0x7f, u64::MAX] {
            assert_eq!(CallId(id).to_string().parse(), Ok(CallId(id)));
        }
        for bad in ["", "c-", "7f", "c-xyz", "c-+1", "c-11111111111111111", "C-1"] {
            assert_eq!(bad.parse::<CallId>(), Err(BadCallId), "{bad}");
        }
    }

    #[test]
    fn ticket_text_stays_out_of_debug_output() {
        assert_eq!(format!("{:?}", SessionTicket::new("secret")), "SessionTicket(..)");
        assert_eq!(format!("{:?}", CallTicket::new("secret")), "CallTicket(..)");
    }

    #[test]
    fn secret_text_is_bounded_and_stays_out_of_debug_output() {
        let longest = "é".repeat(MAX_SECRET_BYTES / 2);
        let secret = Secret::new(&longest).unwrap();
        assert_eq!((secret.expose(), format!("{secret:?}").as_str()), (longest.as_str(), "Secret(..)"));
        assert_eq!(Secret::new(&format!("{longest}x")), Err(SecretTooLong));
        let error = serde_json::from_str::<Secret>(&format!("\"{longest}x\"")).unwrap_err().to_string();
        assert!(error.contains("at most 1024") && !error.contains('é'), "{error}");
    }
}
