//! A server's registry and some real clients, with connections, devices, people and a clock that the test steps.

use std::{collections::VecDeque, time::Duration};

use hutong_core::{
    CallPhase, CallView, Client, Command, Config as ClientConfig, Connectivity, Input, LinkEvent, MediaCommand,
    MediaEvent, MediaProblem, Output, PeerId, Saved, Session,
};
use hutong_protocol::{ClientMessage, MediaKind, SdpKind, ServerMessage, Token, UserState};

use crate::registry::{Config, ConnId, Effect, Registry};

/// When the world begins: 2026-11-23, about noon.
const EPOCH: Duration = Duration::from_secs(1_795_435_200);

pub struct World {
    pub now: Duration,
    pub registry: Registry,
    pub people: Vec<Person>,
    next_conn: u64,
    key: [u8; 32],
}

pub struct Person {
    pub client: Client,
    pub engine: Engine,
    pub saved: Option<Saved>,
    pub wires: Vec<Wire>,
    wake: Option<Duration>,
    /// The devices are refused, for as long as this is set.
    pub refuses: Option<MediaProblem>,
    /// Connections cannot be opened, for as long as this is set.
    pub cut_off: bool,
}

/// One WebSocket: first in, first out, and what is under way at a break is lost.
pub struct Wire {
    conn: ConnId,
    to_server: VecDeque<ClientMessage>,
    to_client: VecDeque<ServerMessage>,
    /// Each end learns of a break by itself.
    client_knows: bool,
    server_knows: bool,
    broken: bool,
}

/// A media engine with one peer connection at a time: it answers what it is asked, one report a step.
#[derive(Default)]
pub struct Engine {
    pub reports: VecDeque<MediaEvent>,
    /// Live peers: ours, and whom the descriptions say it is connected to.
    pub live: Vec<(PeerId, Option<(usize, PeerId)>)>,
    pub acquired: usize,
}

impl World {
    pub fn new(people: usize) -> Self {
        let key = [3; 32];
        let config = Config { max_users: 100, whole_roster: 100, ice_servers: vec![], ticket_key: key };
        let mut world =
            Self { now: EPOCH, registry: Registry::new(config, EPOCH), people: Vec::new(), next_conn: 0, key };
        for seed in 0..people {
            let client = Client::new(ClientConfig { seed: seed as u64, saved: None }, world.now);
            let engine = Engine::default();
            world.people.push(Person {
                client,
                engine,
                saved: None,
                wires: vec![],
                wake: None,
                refuses: None,
                cut_off: false,
            });
        }
        world
    }

    /// Everybody logged in, and everything delivered.
    pub fn logged_in(people: usize) -> Self {
        let mut world = Self::new(people);
        for who in 0..people {
            world.command(who, Command::LogIn { name: format!("person {who}"), secret: None });
        }
        world.settle();
        world
    }

    pub fn token(&self, who: usize) -> Option<Token> {
        self.people[who].client.view().session.me().map(|me| me.token)
    }

    pub fn state(&self, who: usize) -> UserState {
        let record = self.token(who).and_then(|token| self.registry.state.users.get(token));
        record.map_or(UserState::Offline, |record| record.user.state)
    }

    pub fn call(&self, who: usize) -> Option<&CallView> {
        self.people[who].client.view().call.as_ref()
    }

    pub fn phase(&self, who: usize) -> Option<CallPhase> {
        self.call(who).map(|call| call.phase)
    }

    pub fn command(&mut self, who: usize, command: Command) {
        self.input(who, Input::Command(command));
    }

    /// `who` calls `whom`, as far as the interface lets them.
    pub fn calls(&mut self, who: usize, whom: usize) {
        if let Some(to) = self.token(whom) {
            self.command(who, Command::Call { to, media: MediaKind::Video });
        }
    }

