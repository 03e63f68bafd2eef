//! Somebody with a real client: it runs `hutong_core` over a real socket, as the app does. Its media flows as soon as it may.

use std::{collections::VecDeque, net::SocketAddr, time::Duration};

use futures_util::{SinkExt, StreamExt};
use hutong_core::{
    CallPhase, Client, Command, Config, Connectivity, Input, LinkEvent, MediaCommand, MediaEvent, Output, PeerId,
    Session, Update, View,
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

pub struct Person {
    pub name: Name,
    commands: mpsc::UnboundedSender<Command>,
    seen: watch::Receiver<Seen>,
    task: JoinHandle<()>,
}

/// What somebody sees, and has seen.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub view: View,
    /// How often the server was lost.
    pub losses: usize,
    /// A call in which media flowed is over.
    ended: bool,
}

impl Seen {
    pub fn phase(&self) -> Option<CallPhase> {
        self.view.call.as_ref().map(|call| call.phase)
    }

    /// As the server tells it; `offline` while it does not.
    pub fn state(&self) -> UserState {
        match &self.view.session {
            Session::LoggedIn { me } => me.state,
            _ => UserState::Offline,
        }
    }

    /// Whether client and server agree on that.
    pub fn is_in_call(&self) -> bool {
        self.state() == UserState::InCall && self.phase() == Some(CallPhase::Connected)
    }

    fn note(&mut self, update: Update) {
        match &update {
            Update::Session(Session::Reconnecting { .. }) => self.losses += 1,
            Update::Call(call) => {
                let connected = self.phase() == Some(CallPhase::Connected);
                let is_over = call.as_ref().is_none_or(|call| call.phase == CallPhase::Ending);
                self.ended |= connected && is_over;
            }
            _ => {}
        }
        self.view.apply(update);
    }
}

impl Person {
    /// Somebody who logs in under this name, and comes back whenever the server is lost.
    pub fn log_in(name: &str, seed: u64, server: SocketAddr) -> Self {
        let (commands, orders) = mpsc::unbounded_channel();
        let (tell, seen) = watch::channel(Seen::default());
        let client = Client::new(Config { seed, saved: None }, Duration::ZERO);
        let device = Device {
            server,
            client,
            start: Instant::now(),
            wake: None,
            link: Link::Closed,
            reports: VecDeque::new(),
            tell,
        };
        let task = tokio::spawn(device.run(orders));
        let person = Self { name: Name::new(name).unwrap(), commands, seen, task };
        person.does(Command::LogIn { name: name.to_owned(), secret: None });
        person
    }

    pub fn does(&self, command: Command) {
        self.commands.send(command).expect("the client runs");
    }

    /// Waits until what they see is what is looked for.
    pub async fn until<T>(&self, mut wanted: impl FnMut(&Seen) -> Option<T>) -> T {
        let mut seen = self.seen.clone();
        loop {
            if let Some(found) = wanted(&seen.borrow_and_update()) {
                return found;
            }
            seen.changed().await.expect("the client runs");
        }
    }

    /// The same, where nothing but that is of interest.
    pub async fn is(&self, wanted: fn(&Seen) -> bool) {
        self.until(|seen| wanted(seen).then_some(())).await;
    }

    pub fn has_ended_a_call(&self) -> bool {
        self.seen.borrow().ended
    }

