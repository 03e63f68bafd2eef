//! The signalling link: one WebSocket to a server, run by a task, with a bounded queue in each direction.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use futures_util::{SinkExt, StreamExt, stream::FuturesUnordered};
use hutong_protocol::{ClientMessage, SUBPROTOCOL, ServerMessage, decode_server, limits};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::mpsc,
    time::{Instant, timeout},
};
use tokio_rustls::{
    TlsConnector,
    rustls::{self, ClientConfig, pki_types::ServerName},
};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{
        self, Message,
        client::IntoClientRequest,
        http::{HeaderValue, header::SEC_WEBSOCKET_PROTOCOL},
        protocol::WebSocketConfig,
    },
};

use crate::{
    address::ServerAddress,
    route::{InsecureRoute, Resolver, Route},
    tls::{KeyCheck, KeyFingerprint, KeyTrust, TrustRoots},
};

/// Timeout from resolving the host to the open WebSocket. Allows for two retransmissions of a TCP SYN (after 1 s and 3 s).
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);

/// Delay before the next address of a server is tried beside the previous one (RFC 8305, section 8).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Timeout of one write, and of the closing handshake.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// The maximum size of a server's message, in bytes. A roster of [`limits::WHOLE_ROSTER_USERS`] users with the longest
/// names takes about 250 KiB; a server may be configured for larger ones.
const MAX_MESSAGE_BYTES: usize = 4 * 1024 * 1024;

/// Capacity of the queue to the client; when it is full, the socket is not read.
const INCOMING_CAPACITY: usize = 64;

/// A server to connect to.
#[derive(Clone, Debug)]
pub struct ServerTarget {
    /// The server.
    pub address: ServerAddress,
    /// What is known about its key.
    pub trust: KeyTrust,
}

/// An event of a link. The link is down when no more events come.
#[derive(Debug)]
pub enum ServerLinkEvent {
    /// The link is open.
    Up {
        /// The server's key if it was trusted on first use, to be remembered.
        first_use: Option<KeyFingerprint>,
        /// This computer's address: without it the link is dead.
        local_address: IpAddr,
    },
    /// The server sent a message.
    Message(ServerMessage),
    /// Not opened: the address is plain, and resolves outside the own network or has a pinned key.
    InsecureAddress,
    /// Not opened: the server presented another key than the known one.
    KeyMismatch,
    /// Not opened: the server answered with an HTTP response other than the upgrade.
    Refused,
}

/// Handle of a link's task. Dropping it sends the queued messages and closes the WebSocket.
#[derive(Debug)]
pub struct ServerLink {
    outgoing: mpsc::Sender<ClientMessage>,
    incoming: mpsc::Receiver<ServerLinkEvent>,
}

impl ServerLink {
    /// Spawns the task, which opens the WebSocket. Must be called on a tokio runtime.
    #[must_use]
    pub fn open(target: ServerTarget, roots: Option<TrustRoots>, resolver: Resolver) -> Self {
        // The client keeps to the server's rate limit, so this queue is full only when the network is stuck.
        let (outgoing, to_send) = mpsc::channel(limits::MESSAGE_BURST as usize);
        let (events, incoming) = mpsc::channel(INCOMING_CAPACITY);
        tokio::spawn(async move {
            if let Err(error) = run(&target, roots.as_ref(), &resolver, to_send, &events).await {
                tracing::info!(server = %target.address, %error, "connection to the server failed");
                let event = match error {
                    ServerLinkError::InsecureAddress => ServerLinkEvent::InsecureAddress,
                    ServerLinkError::KeyMismatch => ServerLinkEvent::KeyMismatch,
                    ServerLinkError::Socket(error) if is_refusal(&error) => ServerLinkEvent::Refused,
                    _ => return,
                };
                // Fails when the client has dropped the link.
                drop(events.send(event).await);
            }
        });
        Self { outgoing, incoming }
    }

    /// Queues a message.
    ///
    /// # Errors
    ///
    /// [`LinkSendError`] when the link is down or its queue is full; it is unusable then.
    pub fn send(&self, message: ClientMessage) -> Result<(), LinkSendError> {
        self.outgoing.try_send(message).map_err(|_| LinkSendError)
    }

