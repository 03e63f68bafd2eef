//! Between connections and registry: the lock, the clock and the deliveries.

mod compose;

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hutong_protocol::{ClientMessage, Name, NameKey, RefusedCode, ServerMessage, Ticket, Token, User, UserState};
use tokio::sync::Notify;

use crate::{
    clock::{self, Clock},
    metrics::{Gauges, Metrics},
    outbox::{Frame, Kind, Outbox, TooSlow},
    registry::{Config, ConnId, Credential, Effect, List, Registry},
    ticket_key::TicketKey,
};

/// The server's users and calls, shared by all its connections. Cheap to clone.
///
/// The registry stands behind a std `Mutex`, not tokio's: it is held for a few microseconds of pure computation and never
/// over an await, so waiting for it is shorter than a trip through the scheduler would be. Deliveries are put into the
/// outboxes under the same lock, so that every connection sees them in the registry's order; an outbox takes or refuses
/// them without waiting.
#[derive(Clone, Debug)]
pub(crate) struct Hub(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    clock: Clock,
    metrics: Metrics,
    /// The next deadline is another than before.
    rescheduled: Notify,
}

#[derive(Debug)]
struct State {
    registry: Registry,
    connections: HashMap<ConnId, Connected>,
    last: u64,
    next_tick: Option<Duration>,
    metrics: Metrics,
}

#[derive(Debug)]
struct Connected {
    outbox: Arc<Outbox>,
    address: IpAddr,
    sight: Sight,
}

/// Whose presence a connection is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sight {
    /// Nobody's: it has not been welcomed.
    Nobody,
    /// Everybody's.
    Whole,
    /// That of the part which it watches.
    Part,
}

impl From<&List> for Sight {
    fn from(list: &List) -> Self {
        match list {
            List::Whole => Self::Whole,
            List::Part { .. } => Self::Part,
        }
    }
}

impl Hub {
    /// A hub without connections. [`keep_deadlines`](Self::keep_deadlines) has to run beside it.
    pub(crate) fn new(config: Config, metrics: Metrics) -> Self {
        let clock = Clock::start();
        let registry = Registry::new(config, clock.now());
        let state = State::new(registry, metrics.clone());
        Self(Arc::new(Shared { state: Mutex::new(state), clock, metrics, rescheduled: Notify::new() }))
    }

    /// A WebSocket was opened from this address.
    pub(crate) fn connect(&self, from: IpAddr) -> (ConnId, Arc<Outbox>) {
        self.lock().connect(from)
    }

    /// A hello came with this name and this ticket, and was let in by this credential.
    pub(crate) fn admitted(&self, from: ConnId, name: String, resume: Option<Ticket>, credential: Credential) {
        self.with_registry(|state, now| {
            // Not once it is being closed: the registry knows it no more.
            if state.connections.contains_key(&from) {
                state.registry.admitted(now, from, name, resume, credential);
            }
        });
    }

    /// Whose ticket this is, if it is good for this name and credential.
    pub(crate) fn owner_of(&self, ticket: &Ticket, name: &NameKey, credential: Credential) -> Option<Token> {
        let now = self.0.clock.now();
        self.lock().registry.owner_of(now, ticket, name, credential)
    }

    /// Closes the connections that are not welcome any more, by their user's name, if they have one, and their address.
    pub(crate) fn disconnect_where(&self, unwelcome: impl Fn(Option<&Name>, IpAddr) -> bool) {
        self.with_registry(|state, now| {
            let State { registry, connections, .. } = &*state;
            let out =
                connections.iter().filter(|(conn, connected)| unwelcome(registry.name_of(**conn), connected.address));
            for conn in out.map(|(conn, _)| *conn).collect::<Vec<_>>() {
                state.refuse(now, conn, RefusedCode::NotWelcome);
            }
        });
    }

    /// A message came.
    pub(crate) fn received(&self, from: ConnId, message: ClientMessage) {
        self.with_registry(|state, now| {
            // Not once it is being closed: the registry knows it no more.
            let Some(connected) = state.connections.get_mut(&from) else { return };
            // Who logs out and stays connected is no user, and not told of any, until the next hello.
            if matches!(message, ClientMessage::LogOut) {
                connected.sight = Sight::Nobody;
            }
            state.registry.received(now, from, message);
        });
    }

