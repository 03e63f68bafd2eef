//! The identifier of a client connection.

/// Number of one WebSocket connection, assigned by the hub. Never reused while the server runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId(pub u64);
