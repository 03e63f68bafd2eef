//! From a listening socket to HTTP requests, plain or in TLS, on one port.

use std::{
    convert::Infallible,
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinHandle,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

use crate::{
    entry::{Counted, Entry},
    gateway::{self, Deadlines},
    headers,
    hub::Hub,
    metrics::{Connected, Metrics},
    server::{Member, Scope},
    stream::Stream,
    tls::Tls,
    web,
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
#[derive(Debug)]
pub(crate) struct Service {
    hub: Hub,
    tls: Option<Tls>,
    pub(crate) entry: Arc<Entry>,
    pub(crate) allow_origins: Arc<[String]>,
    pub(crate) deadlines: Arc<Deadlines>,
    places: Arc<Semaphore>,
}

impl Service {
    pub(crate) fn new(
        hub: Hub,
        tls: Option<Tls>,
        entry: Arc<Entry>,
        allow_origins: Vec<String>,
        deadlines: Deadlines,
        max_connections: usize,
    ) -> Self {
        let places = Arc::new(Semaphore::new(max_connections));
        Self { hub, tls, entry, allow_origins: allow_origins.into(), deadlines: Arc::new(deadlines), places }
    }

    /// The same users and places, behind this certificate.
    pub(crate) fn with_tls(&self, tls: Tls) -> Self {
        Self {
            hub: self.hub.clone(),
            tls: Some(tls),
            entry: self.entry.clone(),
            allow_origins: self.allow_origins.clone(),
            deadlines: self.deadlines.clone(),
            places: self.places.clone(),
        }
    }

    pub(crate) const fn hub(&self) -> &Hub {
        &self.hub
    }
}

/// A connection's claim on the server, held until the last of its tasks ends.
#[derive(Debug)]
pub(crate) struct Place {
    _permit: OwnedSemaphorePermit,
    _counted: Counted,
    _connected: Connected,
    pub(crate) member: Member,
}

/// How a request reached us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    /// In TLS, with a certificate that somebody else vouches for.
    Vouched,
    /// In TLS with a certificate of our own, or in the clear from this machine, from a trusted proxy, or to a server that has no
    /// certificate (a proxy may stand before it).
    Trusted,
    /// In the clear from another machine, to a server that also speaks TLS.
    Exposed,
}

/// A task that accepts connections on one socket. Dropping it closes the socket; its connections live on in their scopes.
#[derive(Debug)]
pub(crate) struct Listener {
    task: JoinHandle<()>,
}

impl Listener {
    /// Takes connections: from this machine in the scope `local`, from others in the scope `network`.
    pub(crate) fn start(socket: TcpListener, service: Arc<Service>, local: &Scope, network: &Scope) -> Self {
        let (local, network) = (local.member(), network.member());
        Self { task: tokio::spawn(accept(socket, service, local, network)) }
    }

    /// Closes the socket. When this returns, its port is free.
    pub(crate) async fn stop(mut self) {
        self.task.abort();
        // Ends as cancelled, which is what was asked for.
        let _cancelled: Result<(), tokio::task::JoinError> = (&mut self.task).await;
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(socket: TcpListener, service: Arc<Service>, local: Member, network: Member) {
    let mut rest = REST.0;
    let mut troubles = Troubles::default();
    // Closed never, so an error cannot be.
    while let Ok(permit) = service.places.clone().acquire_owned().await {
        match socket.accept().await {
            Ok((stream, peer)) => {
                rest = REST.0;
                let Some(counted) = service.entry.connected(peer.ip()) else {
                    tracing::debug!(%peer, "too many connections from there");
                    continue;
                };
                let member = if is_local(peer) { local.clone() } else { network.clone() };
                let connected = service.hub.metrics().connected();
                let place = Arc::new(Place { _permit: permit, _counted: counted, _connected: connected, member });
                tokio::spawn(serve(stream, peer, service.clone(), place));
            }
            // The client's fault, and over with it.
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                troubles.happened(&error, Instant::now());
                service.hub.metrics().accept_errors.inc();
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

async fn serve(stream: TcpStream, peer: SocketAddr, service: Arc<Service>, place: Arc<Place>) {
    // Signalling is small messages that somebody waits for.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection was gone at once");
        return;
    }
    let mut member = place.member.clone();
    let secured = tokio::select! {
        secured = timeout(HTTP_PATIENCE, secure(stream, peer, &service)) => secured,
        () = member.ended() => return,
    };
    let (stream, transport) = match secured {
        Ok(Ok(secured)) => secured,
        Ok(Err(error)) => {
            tracing::debug!(%error, "no connection in TLS or without");
            return;
        }
        Err(_) => return,
    };
    let answer = service_fn(move |request| respond(request, peer, transport, service.clone(), place.clone()));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HTTP_PATIENCE)
        .max_buf_size(HTTP_HEAD)
        .serve_connection(TokioIo::new(stream), answer)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = timeout(HTTP_LIFE, connection.as_mut()) => ended,
        () = member.ended() => {
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
async fn secure(stream: TcpStream, peer: SocketAddr, service: &Service) -> io::Result<(Stream, Transport)> {
    /// A TLS record of the type handshake (RFC 8446, section 5.1). No HTTP method begins so.
    const HANDSHAKE: u8 = 0x16;
    let Some(tls) = &service.tls else { return Ok((Stream::Plain(stream), Transport::Trusted)) };
    let mut first = [0];
    if stream.peek(&mut first).await? == 1 && first == [HANDSHAKE] {
        let failed = Failed(service.hub.metrics());
        let stream = TlsAcceptor::from(tls.config()).accept(stream).await?;
        failed.not();
        #[cfg(feature = "acme")]
        if stream.get_ref().1.alpn_protocol() == Some(crate::acme::CHALLENGE_PROTOCOL) {
            // The handshake was the answer (RFC 8737, section 3).
            return Err(io::Error::other("a challenge of the authority"));
        }
        let transport = if tls.is_vouched_for() { Transport::Vouched } else { Transport::Trusted };
        return Ok((Stream::Tls(Box::new(stream)), transport));
    }
    let trusted = is_local(peer) || service.entry.is_trusted_proxy(peer.ip());
    let transport = if trusted { Transport::Trusted } else { Transport::Exposed };
    Ok((Stream::Plain(stream), transport))
}

async fn respond(
    request: Request<Incoming>,
    peer: SocketAddr,
    transport: Transport,
    service: Arc<Service>,
    place: Arc<Place>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = match request.uri().path() {
        hutong_protocol::WS_PATH => {
            let visitor = service.entry.visitor(peer.ip(), request.headers());
            gateway::upgrade(request, transport, visitor, &service, place)
        }
        _ => web::respond(&request, || service.hub.takes_users()),
    };
    headers::guard(response.headers_mut(), transport);
    Ok(response)
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
