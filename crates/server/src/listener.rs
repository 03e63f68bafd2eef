//! From a listening socket to HTTP requests, plain or in TLS, on one port. A [`Handler`] answers them.

use std::{
    convert::Infallible,
    future::ready,
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::AbortOnDropHandle;

use crate::{
    entry::Entry,
    handler::{ConnectionInfo, ConnectionPermit, Handler},
    metrics::Metrics,
    shutdown::ConnectionGroup,
    stream::Stream,
    supervisor::Supervisor,
    tls::Tls,
    transport::Transport,
};

/// How long an HTTP connection may take for its TLS handshake, for a request's head, and between two requests.
const HTTP_PATIENCE: Duration = Duration::from_secs(20);

/// How long an HTTP connection may last: somebody who reads nothing must not hold a place for ever. A slow phone loads the
/// web app in less.
const HTTP_LIFE: Duration = Duration::from_secs(600);

/// What the head of a request may take in memory, in bytes. A browser's has one or two kilobytes; one that is longer is answered
/// with 431 (RFC 6585, section 5). Without a limit of our own it would be 400 KiB for each connection.
const HTTP_HEAD: usize = 16 * 1024;

/// How long the answer to the last request may take when the server stops.
const HTTP_LAST_ANSWER: Duration = Duration::from_secs(2);

/// How long a listener rests after an error that is not one connection's, such as too many open files. It doubles.
const REST: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// How often such an error is told of. At the edge of what the system gives it comes for every other connection.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// What every connection of a listener shares.
#[derive(Clone, Debug)]
pub(crate) struct ServerState {
    pub(crate) handler: Arc<dyn Handler>,
    pub(crate) entry: Arc<Entry>,
    pub(crate) metrics: Metrics,
    pub(crate) tls: Option<Tls>,
    /// One permit for each connection that may be open at once.
    pub(crate) permits: Arc<Semaphore>,
}

impl ServerState {
    /// The same users and permits, behind this certificate.
    pub(crate) fn with_tls(&self, tls: Tls) -> Self {
        Self { tls: Some(tls), ..self.clone() }
    }
}

/// A task that accepts connections on one socket. Dropping it closes the socket; its connections live on in their groups.
#[derive(Debug)]
pub(crate) struct Listener {
    task: AbortOnDropHandle<()>,
}

impl Listener {
    /// Takes connections: from this machine into the group `local`, from others into the group `network`.
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

    /// Closes the socket. When this returns, its port is free.
    pub(crate) async fn stop(self) {
        self.task.abort();
        // Ends as cancelled, which is what was asked for.
        let _cancelled: Result<(), tokio::task::JoinError> = self.task.await;
    }
}

async fn accept(socket: TcpListener, state: Arc<ServerState>, local: ConnectionGroup, network: ConnectionGroup) {
    let mut rest = REST.0;
    let mut troubles = Troubles::default();
    // Closed never, so an error cannot be.
    while let Ok(permit) = state.permits.clone().acquire_owned().await {
        match socket.accept().await {
            Ok((stream, peer)) => {
                rest = REST.0;
                let Some(counted) = state.entry.connected(peer.ip()) else {
                    tracing::debug!(%peer, "too many connections from there");
                    continue;
                };
                let group = if is_local(peer) { &local } else { &network };
                let permit = ConnectionPermit {
                    _of_the_server: permit,
                    _of_the_address: counted,
                    _counted: state.metrics.connected(),
                    group: group.clone(),
                };
                group.tasks.spawn(serve(stream, peer, state.clone(), Arc::new(permit)));
            }
            // The client's fault, and over with it.
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                troubles.happened(&error, Instant::now());
                state.metrics.accept_errors.inc();
                tokio::time::sleep(rest).await;
                rest = (rest * 2).min(REST.1);
            }
        }
    }
}

/// Errors that are no connection's, told of now and then.
#[derive(Debug, Default)]
struct Troubles {
    told: Option<Instant>,
    /// Since then.
    times: u32,
}

impl Troubles {
    fn happened(&mut self, error: &io::Error, now: Instant) {
        self.times = self.times.saturating_add(1);
        if self.told.is_none_or(|told| now.saturating_duration_since(told) >= TELL_EVERY) {
            tracing::warn!(%error, times = self.times, "cannot accept connections at the moment");
            *self = Self { told: Some(now), times: 0 };
        }
    }
}

