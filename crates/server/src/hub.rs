//! Hub between the connections' tasks and the registry: holds its lock, runs its timer, and carries out its effects.

mod roster_frames;
mod sessions;
#[cfg(test)]
mod tests;
mod unsaved;

use std::{collections::HashMap, sync::Arc, time::Duration};

use hutong_protocol::{ClientMessage, ErrorCode, IceServer, RefusedCode, ServerMessage, Token, User, UserState};
use tokio::sync::Notify;

use crate::{
    admission::ClientAddr,
    clock::{self, Clock, ClockSteps},
    clock_step::ClockStep,
    critical_mutex::{CriticalGuard, CriticalMutex},
    metrics::{Gauges, Metrics},
    outbox::{Frame, FrameClass, Outbox, RelayFull, TooSlow},
    registry::{ConnId, Effect, Registry, RegistryConfig, RosterContent, relay_refused},
    supervisor::Supervisor,
    ticket_key::TicketKey,
    turn::{CREDENTIAL_RENEWAL, ClientRoute, IceServerSource},
};

use self::unsaved::Unsaved;

/// Shared handle to the registry and the connections' outboxes. A clone is the same hub.
///
/// The registry is behind a std `Mutex`, not tokio's: the lock is held for microseconds of computation and never over an
/// await, so waiting for it costs less than a trip through the scheduler. Frames are pushed into the outboxes under the
/// same lock, so that every connection receives them in the registry's order; a push never blocks.
///
/// A panic under the lock may have left the registry half changed, so it stops the server, whose process is restarted. Until
/// then the registry is not called any more.
#[derive(Clone, Debug)]
pub(crate) struct Hub(Arc<HubShared>);

#[derive(Debug)]
struct HubShared {
    state: CriticalMutex<HubState>,
    clock: Clock,
    metrics: Metrics,
    /// Wakes the timer when the next deadline has changed.
    rescheduled: Notify,
    /// Wakes the task that sends ICE servers, when they have changed.
    ice_servers_changed: Notify,
    /// Wakes the task that stores revocations.
    revocation_added: Notify,
}

#[derive(Debug)]
struct HubState {
    registry: Registry,
    connections: HashMap<ConnId, ConnectionState>,
    last_conn: u64,
    next_tick: Option<Duration>,
    metrics: Metrics,
    ice_servers: Arc<IceServerSource>,
    unsaved: Unsaved,
}

#[derive(Debug)]
struct ConnectionState {
    outbox: Arc<Outbox>,
    client: ClientAddr,
    scope: RosterScope,
    /// Where it reaches the TURN server. Connections share equal routes.
    route: Arc<ClientRoute>,
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
    /// A hub without connections, which the supervisor stops after a panic. The caller runs [`run_timer`](Self::run_timer) in a
    /// task.
    pub(crate) fn new(
        config: RegistryConfig,
        metrics: Metrics,
        ice_servers: Arc<IceServerSource>,
        supervisor: Supervisor,
    ) -> Self {
        let clock = Clock::start();
        let registry = Registry::new(config, clock.now());
        let state = HubState::new(registry, metrics.clone(), ice_servers);
        Self(Arc::new(HubShared {
            state: CriticalMutex::new(state, "hub", supervisor),
            clock,
            metrics,
            rescheduled: Notify::new(),
            ice_servers_changed: Notify::new(),
            revocation_added: Notify::new(),
        }))
    }

    /// Adds a connection from this address and on this route, not logged in yet.
    pub(crate) fn connect(&self, from: ClientAddr, route: Arc<ClientRoute>) -> (ConnId, Arc<Outbox>) {
        self.lock().connect(from, route)
    }

