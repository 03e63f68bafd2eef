//! State of the checked world: production clients and registry, with modelled connections, media engines and clock.

use std::{
    collections::VecDeque,
    fmt,
    hash::{Hash, Hasher},
    time::Duration,
};

use hutong_core::{
    CallPhase, Client, Command, Config as ClientConfig, HeartbeatMode, Input, Output, SessionView, SocketEvent,
};
use hutong_protocol::{ClientMessage, MediaKind, RefusedCode, ServerMessage, Token, UserState, limits};
use hutong_server::registry::{ConnId, Effect, Registry, RegistryConfig, inspect::RegistrySnapshot};

use crate::{
    canonicalize::{EPOCH, FIRST_CONNECTION, fingerprint},
    connection::ModelConnection,
    engine::ModelEngine,
    scope::{CheckScope, EventBudget, InjectedFault},
};

const KEY: [u8; 32] = [3; 32];

/// State of the whole world. States with the same future behaviour are equal; see [`fingerprint`].
#[derive(Clone)]
pub struct ModelWorld {
    pub(crate) now: Duration,
    pub(crate) registry: Registry,
    pub(crate) participants: Vec<Participant>,
    pub(crate) budget: EventBudget,
    pub(crate) fault: InjectedFault,
    pub(crate) connect_mode: ConnectMode,
    whole_roster: usize,
    next_conn: u64,
    restarted: Option<Duration>,
    fingerprint: u64,
}

/// How long connections take to open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConnectMode {
    /// They open immediately.
    Immediate,
    /// They open or fail on [`ModelWorld::connection_opened`] or [`ModelWorld::connection_failed`].
    Delayed,
}

/// A user's client with its media engine, connections and timer.
#[derive(Clone, Hash)]
pub(crate) struct Participant {
    pub client: Client,
    pub engine: ModelEngine,
    pub connections: Vec<ModelConnection>,
    pub wake: Option<Duration>,
}

/// Clients without heartbeat: connections that are lost without being closed are a matter of time alone, and their
/// pings would multiply the states.
fn client_config(seed: u64) -> ClientConfig {
    ClientConfig { seed, saved: None, heartbeat: HeartbeatMode::Disabled }
}

impl ModelWorld {
    /// Initial state: all participants logged in, all presence delivered, nothing in transit.
    pub fn new(scope: &CheckScope) -> Self {
        let mut world = Self {
            now: EPOCH,
            registry: registry(scope.whole_roster, EPOCH),
            participants: Vec::new(),
            budget: scope.budget,
            fault: InjectedFault::None,
            connect_mode: ConnectMode::Immediate,
            whole_roster: scope.whole_roster,
            next_conn: FIRST_CONNECTION,
            restarted: None,
            fingerprint: 0,
        };
        for seed in 0..scope.participants {
            let client = Client::new(client_config(seed as u64), world.now);
            world.participants.push(Participant {
                client,
                engine: ModelEngine::default(),
                connections: vec![],
                wake: None,
            });
        }
        for index in 0..scope.participants {
            world.command(index, Command::LogIn { name: format!("person {index}"), secret: None });
        }
        for _ in 0..4 {
            for index in 0..scope.participants {
                while world.deliver_to_server(index) || world.deliver_to_client(index) {}
            }
            world.now += Duration::from_millis(50);
            world.tick_server();
        }
        world.fault = scope.fault;
        world.with_fingerprint()
    }

    /// Finishes a step: computes the fingerprint.
    pub(crate) fn with_fingerprint(mut self) -> Self {
        self.remove_closed_connections();
        let Self {
            now,
            registry,
            participants,
            budget,
            fault,
            connect_mode: _,
            whole_roster: _,
            next_conn: _,
            restarted,
            fingerprint: _,
        } = &self;
        // Until then the server accepts claims of calls from before its restart.
        let claims_until = restarted.map(|at| at + limits::CLAIM_WINDOW * 2);
        let all = (registry.snapshot(), participants, budget, fault, claims_until);
        self.fingerprint = fingerprint(*now, *restarted, &all);
        self
    }

    /// Removes connections that are closed at both ends.
    pub(crate) fn remove_closed_connections(&mut self) {
        for participant in &mut self.participants {
            participant.connections.retain(|it| !(it.closed_at_client && it.closed_at_server));
        }
    }

    pub(crate) const fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    pub(crate) fn token(&self, index: usize) -> Option<Token> {
        self.participants[index].client.view().session.me().map(|me| me.token)
    }

    pub(crate) fn state(&self, snapshot: &RegistrySnapshot, index: usize) -> UserState {
        self.token(index).map_or(UserState::Offline, |token| snapshot.state(token))
    }

    pub(crate) fn phase(&self, index: usize) -> Option<CallPhase> {
        self.participants[index].client.view().call.as_ref().map(|call| call.phase)
    }

