//! Messages of protocol version 1. Each is one JSON object in a text frame; its `type` is the variant's name in snake
//! case.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    CallId, CallTicket, CancelReason, EndReason, ErrorCode, Name, RefusedCode, Secret, SessionTicket, Token, UserState,
};

/// Message from a client to the server.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ClientMessage {
    /// Logs in, or resumes a session with its ticket. The first message of every connection.
    Hello {
        /// The name as the person typed it. The server validates it and returns its normal form in `welcome`.
        name: String,
        /// The session ticket from an earlier `welcome`. With it, the user keeps its token. Beside a `secret`, it may be
        /// expired: it then shows that this device was logged in under this name before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        resume: Option<SessionTicket>,
        /// The access key or the password, if the server requires one. A valid ticket replaces it. The password of a name
        /// ends another session under it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        secret: Option<Secret>,
        /// Whether the login ends a call in which the name's user is on another device. Without it, such a login with the
        /// name's password is refused as `in_call_elsewhere`, so that the client can ask the person first.
        #[serde(default, skip_serializing_if = "is_false")]
        replace: bool,
    },
    /// Logs out: the name is free at once, and the session's tickets are invalid. If a connection closes without it, the name stays reserved for 30 s
    /// (`limits::NAME_RESERVATION`).
    LogOut,
    /// Offers another user a call. The server answers with `ringing`, or with an `error` about `offering`.
    Offering {
        /// The token of the user to call: the target.
        to: Token,
        /// The media that the caller sends at first.
        media: MediaKind,
    },
    /// Reports that the person tried to call a user who is in another call. The server sends that user `missed`.
    Missed {
        /// The token of the busy user.
        to: Token,
        /// The media that the caller would have sent.
        media: MediaKind,
    },
    /// The target accepts the call: it stops ringing. `confirm` must follow within 30 s
    /// (`limits::CONFIRM_TIMEOUT`).
    Accept {
        /// The call's ID.
        call: CallId,
        /// The media that the target sends at first.
        media: MediaKind,
    },
    /// The target's SDP offer. From then on, both users are `in_call`.
    Confirm {
        /// The call's ID.
        call: CallId,
        /// The offer (RFC 8866, RFC 9429).
        sdp: String,
    },
    /// The caller's SDP answer.
    Calling {
        /// The call's ID.
        call: CallId,
        /// The answer (RFC 8866, RFC 9429).
        sdp: String,
    },
    /// An ICE candidate for the other side (trickle ICE, RFC 8838). Both sides send it, from `confirm` on.
    Candidate {
        /// The call's ID.
        call: CallId,
        /// The candidate, or the end of candidates.
        candidate: IceCandidate,
    },
    /// A later SDP offer or answer for the other side: renegotiation or ICE restart. Both sides send it.
    Description {
        /// The call's ID.
        call: CallId,
        /// Whether `sdp` is an offer or an answer.
        kind: SdpKind,
        /// The session description.
        sdp: String,
    },
    /// Ends the call, for the given reason. Both sides may send it at any time. A `cancel` of a call that is already
    /// over is no error.
    Cancel {
        /// The call's ID.
        call: CallId,
        /// Why the client ends the call.
        reason: CancelReason,
    },
    /// Reports that the client has released its devices after a call. This ends the user's state `ending`.
    Released {
        /// The call's ID.
        call: CallId,
    },
    /// Claims the call that the user was in before its connection was lost. The server answers with `claimed`, `ended`
    /// or `error`.
    Claim {
        /// The call ticket from `confirm` or `calling`.
        ticket: CallTicket,
    },
    /// Sets the client's roster filter, which selects the users of a partial roster. Each `watch` replaces the previous
    /// one. A server that sends partial rosters answers with `roster`. A server that sends the whole roster stores the
    /// filter and answers nothing.
    Watch {
        /// The search text as typed: the beginning of a name or of a word in it. An empty text matches nobody.
        #[serde(default)]
        query: String,
        /// Names of users, as in `users`, that the roster contains whenever they are online. The server ignores names
        /// past the first 64 (`limits::MAX_WATCHED_NAMES`).
        #[serde(default)]
        names: Vec<String>,
    },
    /// Heartbeat of the client. The server answers with `pong`.
    Ping,
}