    /// Waits for the next event; `None` when the link is down. Cancel safe.
    pub async fn next(&mut self) -> Option<ServerLinkEvent> {
        self.incoming.recv().await
    }
}

/// Error: the link is down or its queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("message not sent: the connection to the server is closed or its queue is full")]
pub struct LinkSendError;

async fn run(
    target: &ServerTarget,
    roots: Option<&TrustRoots>,
    resolver: &Resolver,
    to_send: mpsc::Receiver<ClientMessage>,
    events: &mpsc::Sender<ServerLinkEvent>,
) -> Result<(), ServerLinkError> {
    let opening = async {
        let address = &target.address;
        if !address.secure() && matches!(target.trust, KeyTrust::Pinned(_)) {
            return Err(ServerLinkError::InsecureAddress);
        }
        let route = Route::choose(address, &resolver.resolve(address).await?)?;
        let (Route::OwnNetwork(addresses) | Route::Public(addresses)) = &route;
        let stream = connect(addresses).await?;
        // ICE candidates are small messages that must not be delayed.
        stream.set_nodelay(true)?;
        let local_address = stream.local_addr()?.ip().to_canonical();
        if !address.secure() {
            let socket = upgrade(address, Box::new(stream) as Box<dyn IoStream>).await?;
            return Ok::<_, ServerLinkError>((socket, ServerLinkEvent::Up { first_use: None, local_address }));
        }
        let (config, key_check) = tls_config(target, &route, roots)?;
        let name = ServerName::try_from(address.host()).map_err(|_| ServerLinkError::Name)?;
        let handshake = TlsConnector::from(config).connect(name, stream).await;
        let stream = handshake
            .map_err(|error| if key_check.is_mismatch() { ServerLinkError::KeyMismatch } else { error.into() })?;
        let socket = upgrade(address, Box::new(stream)).await?;
        Ok((socket, ServerLinkEvent::Up { first_use: key_check.first_use_key(), local_address }))
    };
    let (socket, up) = tokio::select! {
        opened = timeout(OPEN_TIMEOUT, opening) => opened.map_err(|_| ServerLinkError::ReadTimeout)??,
        () = events.closed() => return Ok(()),
    };
    if events.send(up).await.is_err() {
        return Ok(());
    }
    exchange(socket, to_send, events).await
}

/// Connects to the first address that accepts. An address that does not answer delays the next by [`ATTEMPT_DELAY`] only
/// (RFC 8305, section 5): the client abandons the whole attempt after 3 s.
async fn connect(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut attempts = FuturesUnordered::new();
    let mut rest = addresses.iter();
    let mut last_error = io::Error::from(io::ErrorKind::AddrNotAvailable);
    loop {
        if let Some(address) = rest.next() {
            attempts.push(TcpStream::connect(*address));
        } else if attempts.is_empty() {
            return Err(last_error);
        }
        tokio::select! {
            Some(connected) = attempts.next() => match connected {
                Ok(stream) => return Ok(stream),
                Err(error) => last_error = error,
            },
            () = tokio::time::sleep(ATTEMPT_DELAY), if rest.len() > 0 => {}
        }
    }
}

/// A byte stream to the server: TCP, or TLS over TCP.
trait IoStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> IoStream for S {}

type LinkSocket = WebSocketStream<Box<dyn IoStream>>;

/// The TLS configuration for this target and route: certificates by public authorities, or by key.
fn tls_config(
    target: &ServerTarget,
    route: &Route,
    roots: Option<&TrustRoots>,
) -> Result<(Arc<ClientConfig>, KeyCheck), ServerLinkError> {
    let roots = roots.ok_or(ServerLinkError::NoRoots)?;
    match (route, &target.trust) {
        (Route::OwnNetwork(_), trust) | (Route::Public(_), trust @ KeyTrust::Pinned(_)) => {
            Ok(roots.config_by_key(trust.clone())?)
        }
        (Route::Public(_), KeyTrust::Unknown | KeyTrust::FirstUse(_)) => {
            Ok((roots.config_by_authority()?, KeyCheck::default()))
        }
    }
}

async fn upgrade(address: &ServerAddress, stream: Box<dyn IoStream>) -> Result<LinkSocket, ServerLinkError> {
    let mut request = address.socket_url().into_client_request()?;
    request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    let config = WebSocketConfig::default()
        .max_message_size(Some(MAX_MESSAGE_BYTES))
        .max_frame_size(Some(MAX_MESSAGE_BYTES))
        .max_write_buffer_size(MAX_MESSAGE_BYTES);
    let (socket, _response) = client_async_with_config(request, stream, Some(config)).await?;
    Ok(socket)
}

