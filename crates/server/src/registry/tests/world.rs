//! Simulation of a registry and real clients: connections, media engines and the clock are stepped by the test.

use std::{collections::VecDeque, time::Duration};

use hutong_core::{
    CallPhase, CallRecord, CallView, Client, Command, Config as ClientConfig, Connectivity, HeartbeatMode, Input,
    MediaCommand, MediaEvent, MediaProblem, Output, PeerId, SavedSession, SessionView, SocketEvent,
};
use hutong_protocol::{ClientMessage, MediaKind, SdpKind, ServerMessage, Token, UserState};

use crate::registry::{ConnId, Effect, Registry, RegistryConfig};

/// When the simulation starts: 2026-11-23, about noon.
const EPOCH: Duration = Duration::from_secs(1_795_435_200);

/// The registry, the participants, and the current time.
pub struct RegistryWorld {
    pub now: Duration,
    pub registry: Registry,
    pub participants: Vec<SimulatedParticipant>,
    next_conn: u64,
    key: [u8; 32],
}

/// A client with its media engine, connections and saved session.
pub struct SimulatedParticipant {
    pub client: Client,
    pub engine: MediaEngineStub,
    pub saved: Option<SavedSession>,
    /// The calls that are over, oldest first.
    pub records: Vec<CallRecord>,
    pub sockets: Vec<SimulatedSocket>,
    wake: Option<Duration>,
    /// While set, the media engine answers `Acquire` with this problem.
    pub media_problem: Option<MediaProblem>,
    /// While true, new connections fail.
    pub network_down: bool,
}

/// A WebSocket with ordered delivery. When it breaks, messages in flight are lost.
pub struct SimulatedSocket {
    conn: ConnId,
    to_server: VecDeque<ClientMessage>,
    to_client: VecDeque<ServerMessage>,
    /// Client and server notice that the socket closed at different times.
    client_saw_close: bool,
    server_saw_close: bool,
    broken: bool,
}

/// A media engine without media: it queues the events that a real engine would report for each command.
#[derive(Default)]
pub struct MediaEngineStub {
    pub events: VecDeque<MediaEvent>,
    /// Open peer connections, each with the remote participant and peer named by its remote description.
    pub peers: Vec<(PeerId, Option<(usize, PeerId)>)>,
    pub acquired: usize,
}

/// Clients without heartbeat: [`RegistryWorld::advance`] delivers no messages, so that pings would have no answer.
fn client_config(seed: u64, saved: Option<SavedSession>) -> ClientConfig {
    ClientConfig { seed, saved, heartbeat: HeartbeatMode::Disabled }
}

impl RegistryWorld {
    pub fn new(people: usize) -> Self {
        let key = [3; 32];
        let config = RegistryConfig { max_users: 100, whole_roster: 100, ticket_key: key, session_seed: [1; 32] };
        let mut world =
            Self { now: EPOCH, registry: Registry::new(config, EPOCH), participants: Vec::new(), next_conn: 0, key };
        for seed in 0..people {
            let client = Client::new(client_config(seed as u64, None), world.now);
            let engine = MediaEngineStub::default();
            world.participants.push(SimulatedParticipant {
                client,
                engine,
                saved: None,
                sockets: vec![],
                wake: None,
                media_problem: None,
                records: vec![],
                network_down: false,
            });
        }
        world
    }

    /// All participants logged in, and all messages delivered.
    pub fn logged_in(people: usize) -> Self {
        let mut world = Self::new(people);
        for index in 0..people {
            world.command(index, Command::LogIn { name: format!("person {index}"), secret: None });
        }
        world.deliver_all();
        world
    }

    pub fn token(&self, index: usize) -> Option<Token> {
        self.participants[index].client.view().session.me().map(|me| me.token)
    }

    pub fn state(&self, index: usize) -> UserState {
        let record = self.token(index).and_then(|token| self.registry.state.users.get(token));
        record.map_or(UserState::Offline, |record| record.user.state)
    }

    pub fn call(&self, index: usize) -> Option<&CallView> {
        self.participants[index].client.view().call.as_ref()
    }

    pub fn phase(&self, index: usize) -> Option<CallPhase> {
        self.call(index).map(|call| call.phase)
    }

    pub fn command(&mut self, index: usize, command: Command) {
        self.input(index, Input::Command(command));
    }

