//! The registry's outputs: messages to deliver, connections to close, events to count.

use std::time::Duration;

use hutong_protocol::{EndReason, ErrorCode, RefusedCode, ServerMessage, SessionTicket, Token, User};

use super::{conn_id::ConnId, revocations::Revocation};

/// One output of the registry. The hub carries the effects out in the order in which the registry returns them.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Send a message to one connection.
    Send {
        /// The recipient.
        to: ConnId,
        /// The message.
        message: ServerMessage,
    },
    /// Send a candidate or description of one connection to another, unless too many wait there already: then answer the
    /// sender with an error.
    Relay {
        /// The sender.
        from: ConnId,
        /// The recipient.
        to: ConnId,
        /// The message.
        message: ServerMessage,
    },
    /// Send the welcome. A whole roster in it is read when the effect is carried out.
    Welcome {
        /// The recipient.
        to: ConnId,
        /// The recipient's user.
        me: User,
        /// The user's session ticket.
        ticket: SessionTicket,
        /// The users that the client is shown.
        roster: RosterContent,
    },
    /// Send a roster. A whole roster is read when the effect is carried out.
    Roster {
        /// The recipient.
        to: ConnId,
        /// The recipient's user.
        me: Token,
        /// The users that the client is shown.
        roster: RosterContent,
    },
    /// Send presence. Each change is encoded once for all recipients.
    Presence {
        /// All changes.
        changes: Vec<User>,
        /// Whether every connection with a whole roster receives all changes.
        to_whole_rosters: bool,
        /// The connections with a partial roster, each with the indices of its changes.
        partial: Vec<(ConnId, Vec<usize>)>,
    },
    /// Send the number of users online, as a presence message without changes.
    Total {
        /// The number.
        total: u32,
        /// The recipients.
        to: Vec<ConnId>,
    },
    /// Send `refused` with this code and close the connection. The registry has already removed it.
    Close {
        /// The connection.
        conn: ConnId,
        /// The reason.
        code: RefusedCode,
    },
    /// The user's session has ended for good: revoke what else the user holds, such as its TURN credentials.
    SessionEnded(Token),
    /// Store a revocation, so that it outlasts a restart. It is in force already.
    Revoked(Revocation),
    /// Count an event. Nothing is sent.
    Event(RegistryEvent),
}

/// The error for the sender of a message that the recipient's queue has no room for.
#[must_use]
pub(crate) fn relay_refused(message: &ServerMessage) -> ServerMessage {
    let call = match message {
        ServerMessage::Candidate { call, .. } | ServerMessage::Description { call, .. } => Some(*call),
        _ => None,
    };
    ServerMessage::Error {
        code: ErrorCode::RateLimited,
        message: "the other side does not read as much as you send: this message has no effect".to_owned(),
        about: Some(message.kind().to_owned()),
        call,
    }
}

/// The users in a welcome or a roster message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RosterContent {
    /// All other users online, from [`Registry::write_whole_roster`](super::Registry::write_whole_roster).
    Whole,
    /// Some of the users online.
    Partial {
        /// The users.
        users: Vec<User>,
        /// How many users are online, the recipient included.
        total: u32,
    },
}

/// A countable event. The registry knows no metrics; the hub passes events on to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegistryEvent {
    /// A user logged in.
    LoggedIn {
        /// Whether the client resumed an earlier session with a ticket.
        resumed: bool,
    },
    /// CALLING was sent to the target: the call is established.
    CallSetUp {
        /// Time since OFFERING was sent. It includes the time in which the target's user answered.
        since_offering: Duration,
        /// Time since CONFIRM was sent.
        since_confirm: Duration,
    },
    /// A call ended.
    CallEnded {
        /// The reason.
        reason: EndReason,
    },
}
