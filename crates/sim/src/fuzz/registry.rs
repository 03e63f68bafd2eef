//! The registry, fed with whatever connections could do, in any order.
//!
//! Three bytes are one step: what is done, by whom, and with what. Numbers are taken of what is there, so that most steps lead
//! somewhere: the third of the calls, tickets and users that anybody was told of.

use std::{collections::BTreeMap, time::Duration};

use hutong_protocol::{
    CallId, CancelReason, ClientMessage, IceCandidate, MediaKind, SdpKind, ServerMessage, Ticket, Token,
};
use hutong_server::registry::{Config, ConnId, Effect, Registry};

/// When it begins: 2026-11-23, about noon.
const EPOCH: Duration = Duration::from_secs(1_795_435_200);

/// Few, so that the limit is met.
const MAX_USERS: usize = 6;

/// Fewer, so that both everybody and a part is shown.
const WHOLE_ROSTER: usize = 3;

/// Few, so that names and people are met again.
const CONNECTIONS: usize = 10;

/// Longer than anything is waited for.
const FOR_GOOD: Duration = Duration::from_secs(300);

/// Steps of one run: with more it is the same again.
const STEPS: usize = 400;

/// What is done in one step; its place is the first byte's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Opens a connection and says hello; the third byte chooses the name.
    LogIn,
    /// The same with a ticket that somebody was told.
    Resume,
    /// A second hello on a connection that has said it.
    Hello,
    /// Logs out, and stays connected.
    LogOut,
    /// Offers a call to somebody.
    Offering,
    /// And so on, each as the message of this name.
    Accept,
    /// See there.
    Confirm,
    /// See there.
    Calling,
    /// See there.
    Candidate,
    /// See there.
    Description,
    /// See there; the third byte chooses the reason too.
    Cancel,
    /// See there.
    Released,
    /// See there, with any ticket, of users too.
    Claim,
    /// A connection is gone.
    Gone,
    /// Time passes: up to a minute, by the square of the third byte.
    Pass,
    /// The server is killed and started anew with the same key.
    Restart,
    /// As the message of this name; the third byte chooses the query and a name.
    Watch,
}

impl Op {
    /// All, in the order of their bytes.
    pub const ALL: [Self; 17] = [
        Self::LogIn,
        Self::Resume,
        Self::Hello,
        Self::LogOut,
        Self::Offering,
        Self::Accept,
        Self::Confirm,
        Self::Calling,
        Self::Candidate,
        Self::Description,
        Self::Cancel,
        Self::Released,
        Self::Claim,
        Self::Gone,
        Self::Pass,
        Self::Restart,
        Self::Watch,
    ];
}

/// Plays the bytes.
///
/// # Panics
///
/// When the registry breaks one of its promises.
pub fn registry(bytes: &[u8]) {
    let mut play = Play::new();
    for step in bytes.chunks_exact(3).take(STEPS) {
        if let [op, who, what] = *step {
            play.step(Op::ALL[usize::from(op) % Op::ALL.len()], usize::from(who), usize::from(what));
        }
    }
    play.end();
}

struct Play {
    now: Duration,
    registry: Registry,
    /// Connections that are open, and the user that was welcomed on each.
    open: BTreeMap<ConnId, Option<Token>>,
    last: u64,
    users: Vec<Token>,
    calls: Vec<CallId>,
    tickets: Vec<Ticket>,
}

impl Play {
    fn new() -> Self {
        Self {
            now: EPOCH,
            registry: server(EPOCH),
            open: BTreeMap::new(),
            last: 0,
            users: vec![Token(1)],
            calls: vec![CallId(1)],
            tickets: vec![Ticket::new("u1.1.2.AAAA"), Ticket::new("c1.1.2.3.4.AAAA")],
        }
    }

    fn step(&mut self, op: Op, who: usize, what: usize) {
        match op {
            Op::LogIn | Op::Resume => {
                if self.open.len() < CONNECTIONS {
                    self.last += 1;
                    let conn = ConnId(self.last);
                    self.open.insert(conn, None);
                    self.say(conn, op, what);
                }
            }
            Op::Gone => {
                if let Some(conn) = self.connection(who) {
                    self.open.remove(&conn);
                    self.registry.disconnected(self.now, conn);
                }
            }
            Op::Pass => self.pass(Duration::from_millis(what as u64 * what as u64)),
            Op::Restart => {
                self.open.clear();
                self.registry = server(self.now);
            }
            _ => {
                if let Some(conn) = self.connection(who) {
                    self.say(conn, op, what);
                }
            }
        }
        self.effects();
        self.check();
    }

    fn connection(&self, which: usize) -> Option<ConnId> {
        self.open.keys().nth(which % self.open.len().max(1)).copied()
    }

