//! Options of the TURN server.

use std::net::SocketAddr;

use super::host::TurnHost;
use crate::relay::RelayLimits;

/// Options of the TURN server.
#[derive(Clone, Debug, Default)]
pub struct TurnOptions {
    /// Addresses of its own for UDP, TCP and TLS, instead of the port of the web app. Behind a reverse proxy there must be one.
    pub listen: Vec<SocketAddr>,
    /// The host that clients are told, instead of the one that they requested the web app from.
    pub host: Option<TurnHost>,
    /// Limits.
    pub limits: RelayLimits,
}
