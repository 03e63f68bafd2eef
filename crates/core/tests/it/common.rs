//! A client whose inputs are given, and whose outputs are read, one by one.

use std::time::Duration;

use hutong_core::{Client, Command, Config, Input, LinkEvent, MediaCommand, MediaEvent, Output, PeerId, Saved};
use hutong_protocol::{
    CallId, ClientMessage, IceCandidate, Limits, MediaKind, Name, SdpKind, ServerMessage, Ticket, Token, User,
    UserState,
};

pub const CALL: CallId = CallId(0x7f);

pub struct Bench {
    pub client: Client,
    pub now: Duration,
}

impl Bench {
    pub fn new(saved: Option<Saved>) -> (Self, Vec<Output>) {
        let client = Client::new(Config { seed: 7, saved }, Duration::ZERO);
        let mut bench = Self { client, now: Duration::ZERO };
        let outputs = bench.outputs();
        (bench, outputs)
    }

    /// Logged in as Ana, with Bo online.
    pub fn logged_in() -> Self {
        let (mut bench, _) = Self::new(None);
        bench.give(Input::Command(Command::LogIn { name: "Ana".into(), secret: None }));
        bench.give(Input::Link(LinkEvent::Up));
        bench.give(Input::Message(welcome()));
        bench
    }

    pub fn give(&mut self, input: Input) -> Vec<Output> {
        self.client.handle(self.now, input);
        self.outputs()
    }

    pub fn message(&mut self, message: ServerMessage) -> Vec<Output> {
        self.give(Input::Message(message))
    }

    pub fn media(&mut self, event: MediaEvent) -> Vec<Output> {
        self.give(Input::Media(event))
    }

    pub fn at(&mut self, now: Duration) -> Vec<Output> {
        self.now = now;
        self.give(Input::Tick)
    }

    pub fn peer(&self) -> PeerId {
        self.client.view().call.as_ref().and_then(|call| call.peer).unwrap()
    }

    fn outputs(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.client.poll_output()).collect()
    }
}

pub fn user(token: u64, name: &str) -> User {
    User { token: Token(token), name: Name::new(name).unwrap(), state: UserState::Online }
}

pub fn welcome() -> ServerMessage {
    ServerMessage::Welcome {
        me: user(1, "Ana"),
        ticket: Ticket::new("ana"),
        ice_servers: vec![],
        limits: Limits::default(),
        users: vec![user(2, "Bo")],
        total: None,
    }
}

pub fn candidate(number: usize) -> IceCandidate {
    IceCandidate {
        candidate: format!("candidate:{number}"),
        sdp_mid: Some("0".into()),
        sdp_m_line_index: None,
        username_fragment: None,
    }
}

pub fn sent(outputs: &[Output]) -> Vec<ClientMessage> {
    let sent = outputs.iter().filter_map(|output| match output {
        Output::Send(message) => Some(message.clone()),
        _ => None,
    });
    sent.collect()
}

pub fn media(outputs: &[Output]) -> Vec<MediaCommand> {
    let media = outputs.iter().filter_map(|output| match output {
        Output::Media(command) => Some(command.clone()),
        _ => None,
    });
    media.collect()
}

/// Ana is called by Bo, has accepted, and her offer is being made.
pub fn making_offer() -> Bench {
    let mut bench = Bench::logged_in();
    bench.message(ServerMessage::Offering { call: CALL, from: user(2, "Bo"), media: MediaKind::Video });
    bench.give(Input::Command(Command::Accept { media: MediaKind::Video }));
    let peer = bench.peer();
    bench.media(MediaEvent::Acquired { peer });
    bench
}

/// Ana calls Bo, and it rings there.
pub fn ringing() -> Bench {
    let mut bench = Bench::logged_in();
    bench.give(Input::Command(Command::Call { to: Token(2), media: MediaKind::Video }));
    let peer = bench.peer();
    bench.media(MediaEvent::Acquired { peer });
    bench.message(ServerMessage::Ringing { call: CALL, to: Token(2) });
    bench
}

pub fn description(bench: &Bench, kind: SdpKind) -> MediaEvent {
    MediaEvent::LocalDescription { peer: bench.peer(), kind, sdp: "v=0".into() }
}