async fn serve(stream: TcpStream, peer: SocketAddr, state: Arc<ServerState>, permit: Arc<ConnectionPermit>) {
    // Signalling is small messages that somebody waits for.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection was gone at once");
        return;
    }
    let shutdown = permit.group.shutdown.clone();
    let secured = tokio::select! {
        secured = timeout(HTTP_PATIENCE, secure(stream, peer, &state)) => secured,
        () = shutdown.cancelled() => return,
    };
    let (stream, transport) = match secured {
        Ok(Ok(secured)) => secured,
        Ok(Err(error)) => {
            tracing::debug!(%error, "no connection in TLS or without");
            return;
        }
        Err(_) => return,
    };
    serve_http(stream, transport, peer, &state, permit).await;
}

#[cfg(any(test, feature = "inspect"))]
/// Takes a connection that has no socket, as if it came from this machine. `None` when the server has as many as it takes.
pub(crate) fn connect_in_memory(state: &Arc<ServerState>, group: &ConnectionGroup) -> Option<tokio::io::DuplexStream> {
    /// What may be on its way in each direction, in bytes.
    const BUFFER: usize = 64 * 1024;
    let peer = SocketAddr::from((std::net::Ipv4Addr::LOCALHOST, 0));
    let permit = Arc::new(ConnectionPermit {
        _of_the_server: state.permits.clone().try_acquire_owned().ok()?,
        _of_the_address: state.entry.connected(peer.ip())?,
        _counted: state.metrics.connected(),
        group: group.clone(),
    });
    let (client, server) = tokio::io::duplex(BUFFER);
    let state = state.clone();
    group.tasks.spawn(async move {
        serve_http(Stream::Memory(server), Transport::WithoutHsts, peer, &state, permit).await;
    });
    Some(client)
}

/// Answers the requests of a connection, until it ends or has become a WebSocket.
async fn serve_http(
    stream: Stream,
    transport: Transport,
    peer: SocketAddr,
    state: &ServerState,
    permit: Arc<ConnectionPermit>,
) {
    let shutdown = permit.group.shutdown.clone();
    let handler = state.handler.clone();
    let info = ConnectionInfo { peer, transport, permit };
    let answer = service_fn(move |request| ready(Ok::<_, Infallible>(handler.respond(request, &info))));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HTTP_PATIENCE)
        .max_buf_size(HTTP_HEAD)
        .serve_connection(TokioIo::new(stream), answer)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = timeout(HTTP_LIFE, connection.as_mut()) => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            timeout(HTTP_LAST_ANSWER, connection).await
        }
    };
    if let Ok(Err(error)) = ended {
        tracing::debug!(%error, "an HTTP connection broke");
    }
}

/// Counts a TLS handshake that fails or is given up, unless told otherwise.
struct Failed<'m>(&'m Metrics);

impl Failed<'_> {
    const fn not(self) {
        std::mem::forget(self);
    }
}

impl Drop for Failed<'_> {
    fn drop(&mut self) {
        self.0.tls_failures.inc();
    }
}

/// Tells TLS from plain HTTP by the first byte, and does the handshake.
async fn secure(stream: TcpStream, peer: SocketAddr, state: &ServerState) -> io::Result<(Stream, Transport)> {
    /// A TLS record of the type handshake (RFC 8446, section 5.1). No HTTP method begins so.
    const HANDSHAKE: u8 = 0x16;
    let Some(tls) = &state.tls else { return Ok((Stream::Plain(stream), Transport::WithoutHsts)) };
    let mut first = [0];
    if stream.peek(&mut first).await? == 1 && first == [HANDSHAKE] {
        let failed = Failed(&state.metrics);
        let stream = TlsAcceptor::from(tls.config()).accept(stream).await?;
        failed.not();
        #[cfg(feature = "acme")]
        if stream.get_ref().1.alpn_protocol() == Some(crate::acme::CHALLENGE_PROTOCOL) {
            // The handshake was the answer (RFC 8737, section 3).
            return Err(io::Error::other("a challenge of the authority"));
        }
        let transport = if tls.is_vouched_for() { Transport::WithHsts } else { Transport::WithoutHsts };
        return Ok((Stream::Tls(Box::new(stream)), transport));
    }
    let trusted = is_local(peer) || state.entry.is_trusted_proxy(peer.ip());
    let transport = if trusted { Transport::WithoutHsts } else { Transport::PageOnly };
    Ok((Stream::Plain(stream), transport))
}

fn is_local(peer: SocketAddr) -> bool {
    let address: IpAddr = peer.ip().to_canonical();
    address.is_loopback()
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_known_in_both_families() {
        for (peer, local) in [
            ("127.0.0.1:1", true),
            ("127.9.9.9:1", true),
            ("[::1]:1", true),
            ("[::ffff:127.0.0.1]:1", true),
            ("192.0.2.1:1", false),
            ("[::ffff:192.0.2.1]:1", false),
            ("[2001:db8::1]:1", false),
        ] {
            assert_eq!(is_local(peer.parse().unwrap()), local, "{peer}");
        }
    }
}
