//! The world that is checked: real clients, the real registry, connections that break, devices, people, and a clock.

use std::{
    collections::VecDeque,
    fmt,
    hash::{Hash, Hasher},
    time::Duration,
};

use hutong_core::{CallPhase, Client, Command, Config as ClientConfig, Input, LinkEvent, Output, Session};
use hutong_protocol::{ClientMessage, MediaKind, ServerMessage, Token, UserState, limits};
use hutong_server::registry::{Config, ConnId, Effect, Registry, inspect::Snapshot};

use crate::{
    canon::{EPOCH, FIRST_CONNECTION, fingerprint},
    engine::Engine,
    scope::{Fault, Left, Scope},
};

const KEY: [u8; 32] = [3; 32];

/// One state of everything. Worlds that go on alike are equal, whatever the time of day.
#[derive(Clone)]
pub struct World {
    pub(crate) now: Duration,
    pub(crate) registry: Registry,
    pub(crate) people: Vec<Person>,
    pub(crate) left: Left,
    pub(crate) fault: Fault,
    pub(crate) opening: Opening,
    whole_roster: usize,
    next_conn: u64,
    restarted: Option<Duration>,
    fingerprint: u64,
}

/// How a connection is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opening {
    /// At once.
    AtOnce,
    /// By [`World::opened`], or [`World::not_opened`].
    Later,
}

/// Somebody with a device.
#[derive(Clone, Hash)]
pub(crate) struct Person {
    pub client: Client,
    pub engine: Engine,
    pub wires: Vec<Wire>,
    pub wake: Option<Duration>,
}

/// One WebSocket: first in, first out, and what is under way at a break is lost.
#[derive(Clone, Hash)]
pub(crate) struct Wire {
    pub conn: ConnId,
    pub to_server: VecDeque<ClientMessage>,
    pub to_client: VecDeque<ServerMessage>,
    /// The client waits for it to open; the server knows nothing of it.
    pub opening: bool,
    /// Each end learns of a break by itself.
    pub client_knows: bool,
    pub server_knows: bool,
    pub broken: bool,
}

impl World {
    /// Everybody logged in, everybody told, and nothing under way.
    pub fn begin(scope: &Scope) -> Self {
        let mut world = Self {
            now: EPOCH,
            registry: registry(scope.whole_roster, EPOCH),
            people: Vec::new(),
            left: scope.budget,
            fault: Fault::None,
            opening: Opening::AtOnce,
            whole_roster: scope.whole_roster,
            next_conn: FIRST_CONNECTION,
            restarted: None,
            fingerprint: 0,
        };
        for seed in 0..scope.people {
            let client = Client::new(ClientConfig { seed: seed as u64, saved: None }, world.now);
            world.people.push(Person { client, engine: Engine::default(), wires: vec![], wake: None });
        }
        for who in 0..scope.people {
            world.command(who, Command::LogIn { name: format!("person {who}"), secret: None });
        }
        for _ in 0..4 {
            for who in 0..scope.people {
                while world.deliver_to_server(who) || world.deliver_to_client(who) {}
            }
            world.now += Duration::from_millis(50);
            world.tick_server();
        }
        world.fault = scope.fault;
        world.sealed()
    }

    /// The world after a step, with its fingerprint.
    pub(crate) fn sealed(mut self) -> Self {
        self.forget_wires();
        let Self {
            now,
            registry,
            people,
            left,
            fault,
            opening: _,
            whole_roster: _,
            next_conn: _,
            restarted,
            fingerprint: _,
        } = &self;
        // Until then the server takes calls of its earlier life.
        let claims_until = restarted.map(|at| at + limits::CLAIM * 2);
        let all = (registry.snapshot(), people, left, fault, claims_until);
        self.fingerprint = fingerprint(*now, *restarted, &all);
        self
    }

    /// Forgets connections that are over for both ends.
    pub(crate) fn forget_wires(&mut self) {
        for person in &mut self.people {
            person.wires.retain(|wire| !(wire.client_knows && wire.server_knows));
        }
    }

    pub(crate) const fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    pub(crate) fn token(&self, who: usize) -> Option<Token> {
        self.people[who].client.view().session.me().map(|me| me.token)
    }

    pub(crate) fn state(&self, snapshot: &Snapshot, who: usize) -> UserState {
        self.token(who).map_or(UserState::Offline, |token| snapshot.state(token))
    }

    pub(crate) fn phase(&self, who: usize) -> Option<CallPhase> {
        self.people[who].client.view().call.as_ref().map(|call| call.phase)
    }

