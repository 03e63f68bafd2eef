//! What the registry asks its driver to do.

use std::time::Duration;

use hutong_protocol::{EndReason, RefusedCode, ServerMessage, Ticket, Token, User};

use super::conn::ConnId;

/// What the gateway is to do, in this order.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Deliver to one connection.
    Send {
        /// To whom.
        to: ConnId,
        /// What.
        message: ServerMessage,
    },
    /// Deliver the welcome. Its list is that of the moment at which this is taken out.
    Welcome {
        /// To whom.
        to: ConnId,
        /// The user.
        me: User,
        /// The user's ticket.
        ticket: Ticket,
        /// Who is shown.
        list: List,
    },
    /// Deliver a roster. Its list is that of the moment at which this is taken out.
    Roster {
        /// To whom.
        to: ConnId,
        /// The user.
        me: Token,
        /// Who is shown.
        list: List,
    },
    /// Deliver presence: each change encoded once, for however many readers.
    Presence {
        /// All changes.
        changes: Vec<User>,
        /// Whether all of them go to every connection that is shown everybody.
        whole: bool,
        /// Connections that are shown a part, and which of the changes are for each, by their places.
        parts: Vec<(ConnId, Vec<usize>)>,
    },
    /// Deliver the number of users online, as presence without changes.
    Total {
        /// The number.
        total: u32,
        /// To whom.
        to: Vec<ConnId>,
    },
    /// Send `refused` with this code, then close. The registry knows the connection no more.
    Close {
        /// Which.
        conn: ConnId,
        /// Why.
        code: RefusedCode,
    },
    /// Nothing to do: something that is worth counting has happened.
    Note(Fact),
}

/// The list in a welcome or a roster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum List {
    /// Everybody else online: [`Registry::write_everybody`](super::Registry::write_everybody).
    Whole,
    /// A part of them.
    Part {
        /// Whom.
        users: Vec<User>,
        /// How many are online, the reader included.
        total: u32,
    },
}

/// Something that is worth counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// Somebody logged in.
    LoggedIn {
        /// With the ticket of an earlier log-in.
        back: bool,
    },
    /// CALLING was delivered: a call is set up.
    CallSetUp {
        /// Since OFFERING was delivered; people's time to answer is in it.
        since_offering: Duration,
        /// Since CONFIRM was delivered.
        since_confirm: Duration,
    },
    /// A call is over.
    CallEnded {
        /// Why.
        reason: EndReason,
    },
}
