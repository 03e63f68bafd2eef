//! Hub between the connections' tasks and the registry: holds its lock, runs its timer, and carries out its effects.

mod roster_frames;

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hutong_protocol::{
    ClientMessage, Name, NameKey, RefusedCode, ServerMessage, SessionTicket, Token, User, UserState,
};
use tokio::sync::Notify;

use crate::{
    clock::{self, Clock},
    metrics::{Gauges, Metrics},
    outbox::{Frame, FrameClass, Outbox, TooSlow},
    registry::{ConnId, Credential, Effect, Registry, RegistryConfig, RosterContent},
    ticket_key::TicketKey,
};

/// Shared handle to the registry and the connections' outboxes. A clone is the same hub.
///
/// The registry is behind a std `Mutex`, not tokio's: the lock is held for microseconds of computation and never over an
/// await, so waiting for it costs less than a trip through the scheduler. Frames are pushed into the outboxes under the
/// same lock, so that every connection receives them in the registry's order; a push never blocks.
#[derive(Clone, Debug)]
pub(crate) struct Hub(Arc<HubShared>);

#[derive(Debug)]
struct HubShared {
    state: Mutex<HubState>,
    clock: Clock,
    metrics: Metrics,
    /// Wakes the timer when the next deadline has changed.
    rescheduled: Notify,
}

#[derive(Debug)]
struct HubState {
    registry: Registry,
    connections: HashMap<ConnId, ConnectionState>,
    last_conn: u64,
    next_tick: Option<Duration>,
    metrics: Metrics,
}

#[derive(Debug)]
struct ConnectionState {
    outbox: Arc<Outbox>,
    address: IpAddr,
    scope: RosterScope,
}

/// The presence changes that a connection receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RosterScope {
    /// None: it is not logged in.
    None,
    /// Those of all users.
    Whole,
    /// Those of the users in its partial roster.
    Partial,
}

impl From<&RosterContent> for RosterScope {
    fn from(roster: &RosterContent) -> Self {
        match roster {
            RosterContent::Whole => Self::Whole,
            RosterContent::Partial { .. } => Self::Partial,
        }
    }
}

impl Hub {
    /// A hub without connections. The caller runs [`run_timer`](Self::run_timer) in a task.
    pub(crate) fn new(config: RegistryConfig, metrics: Metrics) -> Self {
        let clock = Clock::start();
        let registry = Registry::new(config, clock.now());
        let state = HubState::new(registry, metrics.clone());
        Self(Arc::new(HubShared { state: Mutex::new(state), clock, metrics, rescheduled: Notify::new() }))
    }

    /// Adds a connection from this address, not logged in yet.
    pub(crate) fn connect(&self, from: IpAddr) -> (ConnId, Arc<Outbox>) {
        self.lock().connect(from)
    }

    /// Passes a `hello` that admission control has accepted to the registry.
    pub(crate) fn handle_admitted_hello(
        &self,
        from: ConnId,
        name: String,
        resume: Option<SessionTicket>,
        credential: Credential,
    ) {
        self.with_registry(|state, now| {
            // The registry has forgotten a connection that is being closed.
            if state.connections.contains_key(&from) {
                state.registry.handle_admitted_hello(now, from, name, resume, credential);
            }
        });
    }

    /// The user that a session ticket belongs to, if the ticket is valid for this name and credential.
    pub(crate) fn ticket_owner(&self, ticket: &SessionTicket, name: &NameKey, credential: Credential) -> Option<Token> {
        let now = self.0.clock.now();
        self.lock().registry.ticket_owner(now, ticket, name, credential)
    }

    /// Closes the connections for which the predicate holds, as `not_welcome`. It gets the user's name, if the connection is
    /// logged in, and the address.
    pub(crate) fn disconnect_where(&self, predicate: impl Fn(Option<&Name>, IpAddr) -> bool) {
        self.with_registry(|state, now| {
            let HubState { registry, connections, .. } = &*state;
            let matching =
                connections.iter().filter(|(conn, connection)| predicate(registry.name_of(**conn), connection.address));
            for conn in matching.map(|(conn, _)| *conn).collect::<Vec<_>>() {
                state.refuse(now, conn, RefusedCode::NotWelcome);
            }
        });
    }