    pub(crate) fn is_logged_in(&self, who: usize) -> bool {
        matches!(self.people[who].client.view().session, Session::LoggedIn { .. })
    }

    pub(crate) fn calls(&mut self, who: usize, whom: usize) {
        if let Some(to) = self.token(whom) {
            self.command(who, Command::Call { to, media: MediaKind::Video });
        }
    }

    pub(crate) fn command(&mut self, who: usize, command: Command) {
        self.input(who, Input::Command(command));
    }

    pub(crate) fn input(&mut self, who: usize, input: Input) {
        self.people[who].client.handle(self.now, input);
        while let Some(output) = self.people[who].client.poll_output() {
            self.output(who, output);
        }
    }

    fn output(&mut self, who: usize, output: Output) {
        match output {
            Output::Connect => {
                let conn = ConnId(self.next_conn);
                self.next_conn += 1;
                self.people[who].wires.push(Wire {
                    conn,
                    to_server: VecDeque::new(),
                    to_client: VecDeque::new(),
                    opening: true,
                    client_knows: false,
                    server_knows: true,
                    broken: false,
                });
                if self.opening == Opening::AtOnce {
                    self.opened(who);
                }
            }
            Output::Disconnect => self.people[who].wires.iter_mut().for_each(|wire| wire.client_knows = true),
            Output::Send(message) => {
                if let Some(wire) = self.people[who].wires.last_mut().filter(|wire| !wire.client_knows && !wire.broken)
                {
                    wire.to_server.push_back(message);
                }
            }
            Output::Media(command) => self.people[who].engine.obey(who, command),
            Output::Wake(at) => self.people[who].wake = Some(at),
            Output::Show(_) | Output::Save(_) => {}
        }
    }

    /// The connection that this person waits for is open.
    pub(crate) fn opened(&mut self, who: usize) {
        if let Some(wire) = self.people[who].wires.last_mut().filter(|wire| wire.opening && !wire.client_knows) {
            (wire.opening, wire.server_knows) = (false, false);
            self.input(who, Input::Link(LinkEvent::Up));
        }
    }

    /// The connection that this person waits for cannot be opened.
    pub(crate) fn not_opened(&mut self, who: usize) {
        if let Some(wire) = self.people[who].wires.last_mut().filter(|wire| wire.opening && !wire.client_knows) {
            wire.client_knows = true;
            self.input(who, Input::Link(LinkEvent::Down));
        }
    }

    /// Delivers the next of this person's messages to the server, or the news that a connection is gone.
    pub(crate) fn deliver_to_server(&mut self, who: usize) -> bool {
        let Some(place) = self.people[who].wires.iter().position(Wire::has_for_server) else { return false };
        self.arrives_at_server(who, place);
        true
    }

    /// The next message over this connection, or the news that it is gone, comes to the server.
    pub(crate) fn arrives_at_server(&mut self, who: usize, place: usize) {
        let wire = &mut self.people[who].wires[place];
        let conn = wire.conn;
        match wire.to_server.pop_front() {
            Some(message) => {
                let (too_early, me) = (self.fault == Fault::OnlineTooEarly, self.token(who));
                match message {
                    // It has let go before it did.
                    ClientMessage::Released { .. } if too_early => return,
                    ClientMessage::Cancel { .. } if too_early => {
                        self.registry.received(self.now, conn, message);
                        if let Some(me) = me {
                            self.registry.break_a_rule(me);
                        }
                    }
                    message => self.registry.received(self.now, conn, message),
                }
            }
            None => {
                wire.server_knows = true;
                self.registry.disconnected(self.now, conn);
            }
        }
        self.effects();
    }

    /// Delivers the server's next message to this person, or the news that the connection is gone.
    pub(crate) fn deliver_to_client(&mut self, who: usize) -> bool {
        let overtaking = self.fault == Fault::Overtaking;
        let Some(wire) = self.people[who].wires.last_mut().filter(|wire| wire.has_for_client()) else { return false };
        let next = if overtaking { wire.to_client.pop_back() } else { wire.to_client.pop_front() };
        match next {
            Some(message) => self.input(who, Input::Message(message)),
            None => {
                wire.client_knows = true;
                self.input(who, Input::Link(LinkEvent::Down));
            }
        }
        true
    }

    /// Breaks this person's connection: what is under way is lost, and each end finds out later.
    pub(crate) fn cut(&mut self, who: usize) {
        if let Some(wire) = self.people[who].wires.last_mut().filter(|wire| !wire.opening) {
            wire.broken = true;
            wire.to_server.clear();
            wire.to_client.clear();
        }
    }

