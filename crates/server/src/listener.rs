//! Accept loop and connection task: TLS, plain HTTP and TURN on one port. A [`RequestHandler`] answers the requests.

use std::{
    convert::Infallible,
    future::ready,
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    handler::{ConnectionInfo, ConnectionPermit},
    metrics::CapacityLimit,
    protocol_detection::{Accepted, accept_protocol},
    refusal_slots::RefusalSlot,
    refused_connection::{self, RefusedConnection},
    server_state::ServerState,
    shutdown::ConnectionGroup,
    stream::Stream,
    supervisor::Supervisor,
    transport::{Transport, is_local},
};

/// Timeout of the TLS handshake, of a request head, and of an idle connection between two requests.
const HTTP_TIMEOUT: Duration = Duration::from_secs(20);

/// Longest lifetime of an HTTP connection, so that a client that reads nothing cannot hold its slot forever. A slow phone
/// loads the web app in less.
const HTTP_MAX_LIFETIME: Duration = Duration::from_secs(600);

/// Largest request head in bytes. A browser sends one or two kilobytes. A longer head is answered with 431 (RFC 6585,
/// section 5). hyper's default of 400 KiB per connection would let attackers hold too much memory.
const MAX_REQUEST_HEAD: usize = 16 * 1024;

/// How long a shutdown waits for the response in progress.
const LAST_RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);

/// First and longest pause of the accept loop after an error of the listening socket, such as too little memory. The pause
/// doubles.
const ACCEPT_PAUSE: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// Shortest time between two log lines about such errors, or about refused connections.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// Handle to the accept loop of one socket. Dropping it closes the socket; open connections continue in their groups.
#[derive(Debug)]
pub(crate) struct Listener {
    task: AbortOnDropHandle<()>,
}

impl Listener {
    /// Starts the accept loop. Connections from loopback join the group `local`, others the group `network`.
    pub(crate) fn start(
        socket: TcpListener,
        state: Arc<ServerState>,
        supervisor: &Supervisor,
        local: &ConnectionGroup,
        network: &ConnectionGroup,
    ) -> Self {
        let (local, network) = (local.clone(), network.clone());
        Self { task: supervisor.spawn("listener", accept(socket, state, local, network)) }
    }

    /// Closes the socket. Its port is free when this returns.
    pub(crate) async fn stop(self) {
        self.task.abort();
        let _cancelled: Result<(), tokio::task::JoinError> = self.task.await;
    }
}

async fn accept(socket: TcpListener, state: Arc<ServerState>, local: ConnectionGroup, network: ConnectionGroup) {
    let mut pause = ACCEPT_PAUSE.0;
    let (mut error_log, mut full_log) = (RateLimitedLog::default(), RateLimitedLog::default());
    loop {
        let (stream, peer, slot) = match socket.accept().await {
            Ok((stream, peer)) => (stream, peer, None),
            // The client closed the connection before it was accepted.
            Err(error) if is_connection_error(&error) => continue,
            Err(error) => {
                state.metrics.accept_errors.inc();
                if let Some(errors) = error_log.due(Instant::now()) {
                    tracing::warn!(
                        %error,
                        errors,
                        "cannot accept connections; without a free file descriptor they are refused with status 503, after other \
                         errors accepted later"
                    );
                }
                match accept_without_descriptor(&socket, &state, &error).await {
                    SpareAccept::Accepted(stream, peer, slot) => (stream, peer, Some(slot)),
                    SpareAccept::NothingWaiting => continue,
                    SpareAccept::Failed => {
                        tokio::time::sleep(pause).await;
                        pause = (pause * 2).min(ACCEPT_PAUSE.1);
                        continue;
                    }
                }
            }
        };
        pause = ACCEPT_PAUSE.0;
        let group = if is_local(peer) { &local } else { &network };
        if admit(stream, peer, slot, &state, group).await == Some(CapacityLimit::Places)
            && let Some(refused) = full_log.due(Instant::now())
        {
            tracing::warn!(refused, "all connection places are taken; new connections are refused with status 503");
        }
    }
}

/// Result of accepting a connection on a spare descriptor.
enum SpareAccept {
    Accepted(TcpStream, SocketAddr, RefusalSlot),
    /// The system reports the lack of a descriptor also if no connection waits.
    NothingWaiting,
    Failed,
}

/// After an error of `accept`: if no file descriptor is left, frees a spare one and tries again.
async fn accept_without_descriptor(socket: &TcpListener, state: &ServerState, error: &io::Error) -> SpareAccept {
    if !is_out_of_descriptors(error) {
        return SpareAccept::Failed;
    }
    let Some(mut slot) = state.refusals.acquire().await else { return SpareAccept::Failed };
    if !slot.free_descriptor() {
        return SpareAccept::Failed;
    }
    // Without waiting: meanwhile another part of the program would take the descriptor.
    match socket.accept().now_or_never() {
        Some(Ok((stream, peer))) => SpareAccept::Accepted(stream, peer, slot),
        Some(Err(_)) => SpareAccept::Failed,
        None => SpareAccept::NothingWaiting,
    }
}