    /// The gateway ends a connection: the user is offline at once, however long its farewell takes.
    pub(crate) fn refuse(&self, conn: ConnId, code: RefusedCode) {
        self.with_registry(|state, now| state.refuse(now, conn, code));
    }

    /// A connection is gone.
    pub(crate) fn disconnected(&self, conn: ConnId) {
        self.with_registry(|state, now| {
            if state.connections.remove(&conn).is_some() {
                state.registry.disconnected(now, conn);
            }
        });
    }

    /// Puts a snapshot into the outbox of a reader that has missed something.
    pub(crate) fn snapshot(&self, conn: ConnId) {
        self.with_registry(|state, now| state.snapshot(now, conn));
    }

    /// Whether the connection's hello was accepted.
    pub(crate) fn is_welcomed(&self, conn: ConnId) -> bool {
        self.lock().connections.get(&conn).is_some_and(|connected| connected.sight != Sight::Nobody)
    }

    /// Tickets are signed with another secret from now on.
    pub(crate) fn set_ticket_key(&self, key: &TicketKey) {
        self.lock().registry.set_ticket_keys(key.signs(), key.former_keys());
    }

    /// Lets nobody log in any more.
    pub(crate) fn close_doors(&self) {
        self.lock().registry.close_doors();
    }

    /// Whether somebody new could log in, or with what they would be refused.
    pub(crate) fn takes_users(&self) -> Result<(), RefusedCode> {
        self.lock().registry.takes_users()
    }

