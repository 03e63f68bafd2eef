//! Who is shown whom where there are too many to show everybody.

use std::{collections::BTreeMap, time::Duration};

use hutong_protocol::{ClientMessage, MediaKind, Name, Query, ServerMessage, Ticket, Token, User, UserState, limits};
use proptest::prelude::*;

use crate::registry::{Config, ConnId, Effect, Registry};

const START: Duration = Duration::from_secs(1_795_000_000);

/// A registry and clients that believe what they are told.
struct Town {
    registry: Registry,
    now: Duration,
    clients: BTreeMap<ConnId, Told>,
    last: u64,
}

/// What a client has been told.
#[derive(Clone, Debug)]
struct Told {
    me: User,
    ticket: Ticket,
    users: BTreeMap<Token, User>,
    total: Option<u32>,
    /// Messages since the last time that somebody looked, and those of them that tell a total alone.
    messages: usize,
    totals: usize,
    rosters: usize,
}

impl Town {
    fn new(whole_roster: usize) -> Self {
        let config = Config { max_users: 100_000, whole_roster, ice_servers: vec![], ticket_key: [7; 32] };
        Self { registry: Registry::new(config, START), now: START, clients: BTreeMap::new(), last: 0 }
    }

    /// With these people, and everything told.
    fn of(whole_roster: usize, names: &[&str]) -> (Self, Vec<ConnId>) {
        let mut town = Self::new(whole_roster);
        let conns = names.iter().map(|name| town.login(name)).collect();
        town.pass(10_000);
        (town, conns)
    }

    fn login(&mut self, name: &str) -> ConnId {
        self.hello(name, None)
    }

    fn hello(&mut self, name: &str, resume: Option<Ticket>) -> ConnId {
        self.last += 1;
        let conn = ConnId(self.last);
        self.send(conn, ClientMessage::Hello { name: name.into(), resume, secret: None });
        conn
    }

    fn watch(&mut self, conn: ConnId, query: &str, names: &[&str]) {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        self.send(conn, ClientMessage::Watch { query: query.into(), names });
    }

    fn send(&mut self, conn: ConnId, message: ClientMessage) {
        self.registry.received(self.now, conn, message);
        self.effects();
    }

    fn leave(&mut self, conn: ConnId) {
        self.clients.remove(&conn);
        self.registry.disconnected(self.now, conn);
        self.effects();
    }

