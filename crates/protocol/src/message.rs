//! Messages of protocol version 1. Each is one JSON object in a text frame; its `type` is the variant's name in snake case.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    CallId, CallTicket, CancelReason, EndReason, ErrorCode, Name, RefusedCode, Secret, SessionTicket, Token, UserState,
};

/// What a client says to the server.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ClientMessage {
    /// Log in, or come back with the ticket of an earlier login. The first message of every connection.
    Hello {
        /// The name as the person typed it; the server checks it and answers with its normal form.
        name: String,
        /// The ticket of the earlier login's `welcome`; with it the token stays the same.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        resume: Option<SessionTicket>,
        /// The access key or the password, where the server asks for one. Needless beside a ticket that is good.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        secret: Option<Secret>,
    },
    /// Leave for good: the name is free at once. Without it a lost connection keeps the name for a while.
    LogOut,
    /// Offer somebody a call. Answered by `ringing`, or by an `error` about `offering`.
    Offering {
        /// Who is called.
        to: Token,
        /// What the caller starts with.
        media: MediaKind,
    },
    /// The called person took the call: it stops ringing, and 30 s (`limits::CONFIRM_TIMEOUT`) are left for the offer.
    // The published schema keeps its text.
    #[cfg_attr(
        feature = "schema",
        schemars(
            description = "The called person took the call: it stops ringing, and 30 s (`limits::CONFIRM`) are left for the offer."
        )
    )]
    Accept {
        /// Which call.
        call: CallId,
        /// What the called side answers with.
        media: MediaKind,
    },
    /// The called side's offer.
    Confirm {
        /// Which call.
        call: CallId,
        /// The offer (RFC 8866, RFC 9429).
        sdp: String,
    },
    /// The caller's answer.
    Calling {
        /// Which call.
        call: CallId,
        /// The answer (RFC 8866, RFC 9429).
        sdp: String,
    },
    /// Trickle ICE (RFC 8838), either way, from CONFIRM on.
    Candidate {
        /// Which call.
        call: CallId,
        /// One candidate, or the end of candidates.
        candidate: IceCandidate,
    },
    /// A later offer or answer, either way: renegotiation and ICE restart.
    Description {
        /// Which call.
        call: CallId,
        /// Offer or answer.
        kind: SdpKind,
        /// The session description.
        sdp: String,
    },
    /// End the call: decline, give up, hang up or failed, by either side at any time. A cancel of a call that is over
    /// already is no error.
    Cancel {
        /// Which call.
        call: CallId,
        /// Why.
        reason: CancelReason,
    },
    /// This side has let go of its devices: ends `ending`.
    Released {
        /// Which call.
        call: CallId,
    },
    /// After a reconnect: I am still in this call.
    Claim {
        /// The call's ticket, from `confirm` or `calling`.
        ticket: CallTicket,
    },
    /// Whom to show, on a server that shows a part of who is online. Answered by `roster` there; a server that shows everybody
    /// keeps it for later, and answers nothing. Each takes the place of the one before.
    Watch {
        /// What the person searches for, as typed: the beginning of a name or of a word in it. Empty: nobody.
        #[serde(default)]
        query: String,
        /// Names to be shown whenever they are online, as `users` has them. Those past the first 64 (`limits::MAX_WATCHED_NAMES`)
        /// are passed over.
        // The published schema keeps its text.
        #[cfg_attr(
            feature = "schema",
            schemars(
                description = "Names to be shown whenever they are online, as `users` has them. Those past the first 64 (`limits::WATCHED_NAMES`)\nare passed over."
            )
        )]
        #[serde(default)]
        names: Vec<String>,
    },
}

