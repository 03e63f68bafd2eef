//! WebSocket of one simulated user, over a network with simulated delays, stalls and failures.

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

/// Longer than the server takes to respond while it is running.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Event of a link.
#[derive(Debug)]
pub enum SoakLinkEvent {
    Up,
    Message(ServerMessage),
}

/// Simulated fault of the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NetworkFault {
    /// No fault.
    #[default]
    None,
    /// Each message is delayed, in both directions.
    Slow(Duration),
    /// The client does not read.
    Stalled,
    /// The client's system drops all packets from the server, without acknowledgement.
    Vanished,
}

/// A connecting or open WebSocket. Closed once [`next`](Self::next) returns `None`.
#[derive(Debug)]
pub struct SoakLink {
    to_server: mpsc::UnboundedSender<ClientMessage>,
    from_server: mpsc::Receiver<SoakLinkEvent>,
    fault: watch::Sender<NetworkFault>,
    task: JoinHandle<()>,
}

impl SoakLink {
    pub fn open(address: SocketAddr) -> Self {
        let (to_server, outgoing) = mpsc::unbounded_channel();
        let (incoming, from_server) = mpsc::channel(64);
        let (fault, faults) = watch::channel(NetworkFault::None);
        let task = tokio::spawn(run(address, outgoing, incoming, faults));
        Self { to_server, from_server, fault, task }
    }

    /// Sends a message. It is lost if the link is closed.
    pub fn send(&self, message: ClientMessage) {
        let _lost = self.to_server.send(message);
    }

    pub async fn next(&mut self) -> Option<SoakLinkEvent> {
        self.from_server.recv().await
    }

    pub fn set_fault(&self, fault: NetworkFault) {
        self.fault.send_replace(fault);
    }

    /// Breaks the connection and loses messages in flight. Dropping the link instead sends them first.
    pub fn cut(self) {
        self.task.abort();
    }

    /// Simulates a client that lost power: the server notices only by its own timeout.
    pub async fn vanish(self) {
        self.set_fault(NetworkFault::Vanished);
        // The task keeps the socket until the server has noticed.
        drop(self.to_server);
    }
}

async fn run(
    address: SocketAddr,
    mut outgoing: mpsc::UnboundedReceiver<ClientMessage>,
    incoming: mpsc::Sender<SoakLinkEvent>,
    mut faults: watch::Receiver<NetworkFault>,
) {
    let opening = async {
        let stream = TcpStream::connect(address).await.ok()?;
        let mut request = format!("ws://{address}/ws").into_client_request().ok()?;
        request.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
        tokio_tungstenite::client_async(request, stream).await.ok()
    };
    let Ok(Some((mut socket, _))) = timeout(TIMEOUT, opening).await else { return };
    if incoming.send(SoakLinkEvent::Up).await.is_err() {
        return;
    }
    loop {
        let fault = *faults.borrow_and_update();
        if fault == NetworkFault::Vanished {
            // As in `tests/pressure`: a socket filter that drops every packet.
            SockRef::from(socket.get_ref()).attach_filter(&[SockFilter::new(0x06, 0, 0, 0)]).unwrap();
            sleep(Duration::from_secs(60)).await;
            return;
        }
        let delay = if let NetworkFault::Slow(delay) = fault { delay } else { Duration::ZERO };
        tokio::select! {
            changed = faults.changed() => {
                // The link was dropped: its queued messages are sent first.
                if changed.is_err() && outgoing.is_empty() {
                    let _closed = timeout(TIMEOUT, socket.close(None)).await;
                    return;
                }
            }
            message = outgoing.recv() => {
                let Some(message) = message else {
                    let _closed = timeout(TIMEOUT, socket.close(None)).await;
                    return;
                };
                sleep(delay).await;
                let text = serde_json::to_string(&message).unwrap();
                if !matches!(timeout(TIMEOUT, socket.send(Message::text(text))).await, Ok(Ok(()))) {
                    return;
                }
            }
            frame = socket.next(), if fault != NetworkFault::Stalled => {
                match frame {
                    Some(Ok(Message::Text(text))) => {
                        sleep(delay).await;
                        let message = decode_server(&text).unwrap();
                        if incoming.send(SoakLinkEvent::Message(message)).await.is_err() {
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
