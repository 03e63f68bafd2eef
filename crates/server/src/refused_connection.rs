//! Task of a connection beyond the server's capacity: answers a health check, refuses any other request, and closes.

use std::{convert::Infallible, future::ready, net::SocketAddr, sync::Arc, time::Duration};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpStream, time::timeout};

use crate::{
    handler::RequestHandler,
    metrics::CapacityLimit,
    protocol_detection::{Accepted, accept_protocol},
    refusal_slots::RefusalSlot,
    server_state::{ServedProtocols, ServerState},
    shutdown::ConnectionGroup,
    slot_counts::SlotGuard,
    stream::Stream,
    transport::{Transport, is_local},
};

/// Longest lifetime of a refused connection, TLS handshake included: three round trips of a bad mobile network.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(2);

/// Largest request head in bytes, the least that hyper permits. A health check sends some hundred.
const MAX_REQUEST_HEAD: usize = 8 * 1024;

/// A connection that is accepted only to be refused.
pub(crate) struct RefusedConnection {
    pub(crate) stream: TcpStream,
    pub(crate) peer: SocketAddr,
    pub(crate) lack: CapacityLimit,
    pub(crate) slot: RefusalSlot,
    pub(crate) address_slot: SlotGuard,
}

/// Spawns the task of a refused connection.
pub(crate) fn spawn(connection: RefusedConnection, state: &Arc<ServerState>, group: &ConnectionGroup) {
    state.metrics.refused_connections.inc(connection.lack);
    // This port has nothing to answer in another protocol.
    if state.served == ServedProtocols::TurnOnly {
        return;
    }
    let RefusedConnection { stream, peer, mut slot, address_slot, .. } = connection;
    let evicted = slot.register(is_local(peer));
    let (state, shutdown) = (state.clone(), group.shutdown.clone());
    group.tasks.spawn(async move {
        tokio::select! {
            _ended = timeout(REFUSAL_TIMEOUT, refuse(stream, peer, &state)) => {}
            () = evicted.cancelled() => {}
            () = shutdown.cancelled() => {}
        }
        // After the stream, whose descriptor the slot's spare one takes.
        drop((slot, address_slot));
    });
}

async fn refuse(stream: TcpStream, peer: SocketAddr, state: &ServerState) {
    match accept_protocol(stream, peer, state).await {
        Ok(Accepted::Http(stream, transport)) => refuse_request(stream, transport, state.handler.clone()).await,
        Ok(Accepted::Turn { .. }) => {}
        Err(error) => tracing::debug!(%error, "refused connection closed before its request"),
    }
}

async fn refuse_request(stream: Stream, transport: Transport, handler: Arc<dyn RequestHandler>) {
    let service = service_fn(move |request| ready(Ok::<_, Infallible>(handler.refuse(&request, transport))));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(REFUSAL_TIMEOUT)
        .max_buf_size(MAX_REQUEST_HEAD)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "refused HTTP connection failed; closed");
    }
}