    /// A call from one to the other, set up and with its media flowing.
    pub fn in_call(people: usize) -> Self {
        let mut world = Self::logged_in(people);
        world.calls(0, 1);
        world.settle();
        world.command(1, Command::Accept { media: MediaKind::Video });
        world.settle();
        assert_eq!((world.phase(0), world.phase(1)), (Some(CallPhase::Connected), Some(CallPhase::Connected)));
        assert_eq!((world.state(0), world.state(1)), (UserState::InCall, UserState::InCall));
        world
    }

    pub fn input(&mut self, who: usize, input: Input) {
        self.people[who].client.handle(self.now, input);
        self.outputs(who);
    }

    pub fn outputs(&mut self, who: usize) {
        while let Some(output) = self.people[who].client.poll_output() {
            match output {
                Output::Connect => {
                    let conn = ConnId(self.next_conn);
                    self.next_conn += 1;
                    let person = &mut self.people[who];
                    assert!(person.wires.iter().all(|wire| wire.client_knows), "two connections at once");
                    let broken = person.cut_off;
                    let (to_server, to_client) = Default::default();
                    let wire = Wire { conn, to_server, to_client, client_knows: false, server_knows: broken, broken };
                    person.wires.push(wire);
                    if !broken {
                        self.input(who, Input::Link(LinkEvent::Up));
                    }
                }
                Output::Disconnect => {
                    for wire in &mut self.people[who].wires {
                        wire.client_knows = true;
                    }
                }
                Output::Send(message) => {
                    let wire = self.people[who].wires.last_mut().filter(|wire| !wire.client_knows);
                    if let Some(wire) = wire.filter(|wire| !wire.broken) {
                        wire.to_server.push_back(message);
                    }
                }
                Output::Media(command) => {
                    let refuses = self.people[who].refuses;
                    self.people[who].engine.obey(who, command, refuses);
                }
                Output::Show(_) => {}
                Output::Wake(at) => self.people[who].wake = Some(at),
                Output::Save(saved) => self.people[who].saved = saved,
            }
        }
    }

    /// Delivers the next message from this person to the server.
    pub fn deliver_to_server(&mut self, who: usize) -> bool {
        for place in 0..self.people[who].wires.len() {
            let wire = &mut self.people[who].wires[place];
            let conn = wire.conn;
            if wire.server_knows {
                continue;
            }
            if let Some(message) = wire.to_server.pop_front() {
                self.registry.received(self.now, conn, message);
                self.effects();
                return true;
            }
            if wire.client_knows || wire.broken {
                wire.server_knows = true;
                self.registry.disconnected(self.now, conn);
                self.effects();
                return true;
            }
        }
        false
    }

    /// Delivers the next message from the server to this person.
    pub fn deliver_to_client(&mut self, who: usize) -> bool {
        let Some(wire) = self.people[who].wires.last_mut().filter(|wire| !wire.client_knows) else { return false };
        if let Some(message) = wire.to_client.pop_front() {
            self.input(who, Input::Message(message));
            return true;
        }
        if wire.broken || wire.server_knows {
            wire.client_knows = true;
            self.input(who, Input::Link(LinkEvent::Down));
            return true;
        }
        false
    }

    /// Breaks this person's connection: what is under way is lost, and each end finds out later.
    pub fn cut(&mut self, who: usize) {
        if let Some(wire) = self.people[who].wires.last_mut() {
            wire.broken = true;
            wire.to_server.clear();
            wire.to_client.clear();
        }
    }

    /// The media engine reports the next thing.
    pub fn report(&mut self, who: usize) -> bool {
        let Some(event) = self.people[who].engine.reports.pop_front() else { return false };
        self.input(who, Input::Media(event));
        true
    }