    fn say(&mut self, conn: ConnId, op: Op, what: usize) {
        let (call, to) = (*pick(&self.calls, what), *pick(&self.users, what));
        let ticket = pick(&self.tickets, what).clone();
        let media = if what.is_multiple_of(2) { MediaKind::Video } else { MediaKind::Voice };
        let sdp = String::from("v=0");
        let message = match op {
            Op::LogIn | Op::Hello => ClientMessage::Hello { name: name(what), resume: None, secret: None },
            Op::Resume => ClientMessage::Hello { name: name(what / 16), resume: Some(ticket), secret: None },
            Op::LogOut => ClientMessage::LogOut,
            Op::Offering => ClientMessage::Offering { to, media },
            Op::Accept => ClientMessage::Accept { call, media },
            Op::Confirm => ClientMessage::Confirm { call, sdp },
            Op::Calling => ClientMessage::Calling { call, sdp },
            Op::Candidate => {
                let candidate = IceCandidate {
                    candidate: String::new(),
                    sdp_mid: None,
                    sdp_m_line_index: None,
                    username_fragment: None,
                };
                ClientMessage::Candidate { call, candidate }
            }
            Op::Description => ClientMessage::Description { call, kind: SdpKind::Offer, sdp },
            Op::Cancel => {
                let reasons =
                    [CancelReason::Declined, CancelReason::Cancelled, CancelReason::Hangup, CancelReason::Failed];
                ClientMessage::Cancel { call, reason: reasons[what / 64 % 4] }
            }
            Op::Released => ClientMessage::Released { call },
            Op::Claim => ClientMessage::Claim { ticket },
            Op::Watch => {
                let query = ["", "a", "b", "明"][what % 4].to_owned();
                ClientMessage::Watch { query, names: vec![name(what / 4)] }
            }
            Op::Gone | Op::Pass | Op::Restart => return,
        };
        // Who logs out is told of nobody until the next hello: its gateway sees to that.
        if op == Op::LogOut
            && let Some(user) = self.open.get_mut(&conn)
        {
            *user = None;
        }
        self.registry.received(self.now, conn, message);
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        let mut ticks = 0;
        while let Some(at) = self.registry.next_tick().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.registry.tick(self.now);
            self.effects();
            self.check();
            ticks += 1;
            assert!(ticks < 10_000, "it ticks without end");
        }
        self.now = end;
        self.registry.tick(self.now);
    }

    fn effects(&mut self) {
        while let Some(effect) = self.registry.poll_effect() {
            for (to, message) in self.registry.messages(&effect) {
                assert!(self.open.contains_key(&to), "a message to a connection that is gone: {message:?}");
                self.told(to, message);
            }
            if let Effect::Close { conn, .. } = effect {
                assert!(self.open.remove(&conn).is_some(), "a connection that is gone is closed");
            }
        }
    }

    fn told(&mut self, conn: ConnId, message: ServerMessage) {
        match message {
            ServerMessage::Welcome { me, ticket, .. } => {
                self.open.insert(conn, Some(me.token));
                self.users.push(me.token);
                self.tickets.push(ticket);
            }
            ServerMessage::Ringing { call, .. } => self.calls.push(call),
            ServerMessage::Confirm { ticket, .. } | ServerMessage::Calling { ticket, .. } => self.tickets.push(ticket),
            _ => {}
        }
    }

    fn check(&self) {
        let snapshot = self.registry.snapshot();
        assert_eq!(snapshot.faults(), Vec::<String>::new());
        assert!(snapshot.wakes_in_time(&self.registry), "it sleeps through a deadline: {snapshot:?}");
        assert!(snapshot.tokens().all(|token| snapshot.calls_of(token).len() <= 1), "somebody is in two calls");
        let welcomed = self.open.values().flatten().count();
        assert_eq!(self.registry.users_online(), welcomed, "online is who was welcomed and is connected");
        assert!(welcomed <= MAX_USERS, "{welcomed} users");
        for (conn, user) in &self.open {
            assert_eq!(self.registry.user_of(*conn).map(|user| user.token), *user, "{conn:?}");
        }
    }

    /// Everybody goes, and after the longest deadline nothing is left.
    fn end(&mut self) {
        while let Some(conn) = self.connection(0) {
            self.open.remove(&conn);
            self.registry.disconnected(self.now, conn);
            self.effects();
            self.check();
        }
        self.pass(FOR_GOOD);
        self.effects();
        self.check();
        let snapshot = self.registry.snapshot();
        assert_eq!((self.registry.calls_known(), snapshot.tokens().count()), (0, 0), "{snapshot:?}");
        assert_eq!(self.registry.next_tick(), None, "nothing is left to be done");
    }
}

fn server(now: Duration) -> Registry {
    Registry::new(
        Config { max_users: MAX_USERS, whole_roster: WHOLE_ROSTER, ice_servers: vec![], ticket_key: [3; 32] },
        now,
    )
}

/// The last that were told are the first, so that a call is met by a small number while it is on.
fn pick<T>(all: &[T], which: usize) -> &T {
    &all[all.len() - 1 - which % all.len()]
}

/// One of a few names, some of them the same but for their case, and one that is none.
fn name(which: usize) -> String {
    ["Ana", "Bo", "ANA", "小明", "Cy", "Di", "Ed", "Fay", " "][which % 9].to_owned()
}
