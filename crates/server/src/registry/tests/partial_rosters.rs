//! Tests of partial rosters: switching modes, subscriptions, searches and totals.

use std::{collections::BTreeMap, time::Duration};

use hutong_protocol::{
    ClientMessage, MediaKind, Name, NameQuery, ServerMessage, SessionTicket, Token, User, UserState, limits,
};
use proptest::prelude::*;

use crate::registry::{ConnId, Effect, Registry, RegistryConfig};

const START: Duration = Duration::from_secs(1_795_000_000);

/// A registry, and for each connection the state that a client derives from its messages.
struct RosterWorld {
    registry: Registry,
    now: Duration,
    clients: BTreeMap<ConnId, RosterReplica>,
    last_conn: u64,
}

/// A client's copy of its user and roster, and counts of the messages that it received.
#[derive(Clone, Debug)]
struct RosterReplica {
    me: User,
    ticket: SessionTicket,
    users: BTreeMap<Token, User>,
    total: Option<u32>,
    /// Messages since the last [`RosterWorld::take_message_count`], without those that contain only a total.
    messages: usize,
    /// Messages that contain only a total.
    totals: usize,
    rosters: usize,
}

impl RosterWorld {
    fn new(whole_roster: usize) -> Self {
        let config = RegistryConfig { max_users: 100_000, whole_roster, ticket_key: [7; 32], session_seed: [1; 32] };
        Self { registry: Registry::new(config, START), now: START, clients: BTreeMap::new(), last_conn: 0 }
    }

    /// A world with these users logged in, and all messages delivered.
    fn with_users(whole_roster: usize, names: &[&str]) -> (Self, Vec<ConnId>) {
        let mut world = Self::new(whole_roster);
        let conns = names.iter().map(|name| world.login(name)).collect();
        world.advance(10_000);
        (world, conns)
    }

    fn login(&mut self, name: &str) -> ConnId {
        self.hello(name, None)
    }

    fn hello(&mut self, name: &str, resume: Option<SessionTicket>) -> ConnId {
        self.last_conn += 1;
        let conn = ConnId(self.last_conn);
        self.send(conn, ClientMessage::Hello { name: name.into(), resume, secret: None, replace: false });
        conn
    }

    fn watch(&mut self, conn: ConnId, query: &str, names: &[&str]) {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        self.send(conn, ClientMessage::Watch { query: query.into(), names });
    }

    fn send(&mut self, conn: ConnId, message: ClientMessage) {
        self.registry.handle_message(self.now, conn, message);
        self.handle_effects();
    }

    fn disconnect(&mut self, conn: ConnId) {
        self.clients.remove(&conn);
        self.registry.handle_disconnect(self.now, conn);
        self.handle_effects();
    }