    /// Starts a video call, if the target is logged in.
    pub fn start_call(&mut self, caller: usize, target: usize) {
        if let Some(to) = self.token(target) {
            self.command(caller, Command::Call { to, media: MediaKind::Video });
        }
    }

    /// Participants 0 and 1 in an established video call.
    pub fn in_call(people: usize) -> Self {
        let mut world = Self::logged_in(people);
        world.start_call(0, 1);
        world.deliver_all();
        world.command(1, Command::Accept { media: MediaKind::Video });
        world.deliver_all();
        assert_eq!((world.phase(0), world.phase(1)), (Some(CallPhase::Connected), Some(CallPhase::Connected)));
        assert_eq!((world.state(0), world.state(1)), (UserState::InCall, UserState::InCall));
        world
    }

    pub fn input(&mut self, index: usize, input: Input) {
        self.participants[index].client.handle(self.now, input);
        self.handle_outputs(index);
    }

    pub fn handle_outputs(&mut self, index: usize) {
        while let Some(output) = self.participants[index].client.poll_output() {
            match output {
                Output::Connect => {
                    let conn = ConnId(self.next_conn);
                    self.next_conn += 1;
                    let participant = &mut self.participants[index];
                    assert!(
                        participant.sockets.iter().all(|socket| socket.client_saw_close),
                        "a client opened a second connection"
                    );
                    let broken = participant.network_down;
                    let (to_server, to_client) = Default::default();
                    let socket = SimulatedSocket {
                        conn,
                        to_server,
                        to_client,
                        client_saw_close: false,
                        server_saw_close: broken,
                        broken,
                    };
                    participant.sockets.push(socket);
                    if !broken {
                        self.input(index, Input::Socket(SocketEvent::Opened));
                    }
                }
                Output::Disconnect => {
                    for socket in &mut self.participants[index].sockets {
                        socket.client_saw_close = true;
                    }
                }
                Output::Send(message) => {
                    let socket = self.participants[index].sockets.last_mut().filter(|socket| !socket.client_saw_close);
                    if let Some(socket) = socket.filter(|socket| !socket.broken) {
                        socket.to_server.push_back(message);
                    }
                }
                Output::Media(command) => {
                    let problem = self.participants[index].media_problem;
                    self.participants[index].engine.execute(index, command, problem);
                }
                Output::Show(_) => {}
                Output::Record(record) => self.participants[index].records.push(record),
                Output::Wake(at) => self.participants[index].wake = Some(at),
                Output::Save(saved) => self.participants[index].saved = saved,
            }
        }
    }

    /// Delivers the next message, or the close, of a participant's sockets to the server.
    pub fn deliver_to_server(&mut self, index: usize) -> bool {
        for socket in 0..self.participants[index].sockets.len() {
            let socket = &mut self.participants[index].sockets[socket];
            let conn = socket.conn;
            if socket.server_saw_close {
                continue;
            }
            if let Some(message) = socket.to_server.pop_front() {
                self.registry.handle_message(self.now, conn, message);
                self.handle_effects();
                return true;
            }
            if socket.client_saw_close || socket.broken {
                socket.server_saw_close = true;
                self.registry.handle_disconnect(self.now, conn);
                self.handle_effects();
                return true;
            }
        }
        false
    }

    /// Delivers the next message, or the close, of a participant's latest socket to its client.
    pub fn deliver_to_client(&mut self, index: usize) -> bool {
        let Some(socket) = self.participants[index].sockets.last_mut().filter(|socket| !socket.client_saw_close) else {
            return false;
        };
        if let Some(message) = socket.to_client.pop_front() {
            self.input(index, Input::Message(message));
            return true;
        }
        if socket.broken || socket.server_saw_close {
            socket.client_saw_close = true;
            self.input(index, Input::Socket(SocketEvent::Closed));
            return true;
        }
        false
    }

    /// Breaks a participant's connection: messages in flight are lost, and both ends notice later.
    pub fn break_connection(&mut self, index: usize) {
        if let Some(socket) = self.participants[index].sockets.last_mut() {
            socket.broken = true;
            socket.to_server.clear();
            socket.to_client.clear();
        }
    }

    /// Delivers the next event of a participant's media engine to its client.
    pub fn deliver_media_event(&mut self, index: usize) -> bool {
        let Some(event) = self.participants[index].engine.events.pop_front() else { return false };
        self.input(index, Input::Media(event));
        true
    }

