//! Interface between a listener, which owns connections, and the routes, which answer requests.

use std::{fmt, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, body::Incoming};
use tokio::sync::OwnedSemaphorePermit;

use crate::{
    metrics::ConnectionCountGuard,
    shutdown::ConnectionGroup,
    slot_counts::SlotGuard,
    tls::Tls,
    transport::{Transport, UrlScheme},
};

/// Answers the HTTP requests of a listener's connections.
pub(crate) trait RequestHandler: fmt::Debug + Send + Sync {
    /// Answers one request. May upgrade the connection to a WebSocket, whose task then holds the connection's permit.
    fn respond(&self, request: Request<Incoming>, connection: &ConnectionInfo) -> Response<Full<Bytes>>;

    /// Answers the only request of a connection beyond the server's capacity: a health check, or with status 503.
    fn refuse(&self, request: &Request<Incoming>, transport: Transport) -> Response<Full<Bytes>>;
}

/// The connection of a request.
#[derive(Debug)]
pub(crate) struct ConnectionInfo {
    pub(crate) peer: SocketAddr,
    pub(crate) transport: Transport,
    pub(crate) scheme: UrlScheme,
    /// The certificate of the port, whose names the server answers for.
    pub(crate) tls: Option<Tls>,
    /// The port of a `Host` header that names none, if the client can have connected to it directly.
    pub(crate) default_port: Option<u16>,
    pub(crate) permit: Arc<ConnectionPermit>,
}

/// RAII guard: a connection's slot among those of the server and of its address. Released when its last task ends.
#[derive(Debug)]
pub(crate) struct ConnectionPermit {
    pub(crate) _server_slot: OwnedSemaphorePermit,
    pub(crate) _address_slot: SlotGuard,
    pub(crate) _count: ConnectionCountGuard,
    /// The group that the connection is closed with.
    pub(crate) group: ConnectionGroup,
}