    fn advance(&mut self, millis: u64) {
        let end = self.now + Duration::from_millis(millis);
        while let Some(at) = self.registry.next_tick().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.registry.tick(self.now);
            self.handle_effects();
        }
        self.now = end;
    }

    fn handle_effects(&mut self) {
        while let Some(effect) = self.registry.poll_effect() {
            for (conn, message) in self.registry.messages(&effect) {
                self.deliver(conn, message);
            }
            if let Effect::Close { conn, .. } = effect {
                self.clients.remove(&conn);
            }
        }
    }

    fn deliver(&mut self, conn: ConnId, message: ServerMessage) {
        let by_token = |users: Vec<User>| users.into_iter().map(|user| (user.token, user)).collect();
        if let ServerMessage::Welcome { me, ticket, users, total, .. } = message {
            self.clients.insert(
                conn,
                RosterReplica { me, ticket, users: by_token(users), total, messages: 0, totals: 0, rosters: 0 },
            );
            return;
        }
        let Some(replica) = self.clients.get_mut(&conn) else { return };
        let total_alone = matches!(&message, ServerMessage::Presence { changes, .. } if changes.is_empty());
        replica.messages += usize::from(!total_alone);
        replica.totals += usize::from(total_alone);
        match message {
            ServerMessage::Roster { users, total } => {
                (replica.users, replica.total) = (by_token(users), total);
                replica.rosters += 1;
            }
            ServerMessage::Presence { changes, total } => {
                replica.total = total.or(replica.total);
                for user in changes {
                    if user.token == replica.me.token {
                        replica.me = user;
                    } else if user.state == UserState::Offline {
                        replica.users.remove(&user.token);
                    } else {
                        replica.users.insert(user.token, user);
                    }
                }
            }
            _ => {}
        }
    }

    fn replica(&self, conn: ConnId) -> &RosterReplica {
        &self.clients[&conn]
    }

    /// The names in this client's roster, sorted.
    fn names_shown(&self, conn: ConnId) -> Vec<&str> {
        let mut names: Vec<_> = self.replica(conn).users.values().map(|user| user.name.as_str()).collect();
        names.sort_unstable();
        names
    }

    /// The number of messages since the last call.
    fn take_message_count(&mut self, conn: ConnId) -> usize {
        self.clients.get_mut(&conn).map_or(0, |replica| std::mem::take(&mut replica.messages))
    }

    /// Asserts that a client's copy is correct, and contains all users that its subscription matches.
    fn check(&self, conn: ConnId, replica: &RosterReplica, filter: &(NameQuery, Vec<Name>)) {
        let online: Vec<_> = self.registry.state.users.records().filter(|record| record.conn.is_some()).collect();
        let limit = self.registry.config.whole_roster;
        assert!(
            online.len() <= limit || replica.total.is_some(),
            "{} users are too many for a whole roster",
            online.len()
        );
        assert!(
            online.len() * 10 >= limit * 9 || replica.total.is_none(),
            "{} users are few enough for a whole roster",
            online.len()
        );
        assert_eq!(replica.total.is_some(), self.registry.rosters.has_partial_roster(conn));
        for user in replica.users.values() {
            let truth = self.registry.state.users.online_user(user.token);
            assert_eq!(Some(user), truth, "the roster of {conn:?} has the current state");
        }
        assert_eq!(
            Some(&replica.me),
            self.registry.state.users.online_user(replica.me.token),
            "a client has its own current state"
        );
        assert!(!replica.users.contains_key(&replica.me.token), "a roster does not list its own user");
        if let Some(total) = replica.total.map(|total| total as usize) {
            assert!(total == online.len() || total.abs_diff(online.len()) * 50 < total, "{total} of {}", online.len());
        }
        let own_call = self.registry.state.users.get(replica.me.token).and_then(|record| record.call);
        for record in online.iter().filter(|record| record.user.token != replica.me.token) {
            let wanted = replica.total.is_none()
                || filter.0.matches(&record.key)
                || filter.1.iter().any(|name| name.key() == record.key)
                || (own_call.is_some() && record.call == own_call);
            assert!(!wanted || replica.users.contains_key(&record.user.token), "{conn:?} lists {:?}", record.user);
        }
    }
}