    /// Lets time pass; what becomes due is done on time.
    pub fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let wakes = self.people.iter().filter_map(|person| person.wake).chain(self.registry.next_tick());
            let next = wakes.filter(|at| *at <= end).min();
            self.now = next.map_or(end, |at| at.max(self.now));
            for who in 0..self.people.len() {
                if self.people[who].wake.is_some_and(|at| at <= self.now) {
                    self.people[who].wake = None;
                    self.input(who, Input::Tick);
                }
            }
            self.registry.tick(self.now);
            self.effects();
            if next.is_none() {
                return;
            }
        }
    }

    /// Delivers and reports everything, in turns, until nothing is under way, and lets presence be told.
    pub fn settle(&mut self) {
        for _ in 0..4 {
            let mut steps = 0;
            while self.round() {
                steps += 1;
                assert!(steps < 10_000, "messages go back and forth for ever");
            }
            self.pass(Duration::from_millis(50));
        }
    }

    /// Lets time pass as [`pass`](Self::pass) does, with everything delivered all along.
    pub fn live_on(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.settle();
            self.notice_dead_media();
            self.pass(Duration::from_millis(300));
        }
        self.settle();
    }

    /// Media whose other end is gone stops.
    pub fn notice_dead_media(&mut self) {
        for who in 0..self.people.len() {
            for place in 0..self.people[who].engine.live.len() {
                let (peer, Some((other, their_peer))) = self.people[who].engine.live[place] else { continue };
                let alive = self.people[other].engine.live.iter().any(|(live, _)| *live == their_peer);
                if !alive {
                    self.people[who].engine.live[place].1 = None;
                    let state = Connectivity::Disconnected;
                    self.people[who].engine.reports.push_back(MediaEvent::Connectivity { peer, state });
                }
            }
        }
    }

    /// The page is loaded anew: client and engine start again from what was saved.
    pub fn reload(&mut self, who: usize) {
        for wire in &mut self.people[who].wires {
            wire.client_knows = true;
        }
        let saved = self.people[who].saved.clone();
        let person = &mut self.people[who];
        person.engine = Engine::default();
        person.wake = None;
        person.client = Client::new(ClientConfig { seed: 77, saved }, self.now);
        self.outputs(who);
    }

    /// The server process is killed and started anew with the same key.
    pub fn restart_server(&mut self) {
        for who in 0..self.people.len() {
            self.cut(who);
            for wire in &mut self.people[who].wires {
                wire.server_knows = true;
            }
        }
        let config = Config { max_users: 100, whole_roster: 100, ice_servers: vec![], ticket_key: self.key };
        self.registry = Registry::new(config, self.now);
    }

    /// Whether both ends say the same of everything.
    pub fn check_agreement(&self) {
        self.registry.check();
        for (who, person) in self.people.iter().enumerate() {
            let Session::LoggedIn { me } = &person.client.view().session else { continue };
            let state = self.state(who);
            assert_eq!(me.state, state, "person {who} knows its own state");
            let phase = self.phase(who);
            let expected = match phase {
                None => UserState::Online,
                Some(CallPhase::Connected | CallPhase::Connecting | CallPhase::Reconnecting) => UserState::InCall,
                Some(CallPhase::Ending) => UserState::Ending,
                Some(CallPhase::Acquiring) => UserState::Online,
                Some(_) => UserState::Connecting,
            };
            assert_eq!(state, expected, "person {who} is in phase {phase:?}");
            if let Some(call) = person.client.view().call.as_ref().filter(|call| call.phase != CallPhase::Acquiring) {
                let Some(other) = (0..self.people.len()).find(|other| self.token(*other) == Some(call.with.token))
                else {
                    panic!("person {who} is in a call with nobody");
                };
                let back = self.call(other).map(|call| call.with.token);
                assert_eq!(back, Some(me.token), "persons {who} and {other} are in one call");
            }
            for (other, them) in self.people.iter().enumerate().filter(|(other, _)| *other != who) {
                let Some(them) = them.client.view().session.me().filter(|_| self.state(other) != UserState::Offline)
                else {
                    continue;
                };
                let seen = person.client.view().users.get(&them.token).map(|user| user.state);
                assert_eq!(seen, Some(self.state(other)), "person {who} sees person {other}");
            }
        }
    }

    fn round(&mut self) -> bool {
        let mut moved = false;
        for who in 0..self.people.len() {
            moved |= self.deliver_to_server(who);
            moved |= self.deliver_to_client(who);
            moved |= self.report(who);
        }
        moved
    }

    fn effects(&mut self) {
        while let Some(effect) = self.registry.poll_effect() {
            for (to, message) in self.registry.messages(&effect) {
                let wires = self.people.iter_mut().flat_map(|person| &mut person.wires);
                for wire in wires.filter(|wire| wire.conn == to && !wire.broken) {
                    wire.to_client.push_back(message.clone());
                }
            }
            if let Effect::Close { conn, code } = effect {
                let wires = self.people.iter_mut().flat_map(|person| &mut person.wires);
                for wire in wires.filter(|wire| wire.conn == conn) {
                    if !wire.broken {
                        wire.to_client.push_back(ServerMessage::Refused { code, message: String::new() });
                    }
                    wire.server_knows = true;
                }
            }
        }
        self.registry.check();
    }
}

