//! The identifier of a connection.

/// One WebSocket, as its gateway numbers it. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId(pub u64);
