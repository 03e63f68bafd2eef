//! A real client (`hutong_core`) over a real socket, with simulated media that connects at once.

use std::{collections::VecDeque, net::SocketAddr, time::Duration};

use futures_util::{SinkExt, StreamExt};
use hutong_core::{
    CallPhase, Client, Command, Config, Connectivity, Input, MediaCommand, MediaEvent, Output, PeerId, SessionView,
    SocketEvent, View, ViewUpdate,
};
use hutong_protocol::{Name, SUBPROTOCOL, SdpKind, UserState, decode_server};
use tokio::{
    net::TcpStream,
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{Instant, sleep_until},
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest, http::HeaderValue},
};

/// Handle to a client task. Aborts it on drop.
pub struct RestartClient {
    pub name: Name,
    commands: mpsc::UnboundedSender<Command>,
    history: watch::Receiver<ClientHistory>,
    task: JoinHandle<()>,
}

/// The current view of the client, and what has happened to it.
#[derive(Clone, Debug, Default)]
pub struct ClientHistory {
    pub view: View,
    /// How often the connection to the server was lost.
    pub losses: usize,
    /// Whether a connected call has ended.
    call_ended: bool,
}

impl ClientHistory {
    pub fn phase(&self) -> Option<CallPhase> {
        self.view.call.as_ref().map(|call| call.phase)
    }

    /// The state that the server has announced. `Offline` while there is no session.
    pub fn state(&self) -> UserState {
        match &self.view.session {
            SessionView::LoggedIn { me } => me.state,
            _ => UserState::Offline,
        }
    }

    /// Whether client and server agree that the user is in a call.
    pub fn is_in_call(&self) -> bool {
        self.state() == UserState::InCall && self.phase() == Some(CallPhase::Connected)
    }

    fn apply(&mut self, update: ViewUpdate) {
        match &update {
            ViewUpdate::Session(SessionView::Reconnecting { .. }) => self.losses += 1,
            ViewUpdate::Call(call) => {
                let connected = self.phase() == Some(CallPhase::Connected);
                let is_ending = call.as_ref().is_none_or(|call| call.phase == CallPhase::Ending);
                self.call_ended |= connected && is_ending;
            }
            _ => {}
        }
        self.view.apply(update);
    }
}

impl RestartClient {
    /// Starts a client that logs in under this name and reconnects whenever the server is lost.
    pub fn log_in(name: &str, seed: u64, server: SocketAddr) -> Self {
        let (commands, command_queue) = mpsc::unbounded_channel();
        let (sender, history) = watch::channel(ClientHistory::default());
        let client = Client::new(Config { seed, ..Config::default() }, Duration::ZERO);
        let driver = ClientTask {
            server,
            client,
            start: Instant::now(),
            wake: None,
            socket: RestartSocket::Closed,
            media_events: VecDeque::new(),
            history: sender,
        };
        let task = tokio::spawn(driver.run(command_queue));
        let client = Self { name: Name::new(name).unwrap(), commands, history, task };
        client.command(Command::LogIn { name: name.to_owned(), secret: None });
        client
    }

    pub fn command(&self, command: Command) {
        self.commands.send(command).expect("client task is running");
    }

    /// Waits until the history has what is looked for, and returns it.
    pub async fn wait_for<T>(&self, mut find: impl FnMut(&ClientHistory) -> Option<T>) -> T {
        let mut history = self.history.clone();
        loop {
            if let Some(found) = find(&history.borrow_and_update()) {
                return found;
            }
            history.changed().await.expect("client task is running");
        }
    }

    /// Waits until the history satisfies the predicate.
    pub async fn wait_until(&self, predicate: fn(&ClientHistory) -> bool) {
        self.wait_for(|history| predicate(history).then_some(())).await;
    }

    pub fn has_ended_a_call(&self) -> bool {
        self.history.borrow().call_ended
    }

    /// Session and call, unless the client has lost the server and is back in its call.
    pub fn problem(&self) -> Option<String> {
        let history = self.history.borrow();
        let describe = || format!("{}: {:?}, {:?}", self.name, history.view.session, history.phase());
        (!history.is_in_call() || history.losses == 0).then(describe)
    }
}

