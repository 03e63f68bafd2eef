//! Time limits of a WebSocket.

use std::time::Duration;

use hutong_protocol::limits;

/// Time limits of a WebSocket. The default is the protocol's; tests shorten it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// From the opening to an accepted `hello`.
    pub hello: Duration,
    /// Silence of the client after which the server sends a ping.
    pub ping_every: Duration,
    /// Silence of the client, pongs included, after which the connection counts as lost.
    pub silence: Duration,
    /// For the operating system to accept a write. It takes longer only if the client has not read for that long.
    pub write: Duration,
    /// For sending the last frames and closing the connection.
    pub close: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            hello: limits::HELLO_TIMEOUT,
            ping_every: limits::PING_INTERVAL,
            silence: limits::IDLE_TIMEOUT,
            write: Duration::from_secs(20),
            close: Duration::from_secs(2),
        }
    }
}
