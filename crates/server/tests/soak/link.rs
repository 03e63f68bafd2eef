//! One person's WebSocket, over a network that delays, stalls and breaks.

use std::{net::SocketAddr, time::Duration};

use futures_util::{SinkExt, StreamExt};
use hutong_protocol::{ClientMessage, SUBPROTOCOL, ServerMessage, decode_server};
use socket2::{SockFilter, SockRef};
use tokio::{
    net::TcpStream,
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_tungstenite::tungstenite::{
    Message,
    client::IntoClientRequest,
    http::{HeaderValue, header},
};

/// Longer than the server takes to answer, unless it is not there.
const PATIENCE: Duration = Duration::from_secs(10);

/// What comes of a link.
#[derive(Debug)]
pub enum FromLink {
    Up,
    Message(ServerMessage),
}

/// What the network does to a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Network {
    /// Nothing.
    #[default]
    Well,
    /// Each message takes so long, both ways.
    Slow(Duration),
    /// Nothing is read.
    Stalled,
    /// Nothing that the server sends arrives any more, nor is anything acknowledged.
    Vanished,
}

/// A link, open or being opened. It is over when [`next`](Self::next) gives `None`.
#[derive(Debug)]
pub struct Link {
    to_server: mpsc::UnboundedSender<ClientMessage>,
    from_server: mpsc::Receiver<FromLink>,
    network: watch::Sender<Network>,
    task: JoinHandle<()>,
}

impl Link {
    pub fn open(address: SocketAddr) -> Self {
        let (to_server, outgoing) = mpsc::unbounded_channel();
        let (incoming, from_server) = mpsc::channel(64);
        let (network, felt) = watch::channel(Network::Well);
        let task = tokio::spawn(run(address, outgoing, incoming, felt));
        Self { to_server, from_server, network, task }
    }

    /// A link that is over takes it and loses it.
    pub fn send(&self, message: ClientMessage) {
        let _lost = self.to_server.send(message);
    }

    pub async fn next(&mut self) -> Option<FromLink> {
        self.from_server.recv().await
    }

    pub fn network(&self, network: Network) {
        self.network.send_replace(network);
    }

    /// It breaks with what is under way. Dropping it lets what was sent before go out first.
    pub fn cut(self) {
        self.task.abort();
    }

    /// The person's machine has lost its power: the server is told nothing.
    pub async fn vanish(self) {
        self.network(Network::Vanished);
        // The task holds the socket, deaf, for as long as the server takes to find out.
        drop(self.to_server);
    }
}

async fn run(
    address: SocketAddr,
    mut outgoing: mpsc::UnboundedReceiver<ClientMessage>,
    incoming: mpsc::Sender<FromLink>,
    mut felt: watch::Receiver<Network>,
) {
    let opening = async {
        let stream = TcpStream::connect(address).await.ok()?;
        let mut request = format!("ws://{address}/ws").into_client_request().ok()?;
        request.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
        tokio_tungstenite::client_async(request, stream).await.ok()
    };
    let Ok(Some((mut socket, _))) = timeout(PATIENCE, opening).await else { return };
    if incoming.send(FromLink::Up).await.is_err() {
        return;
    }
    loop {
        let network = *felt.borrow_and_update();
        if network == Network::Vanished {
            // As in `tests/pressure`: a filter that takes nothing of any packet.
            SockRef::from(socket.get_ref()).attach_filter(&[SockFilter::new(0x06, 0, 0, 0)]).unwrap();
            sleep(Duration::from_secs(60)).await;
            return;
        }
        let delay = if let Network::Slow(delay) = network { delay } else { Duration::ZERO };
        tokio::select! {
            changed = felt.changed() => {
                // The link was dropped: what it was to send goes out.
                if changed.is_err() && outgoing.is_empty() {
                    let _gone = timeout(PATIENCE, socket.close(None)).await;
                    return;
                }
            }
            message = outgoing.recv() => {
                let Some(message) = message else {
                    let _gone = timeout(PATIENCE, socket.close(None)).await;
                    return;
                };
                sleep(delay).await;
                let text = serde_json::to_string(&message).unwrap();
                if !matches!(timeout(PATIENCE, socket.send(Message::text(text))).await, Ok(Ok(()))) {
                    return;
                }
            }
            frame = socket.next(), if network != Network::Stalled => {
                match frame {
                    Some(Ok(Message::Text(text))) => {
                        sleep(delay).await;
                        let message = decode_server(&text).unwrap();
                        if incoming.send(FromLink::Message(message)).await.is_err() {
                            return;
                        }
                    }
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    _ => return,
                }
            }
        }
    }
}