    pub(crate) fn is_logged_in(&self, index: usize) -> bool {
        matches!(self.participants[index].client.view().session, SessionView::LoggedIn { .. })
    }

    pub(crate) fn start_call(&mut self, index: usize, callee: usize) {
        if let Some(to) = self.token(callee) {
            self.command(index, Command::Call { to, media: MediaKind::Video });
        }
    }

    pub(crate) fn command(&mut self, index: usize, command: Command) {
        self.input(index, Input::Command(command));
    }

    pub(crate) fn input(&mut self, index: usize, input: Input) {
        self.participants[index].client.handle(self.now, input);
        while let Some(output) = self.participants[index].client.poll_output() {
            self.output(index, output);
        }
    }

    fn output(&mut self, index: usize, output: Output) {
        match output {
            Output::Connect => {
                let conn = ConnId(self.next_conn);
                self.next_conn += 1;
                self.participants[index].connections.push(ModelConnection {
                    conn,
                    to_server: VecDeque::new(),
                    to_client: VecDeque::new(),
                    opening: true,
                    closed_at_client: false,
                    closed_at_server: true,
                    broken: false,
                });
                if self.connect_mode == ConnectMode::Immediate {
                    self.connection_opened(index);
                }
            }
            Output::Disconnect => {
                self.participants[index].connections.iter_mut().for_each(|it| it.closed_at_client = true);
            }
            Output::Send(message) => {
                let latest = self.participants[index].connections.last_mut();
                if let Some(connection) = latest.filter(|it| !it.closed_at_client && !it.broken) {
                    connection.to_server.push_back(message);
                }
            }
            Output::Media(command) => self.participants[index].engine.execute(index, command),
            Output::Wake(at) => self.participants[index].wake = Some(at),
            Output::Show(_) | Output::Record(_) | Output::Save(_) => {}
        }
    }

    fn opening_connection(&mut self, index: usize) -> Option<&mut ModelConnection> {
        let latest = self.participants[index].connections.last_mut();
        latest.filter(|connection| connection.opening && !connection.closed_at_client)
    }

    /// The connection that the participant is opening opens.
    pub(crate) fn connection_opened(&mut self, index: usize) {
        if let Some(connection) = self.opening_connection(index) {
            (connection.opening, connection.closed_at_server) = (false, false);
            self.input(index, Input::Socket(SocketEvent::Opened));
        }
    }

    /// The connection that the participant is opening fails.
    pub(crate) fn connection_failed(&mut self, index: usize) {
        if let Some(connection) = self.opening_connection(index) {
            connection.closed_at_client = true;
            self.input(index, Input::Socket(SocketEvent::Closed));
        }
    }

    /// Delivers the participant's next message to the server, or the end of a connection. Returns whether there was
    /// any.
    pub(crate) fn deliver_to_server(&mut self, index: usize) -> bool {
        let connections = &self.participants[index].connections;
        let Some(position) = connections.iter().position(ModelConnection::has_pending_to_server) else { return false };
        self.deliver_over_connection(index, position);
        true
    }

    /// Delivers the next message of one connection to the server, or its end.
    pub(crate) fn deliver_over_connection(&mut self, index: usize, position: usize) {
        let connection = &mut self.participants[index].connections[position];
        let conn = connection.conn;
        match connection.to_server.pop_front() {
            Some(message) => {
                let (released_early, me) = (self.fault == InjectedFault::OnlineTooEarly, self.token(index));
                match message {
                    // The cancel has released the user already.
                    ClientMessage::Released { .. } if released_early => return,
                    ClientMessage::Cancel { .. } if released_early => {
                        self.registry.handle_message(self.now, conn, message);
                        if let Some(me) = me {
                            self.registry.violate_invariant(me);
                        }
                    }
                    message => self.registry.handle_message(self.now, conn, message),
                }
            }
            None => {
                connection.closed_at_server = true;
                self.registry.handle_disconnect(self.now, conn);
            }
        }
        self.deliver_effects();
    }

    /// Delivers the server's next message to the participant, or the end of the connection. Returns whether there was
    /// any.
    pub(crate) fn deliver_to_client(&mut self, index: usize) -> bool {
        let reordered = self.fault == InjectedFault::ReorderedMessages;
        let latest = self.participants[index].connections.last_mut();
        let Some(connection) = latest.filter(|it| it.has_pending_to_client()) else { return false };
        let next = if reordered { connection.to_client.pop_back() } else { connection.to_client.pop_front() };
        match next {
            Some(message) => self.input(index, Input::Message(message)),
            None => {
                connection.closed_at_client = true;
                self.input(index, Input::Socket(SocketEvent::Closed));
            }
        }
        true
    }

    /// Breaks the participant's connection: messages in transit are lost, and each end detects the break later.
    pub(crate) fn cut_connection(&mut self, index: usize) {
        if let Some(connection) = self.participants[index].connections.last_mut().filter(|it| !it.opening) {
            connection.broken = true;
            connection.to_server.clear();
            connection.to_client.clear();
        }
    }