impl ClientMessage {
    /// The message's `type` on the wire.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Hello { .. } => "hello",
            Self::LogOut => "log_out",
            Self::Offering { .. } => "offering",
            Self::Accept { .. } => "accept",
            Self::Confirm { .. } => "confirm",
            Self::Calling { .. } => "calling",
            Self::Candidate { .. } => "candidate",
            Self::Description { .. } => "description",
            Self::Cancel { .. } => "cancel",
            Self::Released { .. } => "released",
            Self::Claim { .. } => "claim",
            Self::Watch { .. } => "watch",
        }
    }

    /// The message's `call`, if it has one.
    #[must_use]
    pub const fn call(&self) -> Option<CallId> {
        match self {
            Self::Accept { call, .. }
            | Self::Confirm { call, .. }
            | Self::Calling { call, .. }
            | Self::Candidate { call, .. }
            | Self::Description { call, .. }
            | Self::Cancel { call, .. }
            | Self::Released { call } => Some(*call),
            Self::Hello { .. } | Self::LogOut | Self::Offering { .. } | Self::Claim { .. } | Self::Watch { .. } => None,
        }
    }
}

/// What the server says to a client.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerMessage {
    /// Hello was accepted.
    Welcome {
        /// This user, with the name in its normal form.
        me: User,
        /// For coming back with the same token.
        ticket: SessionTicket,
        /// For the peer connection; may be empty.
        ice_servers: Vec<IceServer>,
        /// What this server takes.
        limits: Limits,
        /// Everybody else online, or a part of them.
        users: Vec<User>,
        /// How many users are online, this one included. Only where `users` is a part of them: without it, it is all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        total: Option<u32>,
    },
    /// The session is refused or over; the connection closes.
    Refused {
        /// Why.
        code: RefusedCode,
        /// For logs; people get a sentence in their language by the code.
        message: String,
    },
    /// Who came, went (`offline`) or changed state, as far as this user is shown them.
    Presence {
        /// One entry a user, with its newest state.
        changes: Vec<User>,
        /// How many users are online, this one included; where it has changed noticeably. Only where this user is shown a part.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        total: Option<u32>,
    },
    /// A fresh list in place of all that was told before: the answer to `watch`, what a slow reader gets for the presence that it
    /// missed, and the news that the server shows everybody from now on, or no longer does.
    Roster {
        /// Everybody else online, or a part of them.
        users: Vec<User>,
        /// How many users are online, this one included. Only where `users` is a part of them: without it, it is all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        total: Option<u32>,
    },
    /// Somebody offers this user a call.
    Offering {
        /// The new call.
        call: CallId,
        /// The caller.
        from: User,
        /// What the caller starts with.
        media: MediaKind,
    },
    /// The call that this user offered exists, and rings.
    Ringing {
        /// The new call.
        call: CallId,
        /// Who is rung.
        to: Token,
    },
    /// The called person took the call.
    Accepted {
        /// Which call.
        call: CallId,
        /// What the called side answers with.
        media: MediaKind,
    },
    /// The called side's offer, to the caller.
    Confirm {
        /// Which call.
        call: CallId,
        /// The offer.
        sdp: String,
        /// For claiming the call after a lost connection.
        ticket: CallTicket,
    },
    /// The caller's answer, to the called side.
    Calling {
        /// Which call.
        call: CallId,
        /// The answer.
        sdp: String,
        /// For claiming the call after a lost connection.
        ticket: CallTicket,
    },
    /// The other side's candidate.
    Candidate {
        /// Which call.
        call: CallId,
        /// One candidate, or the end of candidates.
        candidate: IceCandidate,
    },
    /// The other side's later offer or answer.
    Description {
        /// Which call.
        call: CallId,
        /// Offer or answer.
        kind: SdpKind,
        /// The session description.
        sdp: String,
    },
    /// The call is over. Answered by `released` as soon as the devices are let go.
    Ended {
        /// Which call.
        call: CallId,
        /// Why.
        reason: EndReason,
    },
    /// The claim is met: this user is in the call again.
    Claimed {
        /// Which call.
        call: CallId,
    },
    /// A message of this client was wrong, and had no effect. The connection stays.
    Error {
        /// What was wrong.
        code: ErrorCode,
        /// For logs and developers.
        message: String,
        /// The `type` of the message that was wrong, where it could be read.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        about: Option<String>,
        /// The call that the message was about, where it named one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        call: Option<CallId>,
    },
}

