//! How long a WebSocket may take for what.

use std::time::Duration;

use hutong_protocol::limits;

/// How long a WebSocket may take for what. The default is what the protocol says; tests shorten it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// From opening to an accepted hello.
    pub hello: Duration,
    /// How long a connection may be silent before it is pinged.
    pub ping_every: Duration,
    /// How long it may be silent, pongs included, before it counts as lost.
    pub silence: Duration,
    /// How long the system may take to accept what is written: after that the reader has not read for as long.
    pub write: Duration,
    /// How long a closing connection may take for its farewell.
    pub farewell: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            hello: limits::HELLO,
            ping_every: limits::PING_EVERY,
            silence: limits::SILENCE,
            write: Duration::from_secs(20),
            farewell: Duration::from_secs(2),
        }
    }
}