    /// Passes a client's message to the registry.
    pub(crate) fn handle_message(&self, from: ConnId, message: ClientMessage) {
        self.with_registry(|state, now| {
            // The registry has forgotten a connection that is being closed.
            let Some(connection) = state.connections.get_mut(&from) else { return };
            // After a logout, a connection receives no presence until its next login.
            if matches!(message, ClientMessage::LogOut) {
                connection.scope = RosterScope::None;
            }
            state.registry.handle_message(now, from, message);
        });
    }

    /// Closes a connection with this code. Its user is offline at once, before the socket is closed.
    pub(crate) fn refuse(&self, conn: ConnId, code: RefusedCode) {
        self.with_registry(|state, now| state.refuse(now, conn, code));
    }

    /// Removes a connection whose WebSocket has closed.
    pub(crate) fn disconnect(&self, conn: ConnId) {
        self.with_registry(|state, now| {
            if state.connections.remove(&conn).is_some() {
                state.registry.handle_disconnect(now, conn);
            }
        });
    }

    /// Sends a roster snapshot to a slow reader, in place of the presence that its outbox dropped.
    pub(crate) fn send_snapshot(&self, conn: ConnId) {
        self.with_registry(|state, now| state.send_snapshot(now, conn));
    }

    pub(crate) fn is_logged_in(&self, conn: ConnId) -> bool {
        self.lock().connections.get(&conn).is_some_and(|connection| connection.scope != RosterScope::None)
    }

    /// Signs tickets with this key from now on, and accepts those of its former keys.
    pub(crate) fn set_ticket_key(&self, key: &TicketKey) {
        self.lock().registry.set_ticket_keys(key.signing_key(), key.former_keys());
    }

    /// Refuses all further logins as `shutting_down`.
    pub(crate) fn close_login_gate(&self) {
        self.lock().registry.close_login_gate();
    }

    /// Checks whether a new user could log in. The error is the code that the user would be refused with.
    pub(crate) fn check_capacity(&self) -> Result<(), RefusedCode> {
        self.lock().registry.check_capacity()
    }

    /// All open connections, in no particular order.
    pub(crate) fn connections(&self) -> Vec<ConnId> {
        self.lock().connections.keys().copied().collect()
    }

    pub(crate) fn users_online(&self) -> usize {
        self.lock().registry.users_online()
    }

