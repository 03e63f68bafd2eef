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
    /// Why the server refuses or ends a session. The WebSocket's close frame has the same code as its reason.
    RefusedCode {
        /// The name is empty, too long, or has characters that a name must not have.
        NameInvalid = "name_invalid",
        /// Another user online has the same name after case folding, or has it reserved after a lost connection.
        NameTaken = "name_taken",
        /// The session ticket was not signed by this server, has expired or been revoked (by a logout), or was issued for
        /// another name or secret.
        TicketInvalid = "ticket_invalid",
        /// The server requires an access key or a password, and `hello` has none.
        SecretRequired = "secret_required",
        /// The secret is not the server's access key, or not the password of this name.
        SecretWrong = "secret_wrong",
        /// The access key or the password that admitted the user has been changed: ask for the new one.
        SecretChanged = "secret_changed",
        /// The server's deny list contains the name or the client's address.
        NotWelcome = "not_welcome",
        /// The same user logged in on another connection, with a ticket of the session or with the name's password. The client
        /// must not reconnect automatically.
        Replaced = "replaced",
        /// The user is in a call on another device, which the login would end: log in with `replace` once the person agrees.
        InCallElsewhere = "in_call_elsewhere",
        /// The client and the server use different protocol versions: update the older one.
        Version = "version",
        /// The server has reached its limit of users online.
        Full = "full",
        /// Too many connections or logins from this address, too many logins of this user or on this connection, or too
        /// many wrong secrets for this address or name: retry later.
        TooMany = "too_many",
        /// The server accepted no `hello` within 10 s (`limits::HELLO_TIMEOUT`).
        HelloTimeout = "hello_timeout",
        /// The client kept exceeding the message rate.
        RateLimited = "rate_limited",
        /// A message exceeded the size limit (`limits::MAX_MESSAGE_BYTES`).
        TooLarge = "too_large",
        /// The client reads too slowly, even with a fresh roster in place of missed `presence`.
        TooSlow = "too_slow",
        /// The client sent something other than a text frame, or violated the WebSocket framing.
        BadFrame = "bad_frame",
        /// The server is stopping or restarting: reconnect later.
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
            | Self::SecretChanged
            | Self::NotWelcome
            | Self::Replaced
            | Self::InCallElsewhere
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
    /// Why the server rejected a message. The connection stays open.
    ErrorCode {
        /// The message is not a JSON object, lacks a field, or has a field with an invalid value.
        Malformed = "malformed",
        /// This protocol version has no message of this `type`.
        UnknownType = "unknown_type",
        /// A message before `hello`, or a second `hello`.
        NotNow = "not_now",
        /// The target is not online.
        NotOnline = "not_online",
        /// The target, or the sender of the message, is `connecting`, `in_call` or `ending`.
        Busy = "busy",
        /// The sender has called this user, or others, too often lately without being accepted: it must pause.
        TooManyCalls = "too_many_calls",
        /// The target has just offered the sender a call. That call stands, and the client accepts it instead.
        Crossed = "crossed",
        /// A user cannot call itself.
        SelfCall = "self_call",
        /// The call does not exist, is over, or does not have this user as a member.
        NoCall = "no_call",
        /// The call is not at the step for this message, or the other side has to send it.
        WrongStep = "wrong_step",
        /// The call ticket was not signed by this server, has expired, or is for another user.
        TicketInvalid = "ticket_invalid",
        /// The client exceeds the message rate, or, if `call` is present, the bytes that it may have relayed in a call:
        /// the message has no effect. If the former continues, the server closes the connection.
        RateLimited = "rate_limited",
    }
}

codes! {
    /// Why a call ended, as reported by `ended`.
    EndReason {
        /// The other side hung up.
        Hangup = "hangup",
        /// The target declined the call.
        Declined = "declined",
        /// The caller gave up before the call was established.
        Cancelled = "cancelled",
        /// The target did not answer within 45 s (`limits::RING_TIMEOUT`).
        Unanswered = "unanswered",
        /// `confirm` or `calling` did not arrive before its deadline.
        Timeout = "timeout",
        /// The media connection could not be established, or was lost.
        Failed = "failed",
        /// The other side logged out, or lost its WebSocket and did not claim the call in time.
        Gone = "gone",
        /// The other side has claimed an earlier call in the meantime.
        Busy = "busy",
    }
}

codes! {
    /// Why a client cancels a call.
    CancelReason {
        /// The person hangs up an established call.
        Hangup = "hangup",
        /// The target declines the call.
        Declined = "declined",
        /// The caller gives up before the call is established.
        Cancelled = "cancelled",
        /// The media connection could not be established, or was lost.
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
