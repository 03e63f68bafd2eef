//! One WebSocket to a server: a task of its own, with a bounded queue each way.

use std::{io, sync::Arc, time::Duration};

use futures_util::{SinkExt, StreamExt};
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
    address::Address,
    network::{Names, NotSecure, Way},
    tls::{Fingerprint, Roots, Sight, Trust},
};

/// From the first packet to the open WebSocket. Longer than two lost SYNs take to be sent again.
const OPENING: Duration = Duration::from_secs(10);

/// How long the network may take to accept one message, and a closing to be done.
const WRITING: Duration = Duration::from_secs(10);

/// The largest message taken from a server. A roster of [`limits::WHOLE_ROSTER`] users with the longest names is about
/// 250 KiB; servers may be set to show more.
const MESSAGE_BYTES: usize = 4 * 1024 * 1024;

/// Messages of the server that wait for the client; then the socket is read no further.
const INCOMING: usize = 64;

/// Where a link goes.
#[derive(Clone, Debug)]
pub struct Target {
    /// The server.
    pub address: Address,
    /// What is known of its key.
    pub trust: Trust,
}

/// What comes over a link. When nothing more comes, it is down.
#[derive(Debug)]
pub enum FromLink {
    /// It is open.
    Up {
        /// The server's key, to be remembered.
        first_met: Option<Fingerprint>,
    },
    /// The server said something.
    Message(ServerMessage),
    /// It is not opened: the address is a plain one, and its name leads out of the own network, or the server's key is pinned.
    NotSecure,
    /// It is not opened: the server shows another key than it should.
    AnotherKey,
}

/// A WebSocket, from being opened to being closed. Dropping it sends what waits, and closes it.
#[derive(Debug)]
pub struct Link {
    outgoing: mpsc::Sender<ClientMessage>,
    incoming: mpsc::Receiver<FromLink>,
}

impl Link {
    /// Begins to open a WebSocket, on the runtime that this is called on.
    #[must_use]
    pub fn open(target: Target, roots: Option<Roots>, names: Names) -> Self {
        // A client sends no faster than the server takes, so a full queue says that the network takes nothing.
        let (outgoing, to_send) = mpsc::channel(limits::MESSAGE_BURST as usize);
        let (heard, incoming) = mpsc::channel(INCOMING);
        tokio::spawn(async move {
            if let Err(error) = run(&target, roots.as_ref(), &names, to_send, &heard).await {
                tracing::info!(server = %target.address, %error, "the link is down");
                let told = match error {
                    LinkError::NotSecure => FromLink::NotSecure,
                    LinkError::AnotherKey => FromLink::AnotherKey,
                    _ => return,
                };
                // Without a client there is nobody to tell.
                drop(heard.send(told).await);
            }
        });
        Self { outgoing, incoming }
    }

    /// Sends a message. Gives it back where the link is down, or takes nothing any more.
    ///
    /// # Errors
    ///
    /// [`Stuck`]: the link is of no more use.
    pub fn send(&self, message: ClientMessage) -> Result<(), Stuck> {
        self.outgoing.try_send(message).map_err(|_| Stuck)
    }

    /// What comes next; `None` when the link is down. Nothing is lost where this is given up halfway.
    pub async fn next(&mut self) -> Option<FromLink> {
        self.incoming.recv().await
    }
}

/// A link that takes no messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the link takes no messages")]
pub struct Stuck;