    /// The server's process is killed, and started anew with the same key.
    pub(crate) fn restart_server(&mut self) {
        for who in 0..self.people.len() {
            self.cut(who);
            self.people[who].wires.iter_mut().for_each(|wire| wire.server_knows = true);
        }
        self.registry = registry(self.whole_roster, self.now);
        self.restarted = Some(self.now);
    }

    /// The media engine reports the next thing.
    pub(crate) fn report(&mut self, who: usize) -> bool {
        let Some(event) = self.people[who].engine.reports.pop_front() else { return false };
        self.input(who, Input::Media(event));
        true
    }

    /// A peer connection of this person whose other end is gone, and that has not noticed yet.
    pub(crate) fn dead_media(&self, who: usize) -> Option<usize> {
        self.people[who].engine.live.iter().position(|(_, other)| {
            other.is_some_and(|(other, peer)| self.people[other].engine.live.iter().all(|(live, _)| *live != peer))
        })
    }

    /// The next moment at which somebody has to do something by itself.
    pub(crate) fn next_deadline(&self, snapshot: &Snapshot) -> Option<Duration> {
        let wakes = self.people.iter().filter_map(|person| person.wake);
        wakes.chain(self.server_deadline(snapshot)).min()
    }

    pub(crate) fn server_deadline(&self, snapshot: &Snapshot) -> Option<Duration> {
        snapshot.deadline().filter(|_| self.fault != Fault::Timeless)
    }

    /// The clock goes on to the next deadline, which is this person's.
    pub(crate) fn tick(&mut self, who: usize) {
        if let Some(at) = self.people[who].wake.take() {
            self.now = self.now.max(at);
            self.input(who, Input::Tick);
        }
    }

    /// The clock goes on to the next deadline, which is the server's.
    pub(crate) fn tick_server(&mut self) {
        if let Some(at) = self.registry.snapshot().deadline() {
            self.now = self.now.max(at);
            self.server_due();
        }
    }

    /// The server does what is due by now.
    pub(crate) fn server_due(&mut self) {
        self.registry.tick(self.now);
        self.effects();
    }

    fn effects(&mut self) {
        while let Some(effect) = self.registry.poll_effect() {
            for (to, message) in self.registry.messages(&effect) {
                let wires = self.people.iter_mut().flat_map(|person| &mut person.wires);
                for wire in wires.filter(|wire| wire.conn == to && !wire.server_knows && !wire.broken) {
                    wire.to_client.push_back(message.clone());
                }
            }
            if let Effect::Close { conn, code } = effect {
                let wires = self.people.iter_mut().flat_map(|person| &mut person.wires);
                for wire in wires.filter(|wire| wire.conn == conn && !wire.server_knows) {
                    if !wire.broken {
                        wire.to_client.push_back(ServerMessage::Refused { code, message: String::new() });
                    }
                    wire.server_knows = true;
                }
            }
        }
    }
}

impl Wire {
    /// How much is on its way to the server, the news that it is gone included.
    pub fn under_way_to_server(&self) -> usize {
        if self.server_knows { 0 } else { self.to_server.len() + usize::from(self.client_knows || self.broken) }
    }

    /// How much is on its way to the client, the news that it is gone included.
    pub fn under_way_to_client(&self) -> usize {
        if self.client_knows || self.opening {
            return 0;
        }
        self.to_client.len() + usize::from(self.server_knows || self.broken)
    }

    pub fn has_for_server(&self) -> bool {
        self.under_way_to_server() > 0
    }

    pub fn has_for_client(&self) -> bool {
        self.under_way_to_client() > 0
    }
}

impl Hash for World {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.fingerprint.hash(hasher);
    }
}

impl PartialEq for World {
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint
    }
}

impl Eq for World {}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let snapshot = self.registry.snapshot();
        let mut list = f.debug_list();
        list.entry(&(self.now - EPOCH));
        for who in 0..self.people.len() {
            let wires: Vec<_> = self.people[who]
                .wires
                .iter()
                .map(|wire| {
                    let up: Vec<_> = wire.to_server.iter().map(ClientMessage::kind).collect();
                    let down: Vec<_> = wire.to_client.iter().map(ServerMessage::kind).collect();
                    (up, down, wire.broken)
                })
                .collect();
            list.entry(&(self.state(&snapshot, who), self.phase(who), wires, &self.people[who].engine.reports));
        }
        list.finish()
    }
}

fn registry(whole_roster: usize, now: Duration) -> Registry {
    Registry::new(Config { max_users: 100, whole_roster, ice_servers: vec![], ticket_key: KEY }, now)
}