    pub(crate) fn gauges(&self) -> Gauges {
        let state = self.lock();
        let online = [UserState::Online, UserState::Connecting, UserState::InCall, UserState::Ending];
        Gauges {
            websockets: state.connections.len(),
            calls: state.registry.active_calls(),
            users: online.map(|each| (each, state.registry.users_in_state(each))),
        }
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// Task: ticks the registry at each of its deadlines. Never returns.
    pub(crate) async fn run_timer(self) {
        /// Minimum sleep, so that a deadline in the past cannot make this a busy loop.
        const SHORTEST: Duration = Duration::from_millis(1);
        loop {
            let due = self.lock().next_tick.map(|moment| self.0.clock.instant(moment).max(clock::now() + SHORTEST));
            let Some(due) = due else {
                self.0.rescheduled.notified().await;
                continue;
            };
            tokio::select! {
                () = tokio::time::sleep_until(due.into()) => self.with_registry(|state, now| state.registry.tick(now)),
                () = self.0.rescheduled.notified() => {}
            }
        }
    }

    /// Makes the timer panic with a deadline that overflows.
    #[cfg(any(test, feature = "inspect"))]
    pub(crate) fn break_timer(&self) {
        self.lock().next_tick = Some(Duration::MAX);
        self.0.rescheduled.notify_one();
    }

    /// Calls `input` under the lock, carries out the effects, and wakes the timer if the next deadline has changed.
    fn with_registry(&self, input: impl FnOnce(&mut HubState, Duration)) {
        let mut state = self.lock();
        // Read under the lock, so that the registry's time never goes back.
        let now = self.0.clock.now();
        input(&mut state, now);
        state.carry_out_effects(now);
        let next_tick = state.registry.next_tick();
        if state.next_tick != next_tick {
            state.next_tick = next_tick;
            self.0.rescheduled.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HubState> {
        // After a panic, which is logged with its thread, the remaining state still serves the other users best.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HubState {
    fn new(registry: Registry, metrics: Metrics) -> Self {
        Self { registry, connections: HashMap::new(), last_conn: 0, next_tick: None, metrics }
    }

    fn connect(&mut self, address: IpAddr) -> (ConnId, Arc<Outbox>) {
        let outbox = Arc::new(Outbox::new());
        self.last_conn += 1;
        let conn = ConnId(self.last_conn);
        self.connections.insert(conn, ConnectionState { outbox: outbox.clone(), address, scope: RosterScope::None });
        (conn, outbox)
    }

    fn carry_out_effects(&mut self, now: Duration) {
        while let Some(effect) = self.registry.poll_effect() {
            match effect {
                Effect::Send { to, message } => {
                    if let ServerMessage::Error { code, .. } = &message {
                        self.metrics.errors.inc(*code);
                    }
                    self.send(now, to, FrameClass::Direct, Frame::text(&message));
                }
                Effect::Welcome { to, me, ticket, roster } => {
                    self.set_scope(to, &roster);
                    let frame = roster_frames::welcome(&self.registry, me, ticket, &roster);
                    self.send(now, to, FrameClass::Roster, frame);
                }
                Effect::Roster { to, me, roster } => {
                    self.set_scope(to, &roster);
                    let frame = roster_frames::roster(&self.registry, me, &roster);
                    self.send(now, to, FrameClass::Roster, frame);
                }
                Effect::Presence { changes, to_whole_rosters, partial } => {
                    self.send_presence(now, &changes, to_whole_rosters, &partial);
                }
                Effect::Total { total, to } => {
                    let frame = roster_frames::total(total);
                    for conn in to {
                        self.send(now, conn, FrameClass::Presence, frame.clone());
                    }
                }
                Effect::Close { conn, code } => {
                    if let Some(connection) = self.connections.remove(&conn) {
                        connection.outbox.close(code);
                    }
                }
                Effect::Event(event) => self.metrics.record(event),
            }
        }
    }

    fn send_presence(
        &mut self,
        now: Duration,
        changes: &[User],
        to_whole_rosters: bool,
        partial: &[(ConnId, Vec<usize>)],
    ) {
        self.metrics.presence_changes.inc_by(changes.len() as u64);
        let Some(changes) = roster_frames::PresenceChanges::encode(changes) else { return };
        if to_whole_rosters {
            self.broadcast(now, &changes.all());
        }
        for (conn, indices) in partial {
            self.send(now, *conn, FrameClass::Presence, Some(changes.subset(indices)));
        }
    }

    /// Pushes one presence frame to all connections with a whole roster.
    fn broadcast(&mut self, now: Duration, frame: &Frame) {
        let (mut delivered, mut dropped) = (0, 0);
        let mut too_slow = Vec::new();
        for (conn, connection) in
            self.connections.iter().filter(|(_, connection)| connection.scope == RosterScope::Whole)
        {
            match connection.outbox.push(FrameClass::Presence, frame.clone()) {
                Ok(dropped_now) => {
                    delivered += 1;
                    dropped += dropped_now as u64;
                }
                Err(TooSlow) => too_slow.push(*conn),
            }
        }
        self.metrics.presence_deliveries.inc_by(delivered);
        self.metrics.presence_dropped.inc_by(dropped);
        for conn in too_slow {
            self.refuse(now, conn, RefusedCode::TooSlow);
        }
    }

    /// Pushes a frame, if it could be encoded, to one connection.
    fn send(&mut self, now: Duration, to: ConnId, class: FrameClass, frame: Option<Frame>) {
        let outbox = self.connections.get(&to).map(|connection| &connection.outbox);
        let Some((outbox, frame)) = outbox.zip(frame) else { return };
        match outbox.push(class, frame) {
            Ok(dropped_now) => {
                self.metrics.presence_deliveries.inc_by(u64::from(class == FrameClass::Presence));
                self.metrics.presence_dropped.inc_by(dropped_now as u64);
            }
            Err(TooSlow) => self.refuse(now, to, RefusedCode::TooSlow),
        }
    }

    fn set_scope(&mut self, conn: ConnId, roster: &RosterContent) {
        if let Some(connection) = self.connections.get_mut(&conn) {
            connection.scope = roster.into();
        }
    }

    fn send_snapshot(&mut self, now: Duration, conn: ConnId) {
        // A connection that is not logged in receives no presence and needs no snapshot.
        let me = self.registry.user_of(conn);
        let Some((me, roster)) = me.zip(self.registry.roster_for(conn)) else {
            return self.refuse(now, conn, RefusedCode::TooSlow);
        };
        self.metrics.snapshots.inc();
        let frame = roster_frames::roster(&self.registry, me.token, &roster);
        self.send(now, conn, FrameClass::Roster, frame);
        // A roster lists other users only: changes of the client's own user may have been dropped as well.
        let own = ServerMessage::Presence { changes: vec![me], total: None };
        self.send(now, conn, FrameClass::Presence, Frame::text(&own));
    }

    fn refuse(&mut self, now: Duration, conn: ConnId, code: RefusedCode) {
        if let Some(connection) = self.connections.remove(&conn) {
            tracing::debug!(conn = conn.0, %code, "server closed a connection; its user goes offline");
            connection.outbox.close(code);
            self.registry.handle_disconnect(now, conn);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use hutong_protocol::{decode_server, limits::OUTBOX_CAPACITY};

    use super::*;
    use crate::outbox::OutboxAction;

    /// The state of a hub, with a clock that the test steps.
    struct SteppedHub {
        state: HubState,
        now: Duration,
    }

    impl SteppedHub {
        fn new() -> Self {
            let now = Duration::from_secs(1_795_000_000);
            let config = RegistryConfig { max_users: 10, whole_roster: 10, ice_servers: vec![], ticket_key: [7; 32] };
            Self { state: HubState::new(Registry::new(config, now), Metrics::new().0), now }
        }

        fn login(&mut self, name: &str) -> (ConnId, Arc<Outbox>) {
            let (conn, outbox) = self.state.connect(std::net::Ipv4Addr::LOCALHOST.into());
            self.receive(conn, ClientMessage::Hello { name: name.into(), resume: None, secret: None });
            (conn, outbox)
        }

        fn receive(&mut self, conn: ConnId, message: ClientMessage) {
            self.state.registry.handle_message(self.now, conn, message);
            self.state.carry_out_effects(self.now);
        }

        /// A user logs in and disconnects, each followed by a presence message.
        fn log_in_and_out(&mut self, number: usize) {
            let (conn, _outbox) = self.login(&format!("visitor {number}"));
            self.now += Duration::from_secs(1);
            self.state.registry.tick(self.now);
            self.state.carry_out_effects(self.now);
            self.state.refuse(self.now, conn, RefusedCode::Replaced);
            self.now += Duration::from_secs(1);
            self.state.registry.tick(self.now);
            self.state.carry_out_effects(self.now);
        }

        /// All messages that are waiting for this connection, snapshots included.
        fn read(&mut self, conn: ConnId, outbox: &Outbox) -> Vec<ServerMessage> {
            let mut read = Vec::new();
            while let Some(next) = outbox.next().now_or_never() {
                match next {
                    OutboxAction::Write(frames) => {
                        read.extend(frames.into_iter().map(|frame| message(&frame.into_bytes())))
                    }
                    OutboxAction::Snapshot => self.state.send_snapshot(self.now, conn),
                    OutboxAction::Close(code) => {
                        read.push(ServerMessage::Refused { code, message: String::new() });
                        break;
                    }
                }
            }
            read
        }
    }

    fn message(frame: &[u8]) -> ServerMessage {
        let start = frame.iter().position(|byte| *byte == b'{').unwrap();
        decode_server(std::str::from_utf8(&frame[start..]).unwrap()).unwrap()
    }

    #[test]
    fn a_slow_reader_receives_one_snapshot_in_place_of_dropped_presence() {
        let mut hub = SteppedHub::new();
        let (slow, slow_outbox) = hub.login("Slow");
        let (fast, fast_outbox) = hub.login("Fast");
        hub.read(slow, &slow_outbox);
        for number in 0..OUTBOX_CAPACITY * 2 / 3 {
            hub.log_in_and_out(number);
            assert!(!hub.read(fast, &fast_outbox).is_empty());
        }
        let (_last, _outbox) = hub.login("Last");
        let read = hub.read(slow, &slow_outbox);
        let [ServerMessage::Roster { users, total: None }, ServerMessage::Presence { .. }] = &read[..] else {
            panic!("{} messages: {:?}", read.len(), read.first())
        };
        assert_eq!(users.iter().map(|user| user.name.as_str()).collect::<Vec<_>>(), ["Fast", "Last"]);
        hub.log_in_and_out(1_000);
        assert!(matches!(hub.read(slow, &slow_outbox)[..], [ServerMessage::Presence { .. }, ..]));
    }

    #[test]
    fn a_snapshot_is_followed_by_the_readers_own_state() {
        let mut hub = SteppedHub::new();
        let (slow, slow_outbox) = hub.login("Slow");
        let (fast, fast_outbox) = hub.login("Fast");
        hub.read(slow, &slow_outbox);
        let to = hub.state.registry.user_of(slow).map(|user| user.token);
        let offering = ClientMessage::Offering { to: to.unwrap(), media: hutong_protocol::MediaKind::Voice };
        hub.receive(fast, offering);
        for number in 0..OUTBOX_CAPACITY * 2 / 3 {
            hub.log_in_and_out(number);
            hub.read(fast, &fast_outbox);
        }
        let read = hub.read(slow, &slow_outbox);
        let own = read.iter().rev().find_map(|message| match message {
            ServerMessage::Presence { changes, .. } => changes.iter().find(|user| Some(user.token) == to),
            _ => None,
        });
        assert_eq!(own.map(|me| me.state), Some(hutong_protocol::UserState::Online), "the call has ended meanwhile");
    }

    #[test]
    fn a_reader_that_stays_behind_is_refused_as_too_slow() {
        let mut hub = SteppedHub::new();
        let (slow, slow_outbox) = hub.login("Slow");
        hub.read(slow, &slow_outbox);
        for number in 0..OUTBOX_CAPACITY + 10 {
            hub.log_in_and_out(number);
        }
        let read = hub.read(slow, &slow_outbox);
        assert!(matches!(read[..], [ServerMessage::Refused { code: RefusedCode::TooSlow, .. }]), "{read:?}");
        assert_eq!(hub.state.registry.users_online(), 0);
    }

    #[test]
    fn a_refused_connection_is_removed() {
        let mut hub = SteppedHub::new();
        let (ana, _ana_outbox) = hub.login("Ana");
        let (again, outbox) = hub.login("ana");
        let read = hub.read(again, &outbox);
        assert!(matches!(read[..], [ServerMessage::Refused { code: RefusedCode::NameTaken, .. }]), "{read:?}");
        assert_eq!(hub.state.connections.keys().collect::<Vec<_>>(), [&ana]);
    }
}