impl Drop for RestartClient {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Task that drives one client.
struct ClientTask {
    server: SocketAddr,
    client: Client,
    start: Instant,
    wake: Option<Instant>,
    socket: RestartSocket,
    media_events: VecDeque<MediaEvent>,
    history: watch::Sender<ClientHistory>,
}

/// WebSocket of a client: closed, connecting or open.
enum RestartSocket {
    Closed,
    Opening(JoinHandle<Option<WebSocketStream<TcpStream>>>),
    Open(Box<WebSocketStream<TcpStream>>),
}

impl RestartSocket {
    /// Waits for the next event. Never returns while closed.
    async fn next(&mut self) -> Input {
        match self {
            Self::Closed => std::future::pending().await,
            Self::Opening(opening) => match opening.await.ok().flatten() {
                Some(socket) => {
                    *self = Self::Open(Box::new(socket));
                    Input::Socket(SocketEvent::Opened)
                }
                None => {
                    *self = Self::Closed;
                    Input::Socket(SocketEvent::Closed)
                }
            },
            Self::Open(socket) => loop {
                match socket.next().await {
                    Some(Ok(Message::Text(text))) => return Input::Message(decode_server(&text).unwrap()),
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    Some(Ok(_) | Err(_)) | None => {
                        *self = Self::Closed;
                        return Input::Socket(SocketEvent::Closed);
                    }
                }
            },
        }
    }

    async fn send(&mut self, text: String) {
        if let Self::Open(socket) = self {
            // `next` reports a broken connection.
            let _broken = socket.send(Message::text(text)).await;
        }
    }
}

impl ClientTask {
    async fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        loop {
            self.run_outputs().await;
            if let Some(event) = self.media_events.pop_front() {
                self.handle(Input::Media(event));
                continue;
            }
            let wake = self.wake;
            let input = tokio::select! {
                command = commands.recv() => match command {
                    Some(command) => Input::Command(command),
                    None => return,
                },
                input = self.socket.next() => input,
                () = sleep_until(wake.unwrap_or(self.start)), if wake.is_some() => {
                    self.wake = None;
                    Input::Tick
                }
            };
            self.handle(input);
        }
    }

    fn handle(&mut self, input: Input) {
        self.client.handle(self.start.elapsed(), input);
    }

    async fn run_outputs(&mut self) {
        while let Some(output) = self.client.poll_output() {
            match output {
                Output::Connect => self.socket = RestartSocket::Opening(tokio::spawn(open(self.server))),
                Output::Disconnect => {
                    if let RestartSocket::Opening(opening) = &self.socket {
                        opening.abort();
                    }
                    self.socket = RestartSocket::Closed;
                }
                Output::Send(message) => self.socket.send(serde_json::to_string(&message).unwrap()).await,
                Output::Media(command) => self.run_media(command),
                Output::Show(update) => self.history.send_modify(|history| history.apply(update)),
                Output::Wake(at) => self.wake = Some(self.start + at),
                Output::Save(_) | Output::Record(_) => {}
            }
        }
    }

    /// Simulates media: devices are always granted, and media connects as soon as both descriptions are set.
    fn run_media(&mut self, command: MediaCommand) {
        match command {
            MediaCommand::Acquire { peer, .. } => self.media_events.push_back(MediaEvent::Acquired { peer }),
            MediaCommand::CreateOffer { peer } | MediaCommand::RestartIce { peer } => {
                self.describe(peer, SdpKind::Offer)
            }
            MediaCommand::CreateAnswer { peer, .. } => {
                self.describe(peer, SdpKind::Answer);
                self.connected(peer);
            }
            MediaCommand::SetRemoteDescription { peer, kind, .. } => {
                if kind == SdpKind::Offer {
                    self.describe(peer, SdpKind::Answer);
                }
                self.connected(peer);
            }
            MediaCommand::AddCandidate { .. } | MediaCommand::SetIceServers { .. } => {}
            MediaCommand::Close { peer } => self.media_events.push_back(MediaEvent::Closed { peer }),
        }
    }

    fn describe(&mut self, peer: PeerId, kind: SdpKind) {
        self.media_events.push_back(MediaEvent::LocalDescription { peer, kind, sdp: "v=0".into() });
    }

    fn connected(&mut self, peer: PeerId) {
        self.media_events.push_back(MediaEvent::Connectivity { peer, state: Connectivity::Connected });
    }
}

async fn open(server: SocketAddr) -> Option<WebSocketStream<TcpStream>> {
    let stream = TcpStream::connect(server).await.ok()?;
    let mut request = format!("ws://{server}/ws").into_client_request().ok()?;
    request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(SUBPROTOCOL));
    Some(client_async(request, stream).await.ok()?.0)
}