    pub fn why_not_in_call(&self) -> Option<String> {
        let seen = self.seen.borrow();
        let told = || format!("{}: {:?}, {:?}", self.name, seen.view.session, seen.phase());
        (!seen.is_in_call() || seen.losses == 0).then(told)
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The driver of one client.
struct Device {
    server: SocketAddr,
    client: Client,
    start: Instant,
    wake: Option<Instant>,
    link: Link,
    reports: VecDeque<MediaEvent>,
    tell: watch::Sender<Seen>,
}

enum Link {
    Closed,
    Opening(JoinHandle<Option<WebSocketStream<TcpStream>>>),
    Open(Box<WebSocketStream<TcpStream>>),
}

impl Link {
    /// What happens next to it. Never, while it is closed.
    async fn next(&mut self) -> Input {
        match self {
            Self::Closed => std::future::pending().await,
            Self::Opening(opening) => match opening.await.ok().flatten() {
                Some(socket) => {
                    *self = Self::Open(Box::new(socket));
                    Input::Link(LinkEvent::Up)
                }
                None => {
                    *self = Self::Closed;
                    Input::Link(LinkEvent::Down)
                }
            },
            Self::Open(socket) => loop {
                match socket.next().await {
                    Some(Ok(Message::Text(text))) => return Input::Message(decode_server(&text).unwrap()),
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    Some(Ok(_) | Err(_)) | None => {
                        *self = Self::Closed;
                        return Input::Link(LinkEvent::Down);
                    }
                }
            },
        }
    }

    async fn send(&mut self, text: String) {
        if let Self::Open(socket) = self {
            // A broken one is noticed by reading.
            let _broken = socket.send(Message::text(text)).await;
        }
    }
}

impl Device {
    async fn run(mut self, mut orders: mpsc::UnboundedReceiver<Command>) {
        loop {
            self.outputs().await;
            if let Some(report) = self.reports.pop_front() {
                self.input(Input::Media(report));
                continue;
            }
            let wake = self.wake;
            let input = tokio::select! {
                order = orders.recv() => match order {
                    Some(command) => Input::Command(command),
                    None => return,
                },
                input = self.link.next() => input,
                () = sleep_until(wake.unwrap_or(self.start)), if wake.is_some() => {
                    self.wake = None;
                    Input::Tick
                }
            };
            self.input(input);
        }
    }

    fn input(&mut self, input: Input) {
        self.client.handle(self.start.elapsed(), input);
    }

    async fn outputs(&mut self) {
        while let Some(output) = self.client.poll_output() {
            match output {
                Output::Connect => self.link = Link::Opening(tokio::spawn(open(self.server))),
                Output::Disconnect => {
                    if let Link::Opening(opening) = &self.link {
                        opening.abort();
                    }
                    self.link = Link::Closed;
                }
                Output::Send(message) => self.link.send(serde_json::to_string(&message).unwrap()).await,
                Output::Media(command) => self.media(command),
                Output::Show(update) => self.tell.send_modify(|seen| seen.note(update)),
                Output::Wake(at) => self.wake = Some(self.start + at),
                Output::Save(_) => {}
            }
        }
    }

    /// Devices that are always granted, and media that flows as soon as both descriptions are there.
    fn media(&mut self, command: MediaCommand) {
        match command {
            MediaCommand::Acquire { peer, .. } => self.reports.push_back(MediaEvent::Acquired { peer }),
            MediaCommand::Offer { peer } | MediaCommand::RestartIce { peer } => self.describe(peer, SdpKind::Offer),
            MediaCommand::Answer { peer, .. } => {
                self.describe(peer, SdpKind::Answer);
                self.flows(peer);
            }
            MediaCommand::Remote { peer, kind, .. } => {
                if kind == SdpKind::Offer {
                    self.describe(peer, SdpKind::Answer);
                }
                self.flows(peer);
            }
            MediaCommand::AddCandidate { .. } => {}
            MediaCommand::Close { peer } => self.reports.push_back(MediaEvent::Closed { peer }),
        }
    }

    fn describe(&mut self, peer: PeerId, kind: SdpKind) {
        self.reports.push_back(MediaEvent::LocalDescription { peer, kind, sdp: "v=0".into() });
    }

    fn flows(&mut self, peer: PeerId) {
        self.reports.push_back(MediaEvent::Connectivity { peer, state: Connectivity::Connected });
    }
}

async fn open(server: SocketAddr) -> Option<WebSocketStream<TcpStream>> {
    let stream = TcpStream::connect(server).await.ok()?;
    let mut request = format!("ws://{server}/ws").into_client_request().ok()?;
    request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(SUBPROTOCOL));
    Some(client_async(request, stream).await.ok()?.0)
}