    fn pass(&mut self, millis: u64) {
        let end = self.now + Duration::from_millis(millis);
        while let Some(at) = self.registry.next_tick().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.registry.tick(self.now);
            self.effects();
        }
        self.now = end;
    }

    fn effects(&mut self) {
        while let Some(effect) = self.registry.poll_effect() {
            for (conn, message) in self.registry.messages(&effect) {
                self.hear(conn, message);
            }
            if let Effect::Close { conn, .. } = effect {
                self.clients.remove(&conn);
            }
        }
    }

    fn hear(&mut self, conn: ConnId, message: ServerMessage) {
        let by_token = |users: Vec<User>| users.into_iter().map(|user| (user.token, user)).collect();
        if let ServerMessage::Welcome { me, ticket, users, total, .. } = message {
            self.clients
                .insert(conn, Told { me, ticket, users: by_token(users), total, messages: 0, totals: 0, rosters: 0 });
            return;
        }
        let Some(told) = self.clients.get_mut(&conn) else { return };
        let total_alone = matches!(&message, ServerMessage::Presence { changes, .. } if changes.is_empty());
        told.messages += usize::from(!total_alone);
        told.totals += usize::from(total_alone);
        match message {
            ServerMessage::Roster { users, total } => {
                (told.users, told.total) = (by_token(users), total);
                told.rosters += 1;
            }
            ServerMessage::Presence { changes, total } => {
                told.total = total.or(told.total);
                for user in changes {
                    if user.token == told.me.token {
                        told.me = user;
                    } else if user.state == UserState::Offline {
                        told.users.remove(&user.token);
                    } else {
                        told.users.insert(user.token, user);
                    }
                }
            }
            _ => {}
        }
    }

    fn told(&self, conn: ConnId) -> &Told {
        &self.clients[&conn]
    }

    /// The names that this client is shown.
    fn sees(&self, conn: ConnId) -> Vec<&str> {
        let mut names: Vec<_> = self.told(conn).users.values().map(|user| user.name.as_str()).collect();
        names.sort_unstable();
        names
    }

    /// How many messages came since this was last asked.
    fn heard(&mut self, conn: ConnId) -> usize {
        self.clients.get_mut(&conn).map_or(0, |told| std::mem::take(&mut told.messages))
    }

    /// What a client believes is what is.
    fn check(&self, conn: ConnId, told: &Told, wish: &(Query, Vec<Name>)) {
        let online: Vec<_> = self.registry.state.users.all().filter(|record| record.conn.is_some()).collect();
        let limit = self.registry.config.whole_roster;
        assert!(online.len() <= limit || told.total.is_some(), "{} are too many to be shown", online.len());
        assert!(online.len() * 10 >= limit * 9 || told.total.is_none(), "{} are few again", online.len());
        assert_eq!(told.total.is_some(), self.registry.rosters.sees_a_part(conn));
        for user in told.users.values() {
            let truth = self.registry.state.users.online_user(user.token);
            assert_eq!(Some(user), truth, "{conn:?} is told right");
        }
        assert_eq!(Some(&told.me), self.registry.state.users.online_user(told.me.token), "and of itself");
        assert!(!told.users.contains_key(&told.me.token), "nobody is listed to themselves");
        if let Some(total) = told.total.map(|total| total as usize) {
            assert!(total == online.len() || total.abs_diff(online.len()) * 50 < total, "{total} of {}", online.len());
        }
        let mine = self.registry.state.users.get(told.me.token).and_then(|record| record.call);
        for record in online.iter().filter(|record| record.user.token != told.me.token) {
            let wanted = told.total.is_none()
                || wish.0.finds(&record.key)
                || wish.1.iter().any(|name| name.key() == record.key)
                || (mine.is_some() && record.call == mine);
            assert!(!wanted || told.users.contains_key(&record.user.token), "{conn:?} sees {:?}", record.user);
        }
    }
}