#[test]
fn rosters_are_partial_above_the_limit_and_whole_again_well_below_it() {
    let (mut world, conns) = RosterWorld::with_users(10, &["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
    assert!(conns.iter().all(|conn| world.replica(*conn).users.len() == 9 && world.replica(*conn).total.is_none()));
    let eleventh = world.login("10");
    assert_eq!(world.replica(eleventh).total, Some(11), "the user above the limit receives a partial roster at once");
    world.advance(1_000);
    assert!(
        conns.iter().all(|conn| world.replica(*conn).total == Some(11)),
        "the others receive theirs within a second"
    );
    world.disconnect(eleventh);
    world.disconnect(conns[9]);
    world.advance(10_000);
    assert!(
        conns[..9].iter().all(|conn| world.replica(*conn).total == Some(9)),
        "rosters stay partial just below the limit"
    );
    world.disconnect(conns[8]);
    world.advance(1_000);
    for conn in &conns[..8] {
        assert_eq!((world.replica(*conn).users.len(), world.replica(*conn).total), (7, None));
    }
}

#[test]
fn a_watch_takes_effect_when_rosters_become_partial() {
    let (mut world, conns) = RosterWorld::with_users(3, &["Ana", "Bo"]);
    world.take_message_count(conns[0]);
    world.watch(conns[0], "x", &["Di"]);
    world.advance(1_000);
    assert_eq!((world.take_message_count(conns[0]), world.names_shown(conns[0])), (0, vec!["Bo"]));
    for name in ["Cy", "Di", "Xu"] {
        world.login(name);
    }
    world.advance(1_000);
    assert_eq!(world.names_shown(conns[0]), ["Di", "Xu"]);
}

#[test]
fn changes_are_sent_only_to_clients_that_list_the_user() {
    let (mut world, conns) = RosterWorld::with_users(0, &["Ana", "Bo"]);
    let [ana, bo] = conns[..] else { unreachable!() };
    world.watch(ana, "", &["小明", " CY "]);
    world.watch(bo, "li", &[]);
    assert_eq!((world.names_shown(ana), world.names_shown(bo)), (vec!["Bo"], vec![]));
    for conn in [ana, bo] {
        world.take_message_count(conn);
    }
    let stranger = world.login("Stranger");
    world.advance(100);
    assert_eq!((world.take_message_count(ana), world.take_message_count(bo)), (0, 0));

    let cy = world.login("cy");
    let li = world.login("Ana Li");
    world.advance(100);
    assert_eq!((world.names_shown(ana), world.names_shown(bo)), (vec!["Bo", "cy"], vec!["Ana Li"]));
    let to = world.replica(li).me.token;
    world.send(cy, ClientMessage::Offering { to, media: MediaKind::Voice });
    world.advance(100);
    let state =
        |conn, name| world.replica(conn).users.values().find(|user| user.name.as_str() == name).map(|user| user.state);
    assert_eq!(state(ana, "cy"), Some(UserState::Connecting));
    assert_eq!(state(bo, "Ana Li"), Some(UserState::Connecting));
    assert_eq!(state(cy, "Ana Li"), Some(UserState::Connecting), "the roster of a caller lists the target");
    for conn in [cy, li, stranger] {
        world.disconnect(conn);
    }
    world.advance(100);
    assert_eq!((world.names_shown(ana), world.names_shown(bo)), (vec!["Bo"], vec![]));
}

#[test]
fn every_user_can_be_found_and_called() {
    let mut world = RosterWorld::new(10);
    for number in 0..5_000 {
        world.login(&format!("Person {number}"));
    }
    world.login("王小明");
    let ana = world.login("Ana");
    world.advance(10_000);
    assert_eq!(world.replica(ana).total, Some(5_002));
    assert_eq!(world.replica(ana).users.len(), 12, "the latest logins are listed while nothing is searched for");
    for (query, name) in
        [("person 4711", "Person 4711"), ("4711", "Person 4711"), ("明", "王小明"), ("ＰＥＲＳＯＮ 7", "Person 7")]
    {
        world.watch(ana, query, &[]);
        world.advance(1_000);
        assert!(world.names_shown(ana).contains(&name), "{query} finds {:?}", world.names_shown(ana));
        assert!(world.replica(ana).users.len() <= limits::MAX_SEARCH_RESULTS);
    }
    let to = *world.replica(ana).users.keys().next().unwrap();
    world.send(ana, ClientMessage::Offering { to, media: MediaKind::Video });
    world.watch(ana, "", &[]);
    world.advance(1_000);
    assert_eq!(
        world.replica(ana).users[&to].state,
        UserState::Connecting,
        "the target stays listed after the next search"
    );
}

#[test]
fn frequent_searches_are_rate_limited_and_the_last_is_answered() {
    let (mut world, conns) = RosterWorld::with_users(0, &["Ana", "Bo", "Cy"]);
    let ana = conns[0];
    let before = world.replica(ana).rosters;
    for _ in 0..50 {
        world.watch(ana, "b", &[]);
        world.watch(ana, "c", &[]);
        world.advance(20);
    }
    world.advance(1_000);
    assert_eq!(world.names_shown(ana), ["Cy"]);
    let answers = world.replica(ana).rosters - before;
    assert!((2..=7).contains(&answers), "{answers} answers in a second");
}

#[test]
fn a_full_partial_roster_is_built_anew() {
    let mut world = RosterWorld::new(0);
    let ana = world.login("Ana");
    for number in 0..300 {
        let other = world.login(&format!("Person {number}"));
        let to = world.replica(other).me.token;
        world.send(ana, ClientMessage::Offering { to, media: MediaKind::Voice });
        world.advance(100);
        assert!(world.replica(ana).users.contains_key(&to));
        world.disconnect(other);
        let back = world.login(&format!("Person {number} again"));
        world.advance(3_000);
        let to = world.replica(back).me.token;
        world.send(ana, ClientMessage::Offering { to, media: MediaKind::Voice });
        world.advance(50_000);
    }
    assert!(world.replica(ana).users.len() <= crate::registry::partial_rosters::MAX_LISTED);
    world.check(ana, world.replica(ana), &Default::default());
}

#[test]
fn totals_are_sent_rarely_and_only_after_a_noticeable_change() {
    let mut world = RosterWorld::new(0);
    let ana = world.login("Ana");
    world.advance(10_000);
    for number in 0..1_000 {
        world.login(&format!("Person {number}"));
        world.advance(10);
    }
    world.advance(10_000);
    assert_eq!(world.replica(ana).total, Some(1_001));
    let totals = world.replica(ana).totals;
    assert!((2..=5).contains(&totals), "{totals} messages");
    for number in 0..19 {
        world.login(&format!("Person {number} more"));
    }
    world.advance(60_000);
    assert_eq!(
        (world.replica(ana).totals, world.replica(ana).total),
        (totals, Some(1_001)),
        "a change below a fiftieth is not sent"
    );
}

#[derive(Clone, Debug)]
enum RosterAction {
    LogIn(usize),
    LogOut(usize),
    Disconnect(usize),
    /// Resumes the session of the first index under the name of the second.
    Resume(usize, usize),
    Watch(usize, &'static str, u16),
    Call(usize, usize),
    Advance(u64),
}

const NAMES: [&str; 9] = ["Ana", "Ana Li", "An", "Bo", "Bo Li", "小明", "小红", "明", "Li"];

fn action() -> impl Strategy<Value = RosterAction> {
    let index = 0..NAMES.len();
    prop_oneof![
        8 => index.clone().prop_map(RosterAction::LogIn),
        1 => index.clone().prop_map(RosterAction::LogOut),
        3 => index.clone().prop_map(RosterAction::Disconnect),
        2 => (index.clone(), 0..NAMES.len()).prop_map(|(index, name)| RosterAction::Resume(index, name)),
        6 => (index.clone(), prop::sample::select(vec!["", "a", "an", "ana l", "li", "小", "明", "x"]), any::<u16>())
            .prop_map(|(index, query, names)| RosterAction::Watch(index, query, names & (names >> 3))),
        4 => (index.clone(), index).prop_map(|(index, target)| RosterAction::Call(index, target)),
        6 => prop::sample::select(vec![0, 1, 20, 40, 150, 250, 3_000, 50_000]).prop_map(RosterAction::Advance),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn client_rosters_are_correct_after_random_actions(limit in 0_usize..8, actions in prop::collection::vec(action(), 1..80)) {
        let mut world = RosterWorld::new(limit);
        let mut conns: [Option<ConnId>; NAMES.len()] = [None; NAMES.len()];
        let mut tickets: [Option<SessionTicket>; NAMES.len()] = std::array::from_fn(|_| None);
        let mut filters: BTreeMap<ConnId, (NameQuery, Vec<Name>)> = BTreeMap::new();
        for action in actions {
            // The connections of replaced and refused clients are closed.
            for conn in &mut conns {
                *conn = conn.filter(|conn| world.clients.contains_key(conn));
            }
            match action {
                RosterAction::LogIn(index) if conns[index].is_none() => {
                    let conn = world.login(NAMES[index]);
                    conns[index] = Some(conn);
                    tickets[index] = world.clients.get(&conn).map(|replica| replica.ticket.clone()).or(tickets[index].clone());
                }
                RosterAction::Resume(index, name) => {
                    if let Some(ticket) = tickets[index].clone() {
                        let conn = world.hello(NAMES[name], Some(ticket));
                        if world.clients.contains_key(&conn) {
                            conns[index] = Some(conn);
                        }
                    }
                }
                RosterAction::LogOut(index) => if let Some(conn) = conns[index].take() {
                    world.clients.remove(&conn);
                    world.send(conn, ClientMessage::LogOut);
                }
                RosterAction::Disconnect(index) => if let Some(conn) = conns[index].take() {
                    world.disconnect(conn);
                }
                RosterAction::Watch(index, query, names) => if let Some(conn) = conns[index] {
                    let names: Vec<_> = (0..NAMES.len()).filter(|name| names >> name & 1 == 1).map(|name| NAMES[name]).collect();
                    world.watch(conn, query, &names);
                    let names = names.into_iter().map(|name| Name::new(name).unwrap()).collect();
                    filters.insert(conn, (NameQuery::new(query), names));
                }
                RosterAction::Call(index, target) => {
                    let to = conns[target].and_then(|conn| world.clients.get(&conn)).map(|replica| replica.me.token);
                    if let Some((conn, to)) = conns[index].zip(to) {
                        world.send(conn, ClientMessage::Offering { to, media: MediaKind::Video });
                    }
                }
                RosterAction::Advance(millis) => world.advance(millis),
                RosterAction::LogIn(_) => {}
            }
        }
        world.advance(10_000);
        world.registry.check();
        for (conn, replica) in &world.clients {
            world.check(*conn, replica, filters.get(conn).unwrap_or(&Default::default()));
        }
        // No data about disconnected clients is left.
        let conns: Vec<_> = world.clients.keys().copied().collect();
        for conn in conns {
            world.disconnect(conn);
        }
        world.advance(60_000);
        prop_assert!(world.registry.rosters.is_empty(), "{:?}", world.registry.rosters);
    }
}