impl ClientMessage {
    /// The message's `type` on the wire.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Hello { .. } => "hello",
            Self::LogOut => "log_out",
            Self::Offering { .. } => "offering",
            Self::Missed { .. } => "missed",
            Self::Accept { .. } => "accept",
            Self::Confirm { .. } => "confirm",
            Self::Calling { .. } => "calling",
            Self::Candidate { .. } => "candidate",
            Self::Description { .. } => "description",
            Self::Cancel { .. } => "cancel",
            Self::Released { .. } => "released",
            Self::Claim { .. } => "claim",
            Self::Watch { .. } => "watch",
            Self::Ping => "ping",
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
            Self::Hello { .. }
            | Self::LogOut
            | Self::Offering { .. }
            | Self::Missed { .. }
            | Self::Claim { .. }
            | Self::Watch { .. }
            | Self::Ping => None,
        }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
const fn is_false(value: &bool) -> bool {
    !*value
}

/// Message from the server to a client.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerMessage {
    /// The server accepted `hello`: the user is logged in.
    Welcome {
        /// This user, with the name in its normal form.
        me: User,
        /// The session ticket: a later `hello` with it resumes the session, with the same token.
        ticket: SessionTicket,
        /// The STUN and TURN servers for the peer connection. May be empty.
        ice_servers: Vec<IceServer>,
        /// The server's limits on messages from the client.
        limits: Limits,
        /// All other users online. A part of them if `total` is present.
        users: Vec<User>,
        /// The number of users online, including this one. Only present if `users` is a part of them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        total: Option<u32>,
    },
    /// The ICE servers from now on, which replace those of `welcome`. The server sends it in long sessions, because
    /// TURN credentials expire.
    IceServers {
        /// The STUN and TURN servers for the peer connection. May be empty.
        ice_servers: Vec<IceServer>,
    },
    /// The server refuses or ends the session, and closes the connection.
    Refused {
        /// Why the server refuses or ends the session.
        code: RefusedCode,
        /// Description for logs. Clients show people a translated sentence for the code.
        message: String,
    },
    /// Users that came online, went `offline` or changed state. A client with a partial roster receives only the
    /// changes of users in its roster.
    Presence {
        /// The changed users, one entry each, with their newest state.
        changes: Vec<User>,
        /// The number of users online, including this one. Only present for a client with a partial roster, after the
        /// number has changed noticeably.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        total: Option<u32>,
    },
    /// A fresh roster, which replaces all users sent before. The server sends it as the answer to `watch`, to a slow
    /// reader in place of missed `presence`, and when it changes from whole to partial rosters or back.
    Roster {
        /// All other users online. A part of them if `total` is present.
        users: Vec<User>,
        /// The number of users online, including this one. Only present if `users` is a part of them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        total: Option<u32>,
    },
    /// Another user offers this user a call.
    Offering {
        /// The new call's ID.
        call: CallId,
        /// The caller.
        from: User,
        /// The media that the caller sends at first.
        media: MediaKind,
    },
    /// Another user offered this user a call, which did not ring because this user is in another call.
    Missed {
        /// The caller.
        from: User,
        /// The media that the caller offered.
        media: MediaKind,
    },
    /// The call that this user offered rings at the target.
    Ringing {
        /// The new call's ID.
        call: CallId,
        /// The target's token.
        to: Token,
    },
    /// The target accepted the call.
    Accepted {
        /// The call's ID.
        call: CallId,
        /// The media that the target sends at first.
        media: MediaKind,
    },
    /// The target's SDP offer, sent to the caller.
    Confirm {
        /// The call's ID.
        call: CallId,
        /// The offer (RFC 8866, RFC 9429).
        sdp: String,
        /// The call ticket, for claiming the call after the connection was lost.
        ticket: CallTicket,
    },
    /// The caller's SDP answer, sent to the target.
    Calling {
        /// The call's ID.
        call: CallId,
        /// The answer (RFC 8866, RFC 9429).
        sdp: String,
        /// The call ticket, for claiming the call after the connection was lost.
        ticket: CallTicket,
    },
    /// An ICE candidate from the other side.
    Candidate {
        /// The call's ID.
        call: CallId,
        /// The candidate, or the end of candidates.
        candidate: IceCandidate,
    },
    /// A later SDP offer or answer from the other side.
    Description {
        /// The call's ID.
        call: CallId,
        /// Whether `sdp` is an offer or an answer.
        kind: SdpKind,
        /// The session description.
        sdp: String,
    },
    /// The call is over. The client releases its devices, then sends `released`.
    Ended {
        /// The call's ID.
        call: CallId,
        /// Why the call ended.
        reason: EndReason,
    },
    /// A new session ticket, in place of the one of `welcome`.
    Ticket {
        /// The ticket.
        ticket: SessionTicket,
    },
    /// The claim succeeded: this user is in the call again.
    Claimed {
        /// The call's ID.
        call: CallId,
    },
    /// The server rejected a message of this client. The message had no effect, and the connection stays open.
    Error {
        /// Why the server rejected the message.
        code: ErrorCode,
        /// Description for logs and developers.
        message: String,
        /// The `type` of the rejected message, if the server could read it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        about: Option<String>,
        /// The `call` of the rejected message, if it has one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        call: Option<CallId>,
    },
    /// Answer to `ping`.
    Pong,
}

