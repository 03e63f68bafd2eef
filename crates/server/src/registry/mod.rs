//! Users, calls and deliveries: the authority on states, sans-I/O.

use std::time::Duration;

use hutong_protocol::{ClientMessage, IceServer, RefusedCode, ServerMessage};

/// One WebSocket, as its gateway numbers it. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId(pub u64);

/// What a registry is told when it is made.
#[derive(Clone, Debug)]
pub struct Config {
    /// Users that may be online at once; one more is refused as `full`.
    pub max_users: usize,
    /// Handed to every client in its welcome.
    pub ice_servers: Vec<IceServer>,
    /// The secret that tickets are signed with. A server that has the same one after a restart knows its users again.
    pub ticket_key: [u8; 32],
}

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
    /// Deliver to every connection that has been welcomed, encoded once.
    Broadcast {
        /// What.
        message: ServerMessage,
    },
    /// Send `refused` with this code, then close. The registry knows the connection no more.
    Close {
        /// Which.
        conn: ConnId,
        /// Why.
        code: RefusedCode,
    },
}

/// The registry. All times are since the Unix epoch and never go back.
#[derive(Debug)]
pub struct Registry {}

impl Registry {
    /// An empty registry, as of `now`.
    #[must_use]
    pub fn new(_config: Config, _now: Duration) -> Self {
        Self {}
    }

    /// A connection sent a message. Its first must be hello; the gateway keeps the hello deadline.
    pub fn received(&mut self, _now: Duration, _from: ConnId, _message: ClientMessage) {}

    /// A connection is gone. One that never said hello, or that was closed by [`Effect::Close`], may be told or not.
    pub fn disconnected(&mut self, _now: Duration, _conn: ConnId) {}

    /// Time has passed: deadlines are kept and gathered presence is told.
    pub fn tick(&mut self, _now: Duration) {}

    /// When [`tick`](Self::tick) is due, unless something happens before. `None`: never.
    #[must_use]
    pub fn next_tick(&self) -> Option<Duration> {
        None
    }

    /// What to do next; to be called until `None` after each of the methods above.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        None
    }

    /// A snapshot of everybody but the user of this connection, for a reader that has missed something.
    /// `None` when the connection has not been welcomed.
    #[must_use]
    pub fn roster_for(&self, _conn: ConnId) -> Option<ServerMessage> {
        None
    }

    /// How many users are online.
    #[must_use]
    pub fn users_online(&self) -> usize {
        0
    }
}