impl ServerMessage {
    /// The message's `type` on the wire.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Welcome { .. } => "welcome",
            Self::Refused { .. } => "refused",
            Self::Presence { .. } => "presence",
            Self::Roster { .. } => "roster",
            Self::Offering { .. } => "offering",
            Self::Ringing { .. } => "ringing",
            Self::Accepted { .. } => "accepted",
            Self::Confirm { .. } => "confirm",
            Self::Calling { .. } => "calling",
            Self::Candidate { .. } => "candidate",
            Self::Description { .. } => "description",
            Self::Ended { .. } => "ended",
            Self::Claimed { .. } => "claimed",
            Self::Error { .. } => "error",
        }
    }
}

/// What everybody may know of a user.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct User {
    /// Who.
    pub token: Token,
    /// The name in its normal form.
    pub name: Name,
    /// The state now.
    pub state: UserState,
}

/// What a side of a call sends when it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum MediaKind {
    /// Camera and microphone.
    Video,
    /// The microphone alone.
    Voice,
}

/// Which half of an exchange a session description is (W3C `RTCSdpType`, without provisional answers and rollback).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum SdpKind {
    /// The first half.
    Offer,
    /// The second half.
    Answer,
}

/// An ICE candidate in the W3C's names (`RTCIceCandidateInit`). An empty `candidate` says that no more will come.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct IceCandidate {
    /// The candidate attribute (RFC 8839, section 5.1), or empty.
    pub candidate: String,
    /// The media stream identification tag (RFC 5888).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sdp_mid: Option<String>,
    /// The index of the media description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sdp_m_line_index: Option<u16>,
    /// Which generation of ICE credentials it belongs to (RFC 8839, section 5.4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username_fragment: Option<String>,
}

/// Leaves out the IP addresses, so that they cannot reach a log.
impl fmt::Debug for IceCandidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IceCandidate").field("end", &self.candidate.is_empty()).finish_non_exhaustive()
    }
}

/// A STUN or TURN server in the W3C's names (`RTCIceServer`). The credential is left out of debug output, so that it cannot
/// reach a log.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct IceServer {
    /// `stun:` and `turn:` URLs (RFC 7064, RFC 7065).
    pub urls: Vec<String>,
    /// For TURN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// For TURN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
}

/// Leaves out username and credential, so that they cannot reach a log.
impl fmt::Debug for IceServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IceServer").field("urls", &self.urls).finish_non_exhaustive()
    }
}

/// What a server takes, so that a client need not find out by being refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Limits {
    /// Bytes in a message.
    pub message_bytes: u32,
    /// Messages a second, lasting.
    pub messages_per_second: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes: crate::limits::MAX_MESSAGE_BYTES as u32,
            messages_per_second: crate::limits::MESSAGES_PER_SECOND,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turn_credentials_stay_out_of_debug_output() {
        let server = IceServer {
            urls: vec!["turn:turn.example.org".into()],
            username: Some("alice".into()),
            credential: Some("s3cret".into()),
        };
        let debug = format!("{server:?}");
        assert!(debug.contains("turn.example.org"), "{debug}");
        assert!(!debug.contains("s3cret") && !debug.contains("alice"), "{debug}");
    }

    #[test]
    fn candidate_addresses_stay_out_of_debug_output() {
        let (candidate, sdp_mid) = ("candidate:1 1 udp 1 192.0.2.7 9 typ host".into(), Some("0".into()));
        let candidate = IceCandidate { candidate, sdp_mid, sdp_m_line_index: None, username_fragment: None };
        let debug = format!("{candidate:?}");
        assert!(!debug.contains("192.0.2.7"), "{debug}");
    }
}
