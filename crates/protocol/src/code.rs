//! Stable wire codes for refusals, errors and the end of a call. The client translates them for people.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($(#[doc = $description:literal])* $name:ident {
        $($(#[doc = $meaning:literal])* $variant:ident = $wire:literal,)+
    }) => {
        $(#[doc = $description])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[doc = $meaning])* #[serde(rename = $wire)] $variant,)+
            /// A code that this build does not know; a newer version of the protocol defines it.
            #[serde(other, rename = "unknown")] Unknown,
        }
        impl $name {
            /// All codes of this version.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];
            /// The code on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $wire,)+ Self::Unknown => "unknown" }
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(self.as_str()) }
        }
        #[cfg(feature = "schema")]
        impl crate::code_schema::CodeSchema for $name {
            const NAME: &'static str = stringify!($name);
            const DESCRIPTION: &'static str = concat!($($description),*);
            const CODES: &'static [(&'static str, &'static str)] = &[$(($wire, concat!($($meaning),*)),)+];
        }
        #[cfg(feature = "schema")]
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                <Self as crate::code_schema::CodeSchema>::NAME.into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                crate::code_schema::code_schema::<Self>()
            }
        }
    };
}

codes! {
    /// Why the server refuses or ends a session. It is also the reason in the WebSocket's close frame.
    RefusedCode {
        /// The name is empty, too long, or has characters that names cannot have.
        NameInvalid = "name_invalid",
        /// Somebody online has this name, or one that looks the same.
        NameTaken = "name_taken",
        /// The ticket was not signed by this server, is too old, or is not a user's.
        TicketInvalid = "ticket_invalid",
        /// This server asks for an access key or a password, and none came.
        SecretRequired = "secret_required",
        /// The access key is not this server's, or the password is not this name's.
        SecretWrong = "secret_wrong",
        /// This server does not let this name or this address in.
        NotWelcome = "not_welcome",
        /// The same user came back on another connection. This one does not reconnect by itself.
        Replaced = "replaced",
        /// The client speaks another version of the protocol: update it.
        Version = "version",
        /// The server has as many users as it takes.
        Full = "full",
        /// Too many connections, log-ins or wrong secrets from this address, or log-ins of this user: come back later.
        TooMany = "too_many",
        /// No hello came in time.
        HelloTimeout = "hello_timeout",
        /// More messages than one connection may send.
        RateLimited = "rate_limited",
        /// A message larger than the limit.
        TooLarge = "too_large",
        /// The reader did not keep up, even with a fresh snapshot.
        TooSlow = "too_slow",
        /// Something other than a text frame, or broken framing.
        BadFrame = "bad_frame",
        /// The server is stopping or restarting: come back.
        ShuttingDown = "shutting_down",
    }
}

impl RefusedCode {
    /// Whether a client may retry the same `hello` without asking the person.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        match self {
            Self::NameInvalid
            | Self::NameTaken
            | Self::TicketInvalid
            | Self::SecretRequired
            | Self::SecretWrong
            | Self::NotWelcome
            | Self::Replaced
            | Self::Version => false,
            Self::Full
            | Self::TooMany
            | Self::HelloTimeout
            | Self::RateLimited
            | Self::TooLarge
            | Self::TooSlow
            | Self::BadFrame
            | Self::ShuttingDown
            | Self::Unknown => true,
        }
    }
}

codes! {
    /// What was wrong with one message. The connection stays.
    ErrorCode {
        /// The message is no JSON object, or lacks a field, or a field is out of its range.
        Malformed = "malformed",
        /// The message's `type` is none of this version's.
        UnknownType = "unknown_type",
        /// A message before hello, or a second hello.
        NotNow = "not_now",
        /// The user called is not online.
        NotOnline = "not_online",
        /// The user called, or the caller, is connecting, in a call or ending one.
        Busy = "busy",
        /// The user called has just offered a call itself: that one stands, and is accepted instead.
        Crossed = "crossed",
        /// Nobody can call themselves.
        SelfCall = "self_call",
        /// The call does not exist, is over, or is somebody else's.
        NoCall = "no_call",
        /// The call exists, but this message does not come now or not from this side.
        WrongStep = "wrong_step",
        /// The call's ticket was not signed by this server, or is somebody else's.
        TicketInvalid = "ticket_invalid",
        /// More messages than one connection may send; after a few of these the connection is closed.
        RateLimited = "rate_limited",
    }
}

codes! {
    /// Why a call ended, as the other side is told.
    EndReason {
        /// The other side hung up.
        Hangup = "hangup",
        /// The called side declined.
        Declined = "declined",
        /// The caller gave up before it was answered.
        Cancelled = "cancelled",
        /// Nobody answered in time.
        Unanswered = "unanswered",
        /// The next step of the flow did not come in time.
        Timeout = "timeout",
        /// Media could not be set up or was lost.
        Failed = "failed",
        /// The other side has logged out, or its WebSocket was lost and the call was not claimed in time.
        Gone = "gone",
        /// The called side has returned into another call meanwhile.
        Busy = "busy",
    }
}

codes! {
    /// Why a client cancels a call.
    CancelReason {
        /// A call that was set up is hung up.
        Hangup = "hangup",
        /// The ring is declined.
        Declined = "declined",
        /// The caller gives up.
        Cancelled = "cancelled",
        /// Media could not be set up, or was lost.
        Failed = "failed",
    }
}

impl From<CancelReason> for EndReason {
    fn from(reason: CancelReason) -> Self {
        match reason {
            CancelReason::Hangup | CancelReason::Unknown => Self::Hangup,
            CancelReason::Declined => Self::Declined,
            CancelReason::Cancelled => Self::Cancelled,
            CancelReason::Failed => Self::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_serialize_to_their_wire_strings() {
        for code in RefusedCode::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
        for code in ErrorCode::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
        for code in EndReason::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
    }

    #[test]
    fn an_unknown_code_deserializes_to_unknown() {
        assert_eq!(serde_json::from_str::<ErrorCode>(r#""from_2030""#).unwrap(), ErrorCode::Unknown);
        assert!(serde_json::from_str::<RefusedCode>(r#""from_2030""#).unwrap().is_retryable());
    }
}