    /// Advances the clock, and runs each tick of clients and registry on time.
    pub fn advance(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let wakes =
                self.participants.iter().filter_map(|participant| participant.wake).chain(self.registry.next_tick());
            let next = wakes.filter(|at| *at <= end).min();
            self.now = next.map_or(end, |at| at.max(self.now));
            for index in 0..self.participants.len() {
                if self.participants[index].wake.is_some_and(|at| at <= self.now) {
                    self.participants[index].wake = None;
                    self.input(index, Input::Tick);
                }
            }
            self.registry.tick(self.now);
            self.handle_effects();
            if next.is_none() {
                return;
            }
        }
    }

    /// Delivers all messages and media events until none are in flight, presence included.
    pub fn deliver_all(&mut self) {
        for _ in 0..4 {
            let mut steps = 0;
            while self.deliver_one_each() {
                steps += 1;
                assert!(steps < 10_000, "messages are exchanged without end");
            }
            self.advance(Duration::from_millis(50));
        }
    }

    /// Advances the clock in small steps and delivers everything after each.
    pub fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.deliver_all();
            self.detect_dead_media();
            self.advance(Duration::from_millis(300));
        }
        self.deliver_all();
    }

    /// Reports `Disconnected` for each peer connection whose remote peer is closed.
    pub fn detect_dead_media(&mut self) {
        for index in 0..self.participants.len() {
            for number in 0..self.participants[index].engine.peers.len() {
                let (peer, Some((other, their_peer))) = self.participants[index].engine.peers[number] else { continue };
                let alive = self.participants[other].engine.peers.iter().any(|(live, _)| *live == their_peer);
                if !alive {
                    self.participants[index].engine.peers[number].1 = None;
                    let state = Connectivity::Disconnected;
                    self.participants[index].engine.events.push_back(MediaEvent::Connectivity { peer, state });
                }
            }
        }
    }

    /// Reloads a participant's page: client and engine start anew from the saved session.
    pub fn reload_page(&mut self, index: usize) {
        for socket in &mut self.participants[index].sockets {
            socket.client_saw_close = true;
        }
        let saved = self.participants[index].saved.clone();
        let participant = &mut self.participants[index];
        participant.engine = MediaEngineStub::default();
        participant.wake = None;
        participant.client = Client::new(client_config(77, saved), self.now);
        self.handle_outputs(index);
    }

    /// Replaces the registry by a new one with the same key and revocations, as after a crash; all connections break.
    pub fn restart_server(&mut self) {
        for index in 0..self.participants.len() {
            self.break_connection(index);
            for socket in &mut self.participants[index].sockets {
                socket.server_saw_close = true;
            }
        }
        let mut session_seed = [0; 32];
        session_seed[..16].copy_from_slice(&self.now.as_nanos().to_be_bytes());
        let config = RegistryConfig { max_users: 100, whole_roster: 100, ticket_key: self.key, session_seed };
        let revocations: Vec<_> = self.registry.revocations().collect();
        self.registry = Registry::new(config, self.now);
        self.registry.restore_revocations(self.now, revocations);
    }

    /// Asserts that registry and clients agree on every user's state and call.
    pub fn check_agreement(&self) {
        self.registry.check();
        for (index, participant) in self.participants.iter().enumerate() {
            let SessionView::LoggedIn { me } = &participant.client.view().session else { continue };
            let state = self.state(index);
            assert_eq!(me.state, state, "client {index} has its own state");
            let phase = self.phase(index);
            let expected = match phase {
                None => UserState::Online,
                Some(CallPhase::Connected | CallPhase::Connecting | CallPhase::Reconnecting) => UserState::InCall,
                Some(CallPhase::Ending) => UserState::Ending,
                Some(CallPhase::Acquiring) => UserState::Online,
                Some(_) => UserState::Connecting,
            };
            assert_eq!(state, expected, "client {index} is in phase {phase:?}");
            if let Some(call) =
                participant.client.view().call.as_ref().filter(|call| call.phase != CallPhase::Acquiring)
            {
                let Some(other) =
                    (0..self.participants.len()).find(|other| self.token(*other) == Some(call.with.token))
                else {
                    panic!("client {index} is in a call with an unknown user");
                };
                let back = self.call(other).map(|call| call.with.token);
                assert_eq!(back, Some(me.token), "clients {index} and {other} are in one call");
            }
            for (other, them) in self.participants.iter().enumerate().filter(|(other, _)| *other != index) {
                let Some(them) = them.client.view().session.me().filter(|_| self.state(other) != UserState::Offline)
                else {
                    continue;
                };
                let seen = participant.client.view().users.get(&them.token).map(|user| user.state);
                assert_eq!(seen, Some(self.state(other)), "client {index} has the state of client {other}");
            }
        }
    }

    fn deliver_one_each(&mut self) -> bool {
        let mut delivered = false;
        for index in 0..self.participants.len() {
            delivered |= self.deliver_to_server(index);
            delivered |= self.deliver_to_client(index);
            delivered |= self.deliver_media_event(index);
        }
        delivered
    }

    fn handle_effects(&mut self) {
        while let Some(effect) = self.registry.poll_effect() {
            for (to, message) in self.registry.messages(&effect) {
                let sockets = self.participants.iter_mut().flat_map(|participant| &mut participant.sockets);
                for socket in sockets.filter(|socket| socket.conn == to && !socket.broken) {
                    socket.to_client.push_back(message.clone());
                }
            }
            if let Effect::Close { conn, code } = effect {
                let sockets = self.participants.iter_mut().flat_map(|participant| &mut participant.sockets);
                for socket in sockets.filter(|socket| socket.conn == conn) {
                    if !socket.broken {
                        socket.to_client.push_back(ServerMessage::Refused { code, message: String::new() });
                    }
                    socket.server_saw_close = true;
                }
            }
        }
        self.registry.check();
    }
}