async fn exchange(
    socket: LinkSocket,
    mut to_send: mpsc::Receiver<ClientMessage>,
    events: &mpsc::Sender<ServerLinkEvent>,
) -> Result<(), ServerLinkError> {
    let (mut write, mut read) = socket.split();
    let mut last_received = Instant::now();
    loop {
        tokio::select! {
            message = to_send.recv() => {
                let Some(message) = message else {
                    let closed = timeout(WRITE_TIMEOUT, write.close()).await;
                    return closed.map_err(|_| ServerLinkError::WriteTimeout)?.map_err(Into::into);
                };
                let text = serde_json::to_string(&message).map_err(io::Error::from)?;
                let sent = timeout(WRITE_TIMEOUT, write.send(Message::text(text))).await;
                sent.map_err(|_| ServerLinkError::WriteTimeout)??;
            }
            // The server pings more often than this, so a longer silence means a dead connection.
            () = tokio::time::sleep_until(last_received + limits::IDLE_TIMEOUT) => {
                return Err(ServerLinkError::ReadTimeout);
            }
            frame = read.next() => {
                let Some(frame) = frame else { return Err(ServerLinkError::Closed) };
                last_received = Instant::now();
                match frame? {
                    Message::Text(text) => match decode_server(&text) {
                        // Fails when the client has dropped the link; `to_send` then ends the loop.
                        Ok(message) => drop(events.send(ServerLinkEvent::Message(message)).await),
                        Err(error) => tracing::debug!(code = %error.code, "invalid server message; ignored"),
                    },
                    // tungstenite queues the pong; flushing sends it.
                    Message::Ping(_) => {
                        let flushed = timeout(WRITE_TIMEOUT, write.flush()).await;
                        flushed.map_err(|_| ServerLinkError::WriteTimeout)??;
                    }
                    Message::Close(_) => return Err(ServerLinkError::Closed),
                    Message::Binary(_) | Message::Pong(_) | Message::Frame(_) => {}
                }
            }
        }
    }
}

/// Whether the server itself answered, and not a proxy for a server that is away (502 to 504).
fn is_refusal(error: &tungstenite::Error) -> bool {
    matches!(error, tungstenite::Error::Http(response) if !response.status().is_server_error())
}

/// Why a link is down. Logged, so no message contains a secret.
#[derive(Debug, thiserror::Error)]
enum ServerLinkError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Tls(#[from] rustls::Error),
    #[error(transparent)]
    Socket(Box<tungstenite::Error>),
    #[error("the server's host name is invalid, so no certificate can match it")]
    Name,
    #[error("not connected: http is permitted on the local network only, and never with a pinned key; use https")]
    InsecureAddress,
    #[error("the server's key differs from the known one")]
    KeyMismatch,
    #[error("cannot check the server's certificate: this computer has no certificate authorities")]
    NoRoots,
    #[error("timeout: the server did not answer")]
    ReadTimeout,
    #[error("timeout: nothing could be sent to the server")]
    WriteTimeout,
    #[error("the server closed the connection")]
    Closed,
}

impl From<InsecureRoute> for ServerLinkError {
    fn from(InsecureRoute: InsecureRoute) -> Self {
        Self::InsecureAddress
    }
}

impl From<tungstenite::Error> for ServerLinkError {
    fn from(error: tungstenite::Error) -> Self {
        Self::Socket(Box::new(error))
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn an_address_that_does_not_answer_does_not_hold_up_the_others() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let reachable = listener.local_addr().unwrap();
        // A documentation address (RFC 5737): no answer, or no route. Then a port that refuses.
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let addresses = [SocketAddr::from(([192, 0, 2, 1], 9)), closed, reachable];
        let stream = timeout(Duration::from_secs(3), connect(&addresses)).await.unwrap().unwrap();
        assert_eq!(stream.peer_addr().unwrap(), reachable);
        assert_eq!(connect(&[closed]).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(connect(&[]).await.unwrap_err().kind(), io::ErrorKind::AddrNotAvailable);
    }
}