    /// The connections that there are now, in no order.
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
            calls: state.registry.calls_on(),
            users: online.map(|each| (each, state.registry.users_in(each))),
        }
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// Ticks the registry whenever a deadline of its is due, for ever.
    pub(crate) async fn keep_deadlines(self) {
        /// The shortest sleep, so that a deadline in the past can never make this a busy loop.
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

    /// Has the timer panic: its next deadline is past the end of time.
    #[cfg(any(test, feature = "inspect"))]
    pub(crate) fn break_timer(&self) {
        self.lock().next_tick = Some(Duration::MAX);
        self.0.rescheduled.notify_one();
    }

    /// Does something with the registry, and then what the registry wants done.
    fn with_registry(&self, act: impl FnOnce(&mut State, Duration)) {
        let mut state = self.lock();
        // Read under the lock, so that the registry's time never goes back.
        let now = self.0.clock.now();
        act(&mut state, now);
        state.deliver(now);
        let next_tick = state.registry.next_tick();
        if state.next_tick != next_tick {
            state.next_tick = next_tick;
            self.0.rescheduled.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic in the registry has been logged with its thread; the other users' state is still the best there is.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn new(registry: Registry, metrics: Metrics) -> Self {
        Self { registry, connections: HashMap::new(), last: 0, next_tick: None, metrics }
    }

    fn connect(&mut self, address: IpAddr) -> (ConnId, Arc<Outbox>) {
        let outbox = Arc::new(Outbox::new());
        self.last += 1;
        let conn = ConnId(self.last);
        self.connections.insert(conn, Connected { outbox: outbox.clone(), address, sight: Sight::Nobody });
        (conn, outbox)
    }

    fn deliver(&mut self, now: Duration) {
        while let Some(effect) = self.registry.poll_effect() {
            match effect {
                Effect::Send { to, message } => {
                    if let ServerMessage::Error { code, .. } = &message {
                        self.metrics.errors.count(*code);
                    }
                    self.send(now, to, Kind::Own, Frame::text(&message));
                }
                Effect::Welcome { to, me, ticket, list } => {
                    self.look(to, &list);
                    let frame = compose::welcome(&self.registry, me, ticket, &list);
                    self.send(now, to, Kind::Roster, frame);
                }
                Effect::Roster { to, me, list } => {
                    self.look(to, &list);
                    let frame = compose::roster(&self.registry, me, &list);
                    self.send(now, to, Kind::Roster, frame);
                }
                Effect::Presence { changes, whole, parts } => self.presence(now, &changes, whole, &parts),
                Effect::Total { total, to } => {
                    let frame = compose::total(total);
                    for conn in to {
                        self.send(now, conn, Kind::Presence, frame.clone());
                    }
                }
                Effect::Close { conn, code } => {
                    if let Some(connected) = self.connections.remove(&conn) {
                        connected.outbox.close(code);
                    }
                }
                Effect::Note(fact) => self.metrics.note(fact),
            }
        }
    }

    fn presence(&mut self, now: Duration, changes: &[User], whole: bool, parts: &[(ConnId, Vec<usize>)]) {
        self.metrics.presence_changes.inc_by(changes.len() as u64);
        let Some(changes) = compose::Changes::of(changes) else { return };
        if whole {
            self.broadcast(now, &changes.whole());
        }
        for (conn, places) in parts {
            self.send(now, *conn, Kind::Presence, Some(changes.some(places)));
        }
    }

    /// Puts one frame into the outboxes of all who see everybody.
    fn broadcast(&mut self, now: Duration, frame: &Frame) {
        let (mut delivered, mut dropped) = (0, 0);
        let mut too_slow = Vec::new();
        for (conn, connected) in self.connections.iter().filter(|(_, connected)| connected.sight == Sight::Whole) {
            match connected.outbox.push(Kind::Presence, frame.clone()) {
                Ok(left_out) => {
                    delivered += 1;
                    dropped += left_out as u64;
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

    /// Puts a frame, if there is one, into a connection's outbox.
    fn send(&mut self, now: Duration, to: ConnId, kind: Kind, frame: Option<Frame>) {
        let outbox = self.connections.get(&to).map(|connected| &connected.outbox);
        let Some((outbox, frame)) = outbox.zip(frame) else { return };
        match outbox.push(kind, frame) {
            Ok(left_out) => {
                self.metrics.presence_deliveries.inc_by(u64::from(kind == Kind::Presence));
                self.metrics.presence_dropped.inc_by(left_out as u64);
            }
            Err(TooSlow) => self.refuse(now, to, RefusedCode::TooSlow),
        }
    }

    fn look(&mut self, conn: ConnId, list: &List) {
        if let Some(connected) = self.connections.get_mut(&conn) {
            connected.sight = list.into();
        }
    }

    fn snapshot(&mut self, now: Duration, conn: ConnId) {
        // None for a connection that has not been welcomed; such a one is sent nothing that it could miss.
        let me = self.registry.user_of(conn);
        let Some((me, list)) = me.zip(self.registry.list_for(conn)) else {
            return self.refuse(now, conn, RefusedCode::TooSlow);
        };
        self.metrics.snapshots.inc();
        let roster = compose::roster(&self.registry, me.token, &list);
        self.send(now, conn, Kind::Roster, roster);
        // A roster tells of others; news of oneself may have been missed as well.
        let own = ServerMessage::Presence { changes: vec![me], total: None };
        self.send(now, conn, Kind::Presence, Frame::text(&own));
    }

    fn refuse(&mut self, now: Duration, conn: ConnId, code: RefusedCode) {
        if let Some(connected) = self.connections.remove(&conn) {
            tracing::debug!(conn = conn.0, %code, "closing a connection");
            connected.outbox.close(code);
            self.registry.disconnected(now, conn);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use hutong_protocol::{decode_server, limits::OUTGOING_QUEUE};

    use super::*;
    use crate::outbox::Next;

    /// A hub's state whose time is stepped by hand.
    struct Stepped {
        state: State,
        now: Duration,
    }

    impl Stepped {
        fn new() -> Self {
            let now = Duration::from_secs(1_795_000_000);
            let config = Config { max_users: 10, whole_roster: 10, ice_servers: vec![], ticket_key: [7; 32] };
            Self { state: State::new(Registry::new(config, now), Metrics::new().0), now }
        }

        fn login(&mut self, name: &str) -> (ConnId, Arc<Outbox>) {
            let (conn, outbox) = self.state.connect(std::net::Ipv4Addr::LOCALHOST.into());
            self.receive(conn, ClientMessage::Hello { name: name.into(), resume: None, secret: None });
            (conn, outbox)
        }

        fn receive(&mut self, conn: ConnId, message: ClientMessage) {
            self.state.registry.received(self.now, conn, message);
            self.state.deliver(self.now);
        }

        /// Somebody comes and goes, and presence is told.
        fn visit(&mut self, number: usize) {
            let (conn, _outbox) = self.login(&format!("visitor {number}"));
            self.now += Duration::from_secs(1);
            self.state.registry.tick(self.now);
            self.state.deliver(self.now);
            self.state.refuse(self.now, conn, RefusedCode::Replaced);
            self.now += Duration::from_secs(1);
            self.state.registry.tick(self.now);
            self.state.deliver(self.now);
        }

        /// What a reader gets that reads everything there is.
        fn read(&mut self, conn: ConnId, outbox: &Outbox) -> Vec<ServerMessage> {
            let mut read = Vec::new();
            while let Some(next) = outbox.next().now_or_never() {
                match next {
                    Next::Write(frames) => read.extend(frames.into_iter().map(|frame| message(&frame.into_bytes()))),
                    Next::Snapshot => self.state.snapshot(self.now, conn),
                    Next::Close(code) => {
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
    fn a_slow_reader_is_sent_one_fresh_snapshot_in_place_of_what_it_missed() {
        let mut hub = Stepped::new();
        let (slow, slow_outbox) = hub.login("Slow");
        let (fast, fast_outbox) = hub.login("Fast");
        hub.read(slow, &slow_outbox);
        for number in 0..OUTGOING_QUEUE * 2 / 3 {
            hub.visit(number);
            assert!(!hub.read(fast, &fast_outbox).is_empty());
        }
        let (_last, _outbox) = hub.login("Last");
        let read = hub.read(slow, &slow_outbox);
        let [ServerMessage::Roster { users, total: None }, ServerMessage::Presence { .. }] = &read[..] else {
            panic!("{} messages: {:?}", read.len(), read.first())
        };
        assert_eq!(users.iter().map(|user| user.name.as_str()).collect::<Vec<_>>(), ["Fast", "Last"]);
        hub.visit(1_000);
        assert!(matches!(hub.read(slow, &slow_outbox)[..], [ServerMessage::Presence { .. }, ..]));
    }

    #[test]
    fn a_slow_reader_learns_its_own_state_too() {
        let mut hub = Stepped::new();
        let (slow, slow_outbox) = hub.login("Slow");
        let (fast, fast_outbox) = hub.login("Fast");
        hub.read(slow, &slow_outbox);
        let to = hub.state.registry.user_of(slow).map(|user| user.token);
        let offering = ClientMessage::Offering { to: to.unwrap(), media: hutong_protocol::MediaKind::Voice };
        hub.receive(fast, offering);
        for number in 0..OUTGOING_QUEUE * 2 / 3 {
            hub.visit(number);
            hub.read(fast, &fast_outbox);
        }
        let read = hub.read(slow, &slow_outbox);
        let own = read.iter().rev().find_map(|message| match message {
            ServerMessage::Presence { changes, .. } => changes.iter().find(|user| Some(user.token) == to),
            _ => None,
        });
        assert_eq!(own.map(|me| me.state), Some(hutong_protocol::UserState::Online), "the ring is long over");
    }

    #[test]
    fn a_reader_that_stays_behind_is_closed_and_offline() {
        let mut hub = Stepped::new();
        let (slow, slow_outbox) = hub.login("Slow");
        hub.read(slow, &slow_outbox);
        for number in 0..OUTGOING_QUEUE + 10 {
            hub.visit(number);
        }
        let read = hub.read(slow, &slow_outbox);
        assert!(matches!(read[..], [ServerMessage::Refused { code: RefusedCode::TooSlow, .. }]), "{read:?}");
        assert_eq!(hub.state.registry.users_online(), 0);
    }

    #[test]
    fn a_closed_connection_is_gone_and_its_messages_are_nothing() {
        let mut hub = Stepped::new();
        let (ana, _ana_outbox) = hub.login("Ana");
        let (again, outbox) = hub.login("ana");
        let read = hub.read(again, &outbox);
        assert!(matches!(read[..], [ServerMessage::Refused { code: RefusedCode::NameTaken, .. }]), "{read:?}");
        assert_eq!(hub.state.connections.keys().collect::<Vec<_>>(), [&ana]);
    }
}