    /// Kills the server's process and restarts it with the same ticket key and revocations.
    pub(crate) fn restart_server(&mut self) {
        for index in 0..self.participants.len() {
            self.cut_connection(index);
            self.participants[index].connections.iter_mut().for_each(|it| it.closed_at_server = true);
        }
        let revocations: Vec<_> = self.registry.revocations().collect();
        self.registry = registry(self.whole_roster, self.now);
        self.registry.restore_revocations(self.now, revocations);
        self.restarted = Some(self.now);
    }

    /// Ends the participant's session at the server.
    pub(crate) fn end_session(&mut self, index: usize) {
        if let Some(token) = self.token(index) {
            self.registry.end_session(self.now, token, RefusedCode::SecretChanged);
            self.deliver_effects();
        }
    }

    /// Delivers the media engine's next report. Returns whether there was any.
    pub(crate) fn report_media(&mut self, index: usize) -> bool {
        let Some(event) = self.participants[index].engine.reports.pop_front() else { return false };
        self.input(index, Input::Media(event));
        true
    }

    /// Index of an open peer of the participant whose remote peer was closed, undetected so far.
    pub(crate) fn dead_peer_index(&self, index: usize) -> Option<usize> {
        self.participants[index].engine.open_peers.iter().position(|(_, other)| {
            other.is_some_and(|(other, peer)| {
                self.participants[other].engine.open_peers.iter().all(|(open, _)| *open != peer)
            })
        })
    }

    /// The next deadline of any client or the server.
    pub(crate) fn next_deadline(&self, snapshot: &RegistrySnapshot) -> Option<Duration> {
        let wakes = self.participants.iter().filter_map(|participant| participant.wake);
        wakes.chain(self.server_deadline(snapshot)).min()
    }

    pub(crate) fn server_deadline(&self, snapshot: &RegistrySnapshot) -> Option<Duration> {
        snapshot.next_deadline().filter(|_| self.fault != InjectedFault::NoServerDeadlines)
    }

    /// Advances the clock to the participant's deadline.
    pub(crate) fn tick_client(&mut self, index: usize) {
        if let Some(at) = self.participants[index].wake.take() {
            self.now = self.now.max(at);
            self.input(index, Input::Tick);
        }
    }

    /// Advances the clock to the server's deadline.
    pub(crate) fn tick_server(&mut self) {
        if let Some(at) = self.registry.snapshot().next_deadline() {
            self.now = self.now.max(at);
            self.run_server_deadlines();
        }
    }

    /// Lets the server handle all passed deadlines.
    pub(crate) fn run_server_deadlines(&mut self) {
        self.registry.tick(self.now);
        self.deliver_effects();
    }

    fn deliver_effects(&mut self) {
        while let Some(effect) = self.registry.poll_effect() {
            for (to, message) in self.registry.messages(&effect) {
                let connections = self.participants.iter_mut().flat_map(|participant| &mut participant.connections);
                for connection in connections.filter(|it| it.conn == to && !it.closed_at_server && !it.broken) {
                    connection.to_client.push_back(message.clone());
                }
            }
            if let Effect::Close { conn, code } = effect {
                let connections = self.participants.iter_mut().flat_map(|participant| &mut participant.connections);
                for connection in connections.filter(|it| it.conn == conn && !it.closed_at_server) {
                    if !connection.broken {
                        connection.to_client.push_back(ServerMessage::Refused { code, message: String::new() });
                    }
                    connection.closed_at_server = true;
                }
            }
        }
    }
}

impl Hash for ModelWorld {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.fingerprint.hash(hasher);
    }
}

impl PartialEq for ModelWorld {
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint
    }
}

impl Eq for ModelWorld {}

impl fmt::Debug for ModelWorld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let snapshot = self.registry.snapshot();
        let mut list = f.debug_list();
        list.entry(&(self.now - EPOCH));
        for index in 0..self.participants.len() {
            let connections: Vec<_> = self.participants[index]
                .connections
                .iter()
                .map(|connection| {
                    let up: Vec<_> = connection.to_server.iter().map(ClientMessage::kind).collect();
                    let down: Vec<_> = connection.to_client.iter().map(ServerMessage::kind).collect();
                    (up, down, connection.broken)
                })
                .collect();
            list.entry(&(
                self.state(&snapshot, index),
                self.phase(index),
                connections,
                &self.participants[index].engine.reports,
            ));
        }
        list.finish()
    }
}

fn registry(whole_roster: usize, now: Duration) -> Registry {
    Registry::new(RegistryConfig { max_users: 100, whole_roster, ticket_key: KEY, session_seed: seed(now) }, now)
}

/// A seed for each start, so that session IDs do not repeat after a restart.
fn seed(now: Duration) -> [u8; 32] {
    let mut seed = [0; 32];
    seed[..16].copy_from_slice(&now.as_nanos().to_be_bytes());
    seed
}