#[test]
fn past_the_limit_a_part_is_shown_and_well_below_it_everybody_again() {
    let (mut town, conns) = Town::of(10, &["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
    assert!(conns.iter().all(|conn| town.told(*conn).users.len() == 9 && town.told(*conn).total.is_none()));
    let eleventh = town.login("10");
    assert_eq!(town.told(eleventh).total, Some(11), "the one too many is told at once");
    town.pass(1_000);
    assert!(conns.iter().all(|conn| town.told(*conn).total == Some(11)), "and the others a moment later");
    town.leave(eleventh);
    town.leave(conns[9]);
    town.pass(10_000);
    assert!(conns[..9].iter().all(|conn| town.told(*conn).total == Some(9)), "it does not change its mind at once");
    town.leave(conns[8]);
    town.pass(1_000);
    for conn in &conns[..8] {
        assert_eq!((town.told(*conn).users.len(), town.told(*conn).total), (7, None));
    }
}

#[test]
fn a_watch_changes_nothing_where_everybody_is_shown_and_counts_once_there_are_too_many() {
    let (mut town, conns) = Town::of(3, &["Ana", "Bo"]);
    town.heard(conns[0]);
    town.watch(conns[0], "x", &["Di"]);
    town.pass(1_000);
    assert_eq!((town.heard(conns[0]), town.sees(conns[0])), (0, vec!["Bo"]));
    for name in ["Cy", "Di", "Xu"] {
        town.login(name);
    }
    town.pass(1_000);
    assert_eq!(town.sees(conns[0]), ["Di", "Xu"]);
}

#[test]
fn only_those_who_look_hear_of_a_change() {
    let (mut town, conns) = Town::of(0, &["Ana", "Bo"]);
    let [ana, bo] = conns[..] else { unreachable!() };
    town.watch(ana, "", &["小明", " CY "]);
    town.watch(bo, "li", &[]);
    assert_eq!((town.sees(ana), town.sees(bo)), (vec!["Bo"], vec![]));
    for conn in [ana, bo] {
        town.heard(conn);
    }
    let stranger = town.login("Stranger");
    town.pass(100);
    assert_eq!((town.heard(ana), town.heard(bo)), (0, 0));

    let cy = town.login("cy");
    let li = town.login("Ana Li");
    town.pass(100);
    assert_eq!((town.sees(ana), town.sees(bo)), (vec!["Bo", "cy"], vec!["Ana Li"]));
    let to = town.told(li).me.token;
    town.send(cy, ClientMessage::Offering { to, media: MediaKind::Voice });
    town.pass(100);
    let state =
        |conn, name| town.told(conn).users.values().find(|user| user.name.as_str() == name).map(|user| user.state);
    assert_eq!(state(ana, "cy"), Some(UserState::Connecting));
    assert_eq!(state(bo, "Ana Li"), Some(UserState::Connecting));
    assert_eq!(state(cy, "Ana Li"), Some(UserState::Connecting), "who has a call is shown the other");
    for conn in [cy, li, stranger] {
        town.leave(conn);
    }
    town.pass(100);
    assert_eq!((town.sees(ana), town.sees(bo)), (vec!["Bo"], vec![]));
}

#[test]
fn everybody_is_found_and_can_be_called() {
    let mut town = Town::new(10);
    for number in 0..5_000 {
        town.login(&format!("Person {number}"));
    }
    town.login("王小明");
    let ana = town.login("Ana");
    town.pass(10_000);
    assert_eq!(town.told(ana).total, Some(5_002));
    assert_eq!(town.told(ana).users.len(), 12, "somebody is there to begin with");
    for (query, name) in
        [("person 4711", "Person 4711"), ("4711", "Person 4711"), ("明", "王小明"), ("ＰＥＲＳＯＮ 7", "Person 7")]
    {
        town.watch(ana, query, &[]);
        town.pass(1_000);
        assert!(town.sees(ana).contains(&name), "{query} finds {:?}", town.sees(ana));
        assert!(town.told(ana).users.len() <= limits::FOUND);
    }
    let to = *town.told(ana).users.keys().next().unwrap();
    town.send(ana, ClientMessage::Offering { to, media: MediaKind::Video });
    town.watch(ana, "", &[]);
    town.pass(1_000);
    assert_eq!(town.told(ana).users[&to].state, UserState::Connecting, "whatever is searched for next");
}

#[test]
fn who_searches_all_the_time_is_answered_in_turn_and_with_the_last() {
    let (mut town, conns) = Town::of(0, &["Ana", "Bo", "Cy"]);
    let ana = conns[0];
    let before = town.told(ana).rosters;
    for _ in 0..50 {
        town.watch(ana, "b", &[]);
        town.watch(ana, "c", &[]);
        town.pass(20);
    }
    town.pass(1_000);
    assert_eq!(town.sees(ana), ["Cy"]);
    let answers = town.told(ana).rosters - before;
    assert!((2..=7).contains(&answers), "{answers} answers in a second");
}

#[test]
fn whoever_has_met_very_many_starts_over() {
    let mut town = Town::new(0);
    let ana = town.login("Ana");
    for number in 0..300 {
        let other = town.login(&format!("Person {number}"));
        let to = town.told(other).me.token;
        town.send(ana, ClientMessage::Offering { to, media: MediaKind::Voice });
        town.pass(100);
        assert!(town.told(ana).users.contains_key(&to));
        town.leave(other);
        let back = town.login(&format!("Person {number} again"));
        town.pass(3_000);
        let to = town.told(back).me.token;
        town.send(ana, ClientMessage::Offering { to, media: MediaKind::Voice });
        town.pass(50_000);
    }
    assert!(town.told(ana).users.len() <= crate::registry::watching::SHOWN);
    town.check(ana, town.told(ana), &Default::default());
}

#[test]
fn the_total_is_told_when_it_has_changed_noticeably_and_not_too_often() {
    let mut town = Town::new(0);
    let ana = town.login("Ana");
    town.pass(10_000);
    for number in 0..1_000 {
        town.login(&format!("Person {number}"));
        town.pass(10);
    }
    town.pass(10_000);
    assert_eq!(town.told(ana).total, Some(1_001));
    let totals = town.told(ana).totals;
    assert!((2..=5).contains(&totals), "{totals} messages");
    for number in 0..19 {
        town.login(&format!("Person {number} more"));
    }
    town.pass(60_000);
    assert_eq!((town.told(ana).totals, town.told(ana).total), (totals, Some(1_001)), "less than a fiftieth is no news");
}

#[derive(Clone, Debug)]
enum Act {
    LogIn(usize),
    LogOut(usize),
    Cut(usize),
    /// Comes back with the ticket of the first, under the name of the second.
    Return(usize, usize),
    Watch(usize, &'static str, u16),
    Call(usize, usize),
    Pass(u64),
}

const NAMES: [&str; 9] = ["Ana", "Ana Li", "An", "Bo", "Bo Li", "小明", "小红", "明", "Li"];

fn act() -> impl Strategy<Value = Act> {
    let who = 0..NAMES.len();
    prop_oneof![
        8 => who.clone().prop_map(Act::LogIn),
        1 => who.clone().prop_map(Act::LogOut),
        3 => who.clone().prop_map(Act::Cut),
        2 => (who.clone(), 0..NAMES.len()).prop_map(|(who, name)| Act::Return(who, name)),
        6 => (who.clone(), prop::sample::select(vec!["", "a", "an", "ana l", "li", "小", "明", "x"]), any::<u16>())
            .prop_map(|(who, query, names)| Act::Watch(who, query, names & (names >> 3))),
        4 => (who.clone(), who).prop_map(|(who, whom)| Act::Call(who, whom)),
        6 => prop::sample::select(vec![0, 1, 20, 40, 150, 250, 3_000, 50_000]).prop_map(Act::Pass),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// Whatever happens in whatever order: what each client has been told is what is, and it has been told all that it watches.
    #[test]
    fn what_a_client_has_been_told_is_what_is(limit in 0_usize..8, acts in prop::collection::vec(act(), 1..80)) {
        let mut town = Town::new(limit);
        let mut conns: [Option<ConnId>; NAMES.len()] = [None; NAMES.len()];
        let mut tickets: [Option<Ticket>; NAMES.len()] = std::array::from_fn(|_| None);
        let mut wishes: BTreeMap<ConnId, (Query, Vec<Name>)> = BTreeMap::new();
        for act in acts {
            // Whoever was put out, or refused, has no connection.
            for conn in &mut conns {
                *conn = conn.filter(|conn| town.clients.contains_key(conn));
            }
            match act {
                Act::LogIn(who) if conns[who].is_none() => {
                    let conn = town.login(NAMES[who]);
                    conns[who] = Some(conn);
                    tickets[who] = town.clients.get(&conn).map(|told| told.ticket.clone()).or(tickets[who].clone());
                }
                Act::Return(who, name) => {
                    if let Some(ticket) = tickets[who].clone() {
                        let conn = town.hello(NAMES[name], Some(ticket));
                        if town.clients.contains_key(&conn) {
                            conns[who] = Some(conn);
                        }
                    }
                }
                Act::LogOut(who) => if let Some(conn) = conns[who].take() {
                    town.clients.remove(&conn);
                    town.send(conn, ClientMessage::LogOut);
                }
                Act::Cut(who) => if let Some(conn) = conns[who].take() {
                    town.leave(conn);
                }
                Act::Watch(who, query, names) => if let Some(conn) = conns[who] {
                    let names: Vec<_> = (0..NAMES.len()).filter(|name| names >> name & 1 == 1).map(|name| NAMES[name]).collect();
                    town.watch(conn, query, &names);
                    let names = names.into_iter().map(|name| Name::new(name).unwrap()).collect();
                    wishes.insert(conn, (Query::new(query), names));
                }
                Act::Call(who, whom) => {
                    let to = conns[whom].and_then(|conn| town.clients.get(&conn)).map(|told| told.me.token);
                    if let Some((conn, to)) = conns[who].zip(to) {
                        town.send(conn, ClientMessage::Offering { to, media: MediaKind::Video });
                    }
                }
                Act::Pass(millis) => town.pass(millis),
                Act::LogIn(_) => {}
            }
        }
        town.pass(10_000);
        town.registry.check();
        for (conn, told) in &town.clients {
            town.check(*conn, told, wishes.get(conn).unwrap_or(&Default::default()));
        }
        // And nothing is kept of those who are gone.
        let conns: Vec<_> = town.clients.keys().copied().collect();
        for conn in conns {
            town.leave(conn);
        }
        town.pass(60_000);
        prop_assert!(town.registry.rosters.is_idle(), "{:?}", town.registry.rosters);
    }
}