impl MediaEngineStub {
    fn execute(&mut self, index: usize, command: MediaCommand, problem: Option<MediaProblem>) {
        match command {
            MediaCommand::Acquire { peer, .. } => match problem {
                Some(problem) => self.events.push_back(MediaEvent::Problem { peer, problem }),
                None => {
                    self.acquired += 1;
                    self.peers.push((peer, None));
                    self.events.push_back(MediaEvent::Acquired { peer });
                }
            },
            MediaCommand::CreateOffer { peer } => self.describe(index, peer, SdpKind::Offer),
            MediaCommand::CreateAnswer { peer, sdp } => {
                self.set_remote(peer, &sdp);
                self.describe(index, peer, SdpKind::Answer);
                self.connected(peer);
            }
            MediaCommand::SetRemoteDescription { peer, kind, sdp, .. } => {
                self.set_remote(peer, &sdp);
                if kind == SdpKind::Offer {
                    self.describe(index, peer, SdpKind::Answer);
                }
                self.connected(peer);
            }
            MediaCommand::AddCandidate { peer, .. } => {
                let remote = self.peers.iter().find(|(live, _)| *live == peer).and_then(|(_, remote)| *remote);
                let gone = self.peers.iter().all(|(live, _)| *live != peer);
                assert!(
                    remote.is_some() || gone || self.was_disconnected(peer),
                    "a candidate arrived before its description"
                );
            }
            MediaCommand::SetIceServers { .. } => {}
            MediaCommand::RestartIce { peer } => self.describe(index, peer, SdpKind::Offer),
            MediaCommand::Close { peer } => {
                self.peers.retain(|(live, _)| *live != peer);
                self.events.push_back(MediaEvent::Closed { peer });
            }
        }
    }

    fn was_disconnected(&self, peer: PeerId) -> bool {
        self.peers.iter().any(|(live, remote)| *live == peer && remote.is_none())
    }

    fn describe(&mut self, index: usize, peer: PeerId, kind: SdpKind) {
        self.events.push_back(MediaEvent::LocalDescription { peer, kind, sdp: format!("{index} {}", peer.0) });
        let candidate = hutong_protocol::IceCandidate {
            candidate: "candidate".into(),
            sdp_mid: None,
            sdp_m_line_index: None,
            username_fragment: None,
        };
        self.events.push_back(MediaEvent::LocalCandidate { peer, candidate });
    }

    /// Reads from a remote description which participant and peer created it.
    fn set_remote(&mut self, peer: PeerId, sdp: &str) {
        let (participant, peer_id) = sdp.split_once(' ').unwrap();
        let remote = Some((participant.parse().unwrap(), PeerId(peer_id.parse().unwrap())));
        for live in self.peers.iter_mut().filter(|(live, _)| *live == peer) {
            live.1 = remote;
        }
    }

    fn connected(&mut self, peer: PeerId) {
        self.events.push_back(MediaEvent::Connectivity { peer, state: Connectivity::Connected });
    }
}