impl Engine {
    fn obey(&mut self, who: usize, command: MediaCommand, refuses: Option<MediaProblem>) {
        match command {
            MediaCommand::Acquire { peer, .. } => match refuses {
                Some(problem) => self.reports.push_back(MediaEvent::Problem { peer, problem }),
                None => {
                    self.acquired += 1;
                    self.live.push((peer, None));
                    self.reports.push_back(MediaEvent::Acquired { peer });
                }
            },
            MediaCommand::Offer { peer } => self.describe(who, peer, SdpKind::Offer),
            MediaCommand::Answer { peer, sdp } => {
                self.connect(peer, &sdp);
                self.describe(who, peer, SdpKind::Answer);
                self.connected(peer);
            }
            MediaCommand::Remote { peer, kind, sdp, .. } => {
                self.connect(peer, &sdp);
                if kind == SdpKind::Offer {
                    self.describe(who, peer, SdpKind::Answer);
                }
                self.connected(peer);
            }
            MediaCommand::AddCandidate { peer, .. } => {
                let remote = self.live.iter().find(|(live, _)| *live == peer).and_then(|(_, remote)| *remote);
                let gone = self.live.iter().all(|(live, _)| *live != peer);
                assert!(remote.is_some() || gone || self.was_disconnected(peer), "a candidate before its description");
            }
            MediaCommand::RestartIce { peer } => self.describe(who, peer, SdpKind::Offer),
            MediaCommand::Close { peer } => {
                self.live.retain(|(live, _)| *live != peer);
                self.reports.push_back(MediaEvent::Closed { peer });
            }
        }
    }

    fn was_disconnected(&self, peer: PeerId) -> bool {
        self.live.iter().any(|(live, remote)| *live == peer && remote.is_none())
    }

    fn describe(&mut self, who: usize, peer: PeerId, kind: SdpKind) {
        self.reports.push_back(MediaEvent::LocalDescription { peer, kind, sdp: format!("{who} {}", peer.0) });
        let candidate = hutong_protocol::IceCandidate {
            candidate: "candidate".into(),
            sdp_mid: None,
            sdp_m_line_index: None,
            username_fragment: None,
        };
        self.reports.push_back(MediaEvent::LocalCandidate { peer, candidate });
    }

    /// Learns from a description whom it comes from.
    fn connect(&mut self, peer: PeerId, sdp: &str) {
        let (who, theirs) = sdp.split_once(' ').unwrap();
        let remote = Some((who.parse().unwrap(), PeerId(theirs.parse().unwrap())));
        for live in self.live.iter_mut().filter(|(live, _)| *live == peer) {
            live.1 = remote;
        }
    }

    fn connected(&mut self, peer: PeerId) {
        self.reports.push_back(MediaEvent::Connectivity { peer, state: Connectivity::Connected });
    }
}