/// Spawns the task of an accepted connection, or of its refusal. Returns what the server lacks to serve it. `slot`: the slot whose
/// descriptor the connection took, if there was no other.
async fn admit(
    stream: TcpStream,
    peer: SocketAddr,
    slot: Option<RefusalSlot>,
    state: &Arc<ServerState>,
    group: &ConnectionGroup,
) -> Option<CapacityLimit> {
    let Some(address_slot) = state.admission.acquire_connection(peer.ip()) else {
        tracing::debug!(%peer, "too many connections from this address; connection dropped");
        return None;
    };
    let (slot, lack) = match (slot, state.permits.clone().try_acquire_owned()) {
        (None, Ok(server_slot)) => {
            let permit = ConnectionPermit {
                _server_slot: server_slot,
                _address_slot: address_slot,
                _count: state.metrics.count_connection(),
                group: group.clone(),
            };
            group.tasks.spawn(serve(stream, peer, state.clone(), Arc::new(permit)));
            return None;
        }
        (None, Err(_)) => (state.refusals.acquire().await?, CapacityLimit::Places),
        (Some(slot), _) => (slot, CapacityLimit::Descriptors),
    };
    refused_connection::spawn(RefusedConnection { stream, peer, lack, slot, address_slot }, state, group);
    Some(lack)
}

/// Rate limit of a log line that anybody can cause.
#[derive(Debug, Default)]
struct RateLimitedLog {
    last: Option<Instant>,
    /// Events since the last log line.
    events: u32,
}

impl RateLimitedLog {
    /// Counts an event. Returns how many there were since the last line, if a line is due.
    fn due(&mut self, now: Instant) -> Option<u32> {
        self.events = self.events.saturating_add(1);
        if self.last.is_some_and(|last| now.saturating_duration_since(last) < LOG_INTERVAL) {
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.events))
    }
}

async fn serve(stream: TcpStream, peer: SocketAddr, state: Arc<ServerState>, permit: Arc<ConnectionPermit>) {
    // Signalling messages are small and urgent, so they must not wait for a full segment.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY; connection closed");
        return;
    }
    let shutdown = permit.group.shutdown.clone();
    let accepted = tokio::select! {
        accepted = timeout(HTTP_TIMEOUT, accept_protocol(stream, peer, &state)) => accepted,
        () = shutdown.cancelled() => return,
    };
    match accepted {
        Ok(Ok(Accepted::Http(stream, transport))) => serve_http(stream, transport, peer, &state, permit).await,
        Ok(Ok(Accepted::Turn { stream, local, turn })) => {
            // Boxed, so that the task of an HTTP connection does not hold its state.
            let serve = Box::pin(turn.serve_stream(stream, peer, local));
            shutdown.run_until_cancelled(serve).await;
        }
        Ok(Err(error)) => tracing::debug!(%error, "connection closed before its first request"),
        Err(_) => {}
    }
}

#[cfg(any(test, feature = "inspect"))]
/// Opens a connection without a socket, as if from loopback. `None` if the server has no free slot.
pub(crate) fn connect_in_memory(state: &Arc<ServerState>, group: &ConnectionGroup) -> Option<tokio::io::DuplexStream> {
    /// Capacity of the in-memory pipe per direction, in bytes.
    const BUFFER: usize = 64 * 1024;
    let peer = SocketAddr::from((std::net::Ipv4Addr::LOCALHOST, 0));
    let permit = Arc::new(ConnectionPermit {
        _server_slot: state.permits.clone().try_acquire_owned().ok()?,
        _address_slot: state.admission.acquire_connection(peer.ip())?,
        _count: state.metrics.count_connection(),
        group: group.clone(),
    });
    let (client, server) = tokio::io::duplex(BUFFER);
    let state = state.clone();
    group.tasks.spawn(async move {
        serve_http(Stream::Memory(server), Transport::WithoutHsts, peer, &state, permit).await;
    });
    Some(client)
}

/// Serves HTTP requests on a connection until it closes or is upgraded to a WebSocket.
async fn serve_http(
    stream: Stream,
    transport: Transport,
    peer: SocketAddr,
    state: &ServerState,
    permit: Arc<ConnectionPermit>,
) {
    let shutdown = permit.group.shutdown.clone();
    let handler = state.handler.clone();
    let default_port = stream.default_port();
    let (scheme, tls) = (stream.scheme(), state.tls.clone());
    let info = ConnectionInfo { peer, transport, scheme, tls, default_port, permit };
    let service = service_fn(move |request| ready(Ok::<_, Infallible>(handler.respond(request, &info))));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HTTP_TIMEOUT)
        .max_buf_size(MAX_REQUEST_HEAD)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = timeout(HTTP_MAX_LIFETIME, connection.as_mut()) => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            timeout(LAST_RESPONSE_TIMEOUT, connection).await
        }
    };
    if let Ok(Err(error)) = ended {
        tracing::debug!(%error, "HTTP connection failed; closed");
    }
}

fn is_connection_error(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Whether the process or the system has no free file descriptor.
#[cfg(unix)]
fn is_out_of_descriptors(error: &io::Error) -> bool {
    use rustix::io::Errno;
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}

/// Whether the process or the system has no free socket.
#[cfg(not(unix))]
fn is_out_of_descriptors(error: &io::Error) -> bool {
    /// Too many open sockets.
    const WSAEMFILE: i32 = 10_024;
    error.raw_os_error() == Some(WSAEMFILE)
}
