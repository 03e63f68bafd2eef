//! Test harness: a client to which a test passes single inputs, and whose outputs it reads.

use std::time::Duration;

use hutong_core::{
    CallPhase, Client, Command, Config, Connectivity, Input, MediaCommand, MediaEvent, Output, PeerId, SavedSession,
    SocketEvent,
};
use hutong_protocol::{
    CallId, CallTicket, ClientMessage, IceCandidate, IceServer, Limits, MediaKind, Name, SdpKind, ServerMessage,
    SessionTicket, Token, User, UserState,
};

pub const CALL: CallId = CallId(0x7f);

pub struct ClientHarness {
    pub client: Client,
    pub now: Duration,
}

impl ClientHarness {
    pub fn new(saved: Option<SavedSession>) -> (Self, Vec<Output>) {
        let client = Client::new(Config { seed: 7, saved, ..Config::default() }, Duration::ZERO);
        let mut harness = Self { client, now: Duration::ZERO };
        let outputs = harness.outputs();
        (harness, outputs)
    }

    /// A client that is logged in as Ana, with Bo online.
    pub fn logged_in() -> Self {
        Self::with_ice_servers([])
    }

    /// The same, on a server that names these ICE servers.
    pub fn with_ice_servers(ice_servers: impl IntoIterator<Item = IceServer>) -> Self {
        let (mut harness, _) = Self::new(None);
        harness.input(Input::Command(Command::LogIn { name: "Ana".into(), secret: None }));
        harness.input(Input::Socket(SocketEvent::Opened));
        let mut welcome = welcome();
        if let ServerMessage::Welcome { ice_servers: named, .. } = &mut welcome {
            named.extend(ice_servers);
        }
        harness.input(Input::Message(welcome));
        harness
    }

    /// Ana accepts a call from Bo, and her engine creates the offer.
    pub fn accept_call(&mut self) {
        self.message(ServerMessage::Offering { call: CALL, from: user(2, "Bo"), media: MediaKind::Video });
        self.input(Input::Command(Command::Accept { media: MediaKind::Video }));
        let peer = self.peer();
        self.media(MediaEvent::Acquired { peer });
    }

    pub fn input(&mut self, input: Input) -> Vec<Output> {
        self.client.handle(self.now, input);
        self.outputs()
    }

    pub fn message(&mut self, message: ServerMessage) -> Vec<Output> {
        self.input(Input::Message(message))
    }

    pub fn media(&mut self, event: MediaEvent) -> Vec<Output> {
        self.input(Input::Media(event))
    }

    pub fn tick_at(&mut self, now: Duration) -> Vec<Output> {
        self.now = now;
        self.input(Input::Tick)
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
        ticket: SessionTicket::new("ana"),
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

/// Ana has accepted a call from Bo, and her engine creates the offer.
pub fn making_offer() -> ClientHarness {
    let mut harness = ClientHarness::logged_in();
    harness.accept_call();
    harness
}

/// Ana has accepted Bo's call and has received his answer.
pub fn established() -> ClientHarness {
    let mut harness = making_offer();
    let offer = description(&harness, SdpKind::Offer);
    harness.media(offer);
    harness.message(ServerMessage::Calling { call: CALL, sdp: "v=0".into(), ticket: CallTicket::new("call") });
    harness
}

/// The same, and media flows.
pub fn flowing() -> ClientHarness {
    let mut harness = established();
    connectivity(&mut harness, Connectivity::Connected);
    assert_eq!(harness.client.view().call.as_ref().map(|call| call.phase), Some(CallPhase::Connected));
    harness
}

pub fn connectivity(harness: &mut ClientHarness, state: Connectivity) -> Vec<Output> {
    let peer = harness.peer();
    harness.media(MediaEvent::Connectivity { peer, state })
}

/// Ana calls Bo, and the call rings on his side.
pub fn ringing() -> ClientHarness {
    let mut harness = ClientHarness::logged_in();
    harness.input(Input::Command(Command::Call { to: Token(2), media: MediaKind::Video }));
    let peer = harness.peer();
    harness.media(MediaEvent::Acquired { peer });
    harness.message(ServerMessage::Ringing { call: CALL, to: Token(2) });
    harness
}

pub fn description(harness: &ClientHarness, kind: SdpKind) -> MediaEvent {
    MediaEvent::LocalDescription { peer: harness.peer(), kind, sdp: "v=0".into() }
}