async fn run(
    target: &Target,
    roots: Option<&Roots>,
    names: &Names,
    to_send: mpsc::Receiver<ClientMessage>,
    heard: &mpsc::Sender<FromLink>,
) -> Result<(), LinkError> {
    let connecting = async {
        let address = &target.address;
        if !address.secure() && matches!(target.trust, Trust::Pinned(_)) {
            return Err(LinkError::NotSecure);
        }
        let way = Way::to(address, &names.of(address).await?)?;
        let (Way::Own(places) | Way::Public(places)) = &way;
        let stream = TcpStream::connect(places.as_slice()).await?;
        // Candidates are small, and each counts at once.
        stream.set_nodelay(true)?;
        if !address.secure() {
            return Ok::<_, LinkError>((upgrade(address, Box::new(stream) as Box<dyn Stream>).await?, None));
        }
        let (config, sight) = secured(target, &way, roots)?;
        let name = ServerName::try_from(address.host()).map_err(|_| LinkError::Name)?;
        let shaken = TlsConnector::from(config).connect(name, stream).await;
        let stream =
            shaken.map_err(|error| if sight.is_another_key() { LinkError::AnotherKey } else { error.into() })?;
        Ok((upgrade(address, Box::new(stream)).await?, sight.first_met()))
    };
    let (socket, first_met) = tokio::select! {
        opened = timeout(OPENING, connecting) => opened.map_err(|_| LinkError::Silent)??,
        () = heard.closed() => return Ok(()),
    };
    if heard.send(FromLink::Up { first_met }).await.is_err() {
        return Ok(());
    }
    exchange(socket, to_send, heard).await
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

type Socket = WebSocketStream<Box<dyn Stream>>;

fn secured(target: &Target, way: &Way, roots: Option<&Roots>) -> Result<(Arc<ClientConfig>, Sight), LinkError> {
    let roots = roots.ok_or(LinkError::NoRoots)?;
    match (way, &target.trust) {
        (Way::Own(_), trust) | (Way::Public(_), trust @ Trust::Pinned(_)) => Ok(roots.by_key(trust.clone())?),
        (Way::Public(_), Trust::Unknown | Trust::Met(_)) => Ok((roots.public()?, Sight::default())),
    }
}

async fn upgrade(address: &Address, stream: Box<dyn Stream>) -> Result<Socket, LinkError> {
    let mut request = address.socket_url().into_client_request()?;
    request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    let config = WebSocketConfig::default()
        .max_message_size(Some(MESSAGE_BYTES))
        .max_frame_size(Some(MESSAGE_BYTES))
        .max_write_buffer_size(MESSAGE_BYTES);
    let (socket, _response) = client_async_with_config(request, stream, Some(config)).await?;
    Ok(socket)
}

async fn exchange(
    socket: Socket,
    mut to_send: mpsc::Receiver<ClientMessage>,
    heard: &mpsc::Sender<FromLink>,
) -> Result<(), LinkError> {
    let (mut write, mut read) = socket.split();
    let mut last_heard = Instant::now();
    loop {
        tokio::select! {
            message = to_send.recv() => {
                let Some(message) = message else {
                    return timeout(WRITING, write.close()).await.map_err(|_| LinkError::Stuck)?.map_err(Into::into);
                };
                let text = serde_json::to_string(&message).map_err(io::Error::from)?;
                timeout(WRITING, write.send(Message::text(text))).await.map_err(|_| LinkError::Stuck)??;
            }
            // The server's pings come often enough that a longer silence is a dead connection.
            () = tokio::time::sleep_until(last_heard + limits::SILENCE) => return Err(LinkError::Silent),
            frame = read.next() => {
                let Some(frame) = frame else { return Err(LinkError::Closed) };
                last_heard = Instant::now();
                match frame? {
                    Message::Text(text) => match decode_server(&text) {
                        // Without a client there is nobody to tell; the farewell comes by `to_send`.
                        Ok(message) => drop(heard.send(FromLink::Message(message)).await),
                        Err(error) => tracing::debug!(code = %error.code, "a message of the server was passed over"),
                    },
                    // The library queues the answer by itself; it leaves with the next write or here.
                    Message::Ping(_) => timeout(WRITING, write.flush()).await.map_err(|_| LinkError::Stuck)??,
                    Message::Close(_) => return Err(LinkError::Closed),
                    Message::Binary(_) | Message::Pong(_) | Message::Frame(_) => {}
                }
            }
        }
    }
}

/// Why a link is down. For logs: it names no secret.
#[derive(Debug, thiserror::Error)]
enum LinkError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Tls(#[from] rustls::Error),
    #[error(transparent)]
    Socket(Box<tungstenite::Error>),
    #[error("the host has no name that a certificate could have")]
    Name,
    #[error("a plain address leads out of the own network, or the server's key is pinned")]
    NotSecure,
    #[error("the server shows another key than it should")]
    AnotherKey,
    #[error("this computer has no certificate authorities")]
    NoRoots,
    #[error("the server was silent for too long")]
    Silent,
    #[error("the network takes nothing")]
    Stuck,
    #[error("the server closed it")]
    Closed,
}

impl From<NotSecure> for LinkError {
    fn from(NotSecure: NotSecure) -> Self {
        Self::NotSecure
    }
}

impl From<tungstenite::Error> for LinkError {
    fn from(error: tungstenite::Error) -> Self {
        Self::Socket(Box::new(error))
    }
}
