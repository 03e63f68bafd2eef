//! Between a listener, which knows sockets, and the routes above it, which know what is asked for.

use std::{fmt, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, body::Incoming};
use tokio::sync::OwnedSemaphorePermit;

use crate::{entry::Counted, metrics::Connected, shutdown::ConnectionGroup, transport::Transport};

/// Answers the requests of a listener's connections.
pub(crate) trait Handler: fmt::Debug + Send + Sync {
    /// Answers one request. It may start a WebSocket on the connection, which then holds the connection's permit.
    fn respond(&self, request: Request<Incoming>, connection: &ConnectionInfo) -> Response<Full<Bytes>>;
}

/// The connection that a request came on.
#[derive(Debug)]
pub(crate) struct ConnectionInfo {
    pub(crate) peer: SocketAddr,
    pub(crate) transport: Transport,
    pub(crate) permit: Arc<ConnectionPermit>,
}

/// RAII guard: a connection's share of what the server and its address may have. Released when the last of its tasks ends.
#[derive(Debug)]
pub(crate) struct ConnectionPermit {
    pub(crate) _of_the_server: OwnedSemaphorePermit,
    pub(crate) _of_the_address: Counted,
    pub(crate) _counted: Connected,
    /// What it is closed with.
    pub(crate) group: ConnectionGroup,
}