impl ServerMessage {
    /// The message's `type` on the wire.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Welcome { .. } => "welcome",
            Self::IceServers { .. } => "ice_servers",
            Self::Ticket { .. } => "ticket",
            Self::Refused { .. } => "refused",
            Self::Presence { .. } => "presence",
            Self::Roster { .. } => "roster",
            Self::Offering { .. } => "offering",
            Self::Missed { .. } => "missed",
            Self::Ringing { .. } => "ringing",
            Self::Accepted { .. } => "accepted",
            Self::Confirm { .. } => "confirm",
            Self::Calling { .. } => "calling",
            Self::Candidate { .. } => "candidate",
            Self::Description { .. } => "description",
            Self::Ended { .. } => "ended",
            Self::Claimed { .. } => "claimed",
            Self::Error { .. } => "error",
            Self::Pong => "pong",
        }
    }
}

/// Public data of a user.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct User {
    /// The user's identifier.
    pub token: Token,
    /// The name in its normal form.
    pub name: Name,
    /// The current state.
    pub state: UserState,
}

/// Media that one side of a call sends at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum MediaKind {
    /// Camera and microphone.
    Video,
    /// The microphone only.
    Voice,
}

/// Type of a session description (W3C `RTCSdpType`, without provisional answers and rollback).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum SdpKind {
    /// An SDP offer.
    Offer,
    /// An SDP answer.
    Answer,
}

/// An ICE candidate, with the W3C's field names (`RTCIceCandidateInit`). An empty `candidate` marks the end of
/// candidates.
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
    /// The ICE username fragment: the generation of ICE credentials of this candidate (RFC 8839, section 5.4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username_fragment: Option<String>,
}

/// Leaves out the IP addresses, so that they cannot reach a log.
impl fmt::Debug for IceCandidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IceCandidate").field("end", &self.candidate.is_empty()).finish_non_exhaustive()
    }
}

/// A STUN or TURN server, with the W3C's field names (`RTCIceServer`).
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct IceServer {
    /// `stun:` and `turn:` URLs (RFC 7064, RFC 7065).
    pub urls: Vec<String>,
    /// The user name for TURN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The password for TURN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
}

/// Leaves out username and credential, so that they cannot reach a log.
impl fmt::Debug for IceServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IceServer").field("urls", &self.urls).finish_non_exhaustive()
    }
}

/// The server's limits on messages from a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Limits {
    /// The largest message, in bytes.
    pub message_bytes: u32,
    /// The sustained rate, in messages per second.
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