    /// Passes a client's message to the registry.
    pub(crate) fn handle_message(&self, from: ConnId, message: ClientMessage) {
        self.with_registry(|state, now| {
            // The registry has forgotten a connection that is being closed.
            let Some(connection) = state.connections.get_mut(&from) else { return };
            // After a logout, a connection receives no presence until its next login.
            let origin = connection.client.call_origin();
            if matches!(message, ClientMessage::LogOut) {
                connection.scope = RosterScope::None;
            }
            state.registry.handle_message_from(now, from, origin, message);
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
        let mut state = self.lock();
        state.registry.set_ticket_keys(key.signing_key(), key.former_keys());
        state.ice_servers.set_ticket_key(key);
    }

    /// Task: follows the steps of the system's clock: one that was wrong at the start, and sleeps of the machine. Never returns.
    pub(crate) async fn run_clock_watch(self) {
        let mut steps = ClockSteps::start();
        loop {
            let step = steps.next().await;
            tracing::info!(?step, "system clock was set, or the machine slept; tickets and TURN credentials follow it");
            self.clock_stepped(step);
        }
    }

    /// Follows a step of the system's clock.
    fn clock_stepped(&self, step: ClockStep) {
        self.with_registry(|state, now| {
            state.registry.clock_stepped(now, step);
            if state.registry.revocation_count() > 0 {
                state.unsaved.changed();
            }
        });
        self.renew_ice_servers();
    }

    /// Sends all users their ICE servers again, because these or their credentials have changed.
    pub(crate) fn renew_ice_servers(&self) {
        self.0.ice_servers_changed.notify_one();
    }

    /// Task: sends all users new ICE servers when these change, and before their credentials expire; and new tickets after the
    /// clock was wrong. Never returns.
    pub(crate) async fn run_ice_server_renewal(self) {
        /// Users that receive theirs at once, so that the lock is held shortly.
        const BATCH: usize = 100;
        /// Pause between two batches. All of 10,000 users are done within a few seconds.
        const PAUSE: Duration = Duration::from_millis(20);
        loop {
            // Either event has the same effect.
            let _ = tokio::time::timeout(CREDENTIAL_RENEWAL, self.0.ice_servers_changed.notified()).await;
            for batch in self.connections().chunks(BATCH) {
                self.with_registry(|state, now| {
                    for conn in batch {
                        state.registry.renew_ticket(now, *conn);
                        state.send_ice_servers(now, *conn);
                    }
                });
                tokio::time::sleep(PAUSE).await;
            }
        }
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
            turn: state.ice_servers.turn_counters(),
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
            let next_tick = self.lock().next_tick;
            let Some(next_tick) = next_tick else {
                self.0.rescheduled.notified().await;
                continue;
            };
            let due = self.0.clock.instant(next_tick).max(clock::now() + SHORTEST);
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

    /// Panics under the lock.
    #[cfg(any(test, feature = "inspect"))]
    #[allow(clippy::panic, reason = "it is what this does")]
    pub(crate) fn break_registry(&self) {
        self.with_registry(|_, _| panic!("the registry was broken on purpose"));
    }

    /// Calls `input` under the lock, carries out the effects, and wakes the timer if the next deadline has changed.
    fn with_registry(&self, input: impl FnOnce(&mut HubState, Duration)) {
        let mut state = self.lock();
        // A panic has left the registry half changed; the server is stopping.
        if self.0.state.is_broken() {
            return;
        }
        // Read under the lock, so that the registry's time never goes back.
        let now = self.0.clock.now();
        input(&mut state, now);
        state.carry_out_effects(now);
        let next_tick = state.registry.next_tick();
        if state.next_tick != next_tick {
            state.next_tick = next_tick;
            self.0.rescheduled.notify_one();
        }
        if state.unsaved.is_waiting() {
            self.0.revocation_added.notify_one();
        }
    }

    fn lock(&self) -> CriticalGuard<'_, HubState> {
        self.0.state.lock()
    }
}

impl HubState {
    fn new(registry: Registry, metrics: Metrics, ice_servers: Arc<IceServerSource>) -> Self {
        Self {
            registry,
            connections: HashMap::new(),
            last_conn: 0,
            next_tick: None,
            metrics,
            ice_servers,
            unsaved: Unsaved::Discarded,
        }
    }

    fn connect(&mut self, client: ClientAddr, route: Arc<ClientRoute>) -> (ConnId, Arc<Outbox>) {
        let outbox = Arc::new(Outbox::new());
        self.last_conn += 1;
        let conn = ConnId(self.last_conn);
        let state = ConnectionState { outbox: outbox.clone(), client, scope: RosterScope::None, route };
        self.connections.insert(conn, state);
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
                Effect::Relay { from, to, message } => self.relay(now, from, to, &message),
                Effect::Welcome { to, me, ticket, roster } => {
                    self.set_scope(to, &roster);
                    let ice_servers = self.ice_servers(to, me.token);
                    let frame = roster_frames::welcome(&self.registry, me, ticket, ice_servers, &roster);
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
                Effect::SessionEnded(user) => self.ice_servers.revoke(user),
                Effect::Revoked(revocation) => self.unsaved.push(revocation),
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

    /// Queues a message of one connection for another, or answers the sender with an error if that is too far behind.
    fn relay(&mut self, now: Duration, from: ConnId, to: ConnId, message: &ServerMessage) {
        let outbox = self.connections.get(&to).map(|connection| &connection.outbox);
        let Some((outbox, frame)) = outbox.zip(Frame::text(message)) else { return };
        if outbox.push_relayed(frame) == Err(RelayFull) {
            self.metrics.errors.inc(ErrorCode::RateLimited);
            self.send(now, from, FrameClass::Direct, Frame::text(&relay_refused(message)));
        }
    }

    /// The ICE servers for this user.
    fn ice_servers(&self, conn: ConnId, user: Token) -> Vec<IceServer> {
        let connection = self.connections.get(&conn);
        connection.map(|connection| self.ice_servers.for_client(&connection.route, user)).unwrap_or_default()
    }

    fn send_ice_servers(&mut self, now: Duration, conn: ConnId) {
        let Some(user) = self.registry.user_of(conn) else { return };
        let ice_servers = self.ice_servers(conn, user.token);
        self.send(now, conn, FrameClass::Direct, Frame::text(&ServerMessage::IceServers { ice_servers }));
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
