//! Users, calls and deliveries: the authority on states, sans-I/O.
//!
//! [`Registry`] is told what its connections send and when they go, and says what to deliver to whom. It speaks of users,
//! calls and deliveries; sockets, clocks and random numbers are the gateway's business. Every change of a user's state goes
//! through [`UserState::after`](hutong_protocol::UserState::after).
//!
//! Invariants, checked after every step of the random tests:
//! - a user has a call exactly while `connecting`, `in_call` or `ending`, and is `Here` in exactly that call;
//! - a call that is not over has somebody `Here` or somebody who can still claim it;
//! - every state but `online`, `offline` and `in_call` has a deadline.

mod calls;
mod flow;
mod index;
#[cfg(any(test, feature = "inspect"))]
pub mod inspect;
mod roster;
mod sheet;
#[cfg(test)]
mod tests;
mod ticket;
mod users;
mod watching;

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, VecDeque},
    time::Duration,
};

use hutong_protocol::{
    CallId, ClientMessage, EndReason, ErrorCode, IceServer, Name, NameKey, RefusedCode, ServerMessage, Ticket, Token,
    User, UserState, limits,
};

use self::{calls::Call, roster::Rosters, ticket::Signer, users::Users};

pub use self::roster::List;
pub(crate) use self::sheet::encode;

pub use ticket::Credential;

/// One WebSocket, as its gateway numbers it. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId(pub u64);

/// What a registry is told when it is made.
#[derive(Clone)]
pub struct Config {
    /// Users that may be online at once; one more is refused as `full`.
    pub max_users: usize,
    /// Users online up to which everybody is shown everybody; past it clients are shown the part that they watch.
    pub whole_roster: usize,
    /// Handed to every client in its welcome.
    pub ice_servers: Vec<IceServer>,
    /// The secret that tickets are signed with. A server that has the same one after a restart knows its users again.
    pub ticket_key: [u8; 32],
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Without the key and the TURN credentials.
        f.debug_struct("Config").field("max_users", &self.max_users).finish_non_exhaustive()
    }
}

/// What the gateway is to do, in this order.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Deliver to one connection.
    Send {
        /// To whom.
        to: ConnId,
        /// What.
        message: ServerMessage,
    },
    /// Deliver the welcome. Its list is that of the moment at which this is taken out.
    Welcome {
        /// To whom.
        to: ConnId,
        /// The user.
        me: User,
        /// The user's ticket.
        ticket: Ticket,
        /// Who is shown.
        list: List,
    },
    /// Deliver a roster. Its list is that of the moment at which this is taken out.
    Roster {
        /// To whom.
        to: ConnId,
        /// The user.
        me: Token,
        /// Who is shown.
        list: List,
    },
    /// Deliver presence: each change encoded once, for however many readers.
    Presence {
        /// All changes.
        changes: Vec<User>,
        /// Whether all of them go to every connection that is shown everybody.
        whole: bool,
        /// Connections that are shown a part, and which of the changes are for each, by their places.
        parts: Vec<(ConnId, Vec<usize>)>,
    },
    /// Deliver the number of users online, as presence without changes.
    Total {
        /// The number.
        total: u32,
        /// To whom.
        to: Vec<ConnId>,
    },
    /// Send `refused` with this code, then close. The registry knows the connection no more.
    Close {
        /// Which.
        conn: ConnId,
        /// Why.
        code: RefusedCode,
    },
    /// Nothing to do: something that is worth counting has happened.
    Note(Fact),
}

/// Something that is worth counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// Somebody logged in.
    LoggedIn {
        /// With the ticket of an earlier log-in.
        back: bool,
    },
    /// CALLING was delivered: a call is set up.
    CallSetUp {
        /// Since OFFERING was delivered; people's time to answer is in it.
        since_offering: Duration,
        /// Since CONFIRM was delivered.
        since_confirm: Duration,
    },
    /// A call is over.
    CallEnded {
        /// Why.
        reason: EndReason,
    },
}

/// The registry. All times are since the Unix epoch and never go back.
#[derive(Clone, Debug)]
pub struct Registry {
    config: Config,
    signer: Signer,
    users: Users,
    calls: HashMap<CallId, Call>,
    /// Deadlines, earliest first. An entry may be out of date: what is due is read from the record itself.
    deadlines: BinaryHeap<Reverse<(Duration, Deadline)>>,
    presence_at: Option<Duration>,
    rosters: Rosters,
    effects: VecDeque<Effect>,
    started: Duration,
    last_stamp: u64,
    doors: Doors,
}

/// Who may log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doors {
    /// Everybody, up to the limit.
    Open,
    /// Nobody any more: the server is about to stop.
    Closed,
}

/// What a deadline is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Deadline {
    Call(CallId),
    Name(Token),
    Watch(ConnId),
}

impl Registry {
    /// An empty registry, as of `now`.
    #[must_use]
    pub fn new(config: Config, now: Duration) -> Self {
        let mut users = Users::default();
        users.keep_sheet();
        Self {
            signer: Signer::new(&config.ticket_key),
            config,
            users,
            calls: HashMap::new(),
            deadlines: BinaryHeap::new(),
            presence_at: None,
            rosters: Rosters::default(),
            effects: VecDeque::new(),
            started: now,
            last_stamp: 0,
            doors: Doors::Open,
        }
    }

    /// Signs with this secret from now on. Tickets of the former ones are still good, others no longer.
    pub fn set_ticket_keys(&mut self, key: &[u8; 32], former: &[[u8; 32]]) {
        self.signer = Signer::with_former(key, former);
    }

    /// Lets nobody in any more: every hello is refused as `shutting_down`. Whoever is in stays.
    pub const fn close_doors(&mut self) {
        self.doors = Doors::Closed;
    }

    /// Whether somebody new could log in.
    ///
    /// # Errors
    ///
    /// With what they would be refused: `full` or `shutting_down`.
    pub fn takes_users(&self) -> Result<(), RefusedCode> {
        if self.doors == Doors::Closed {
            return Err(RefusedCode::ShuttingDown);
        }
        if self.users.online() < self.config.max_users { Ok(()) } else { Err(RefusedCode::Full) }
    }

    /// A connection said hello, and whoever asks for secrets let it in by this credential. [`received`](Self::received) does the same
    /// for a server that asks for none.
    pub fn admitted(
        &mut self,
        now: Duration,
        from: ConnId,
        name: String,
        resume: Option<Ticket>,
        credential: Credential,
    ) {
        if self.users.by_conn(from).is_some() {
            return self.received(now, from, ClientMessage::Hello { name, resume, secret: None });
        }
        self.hello(now, from, &name, resume.as_ref(), credential);
        self.gather(now);
    }

    /// Whose ticket this is, if it is good for this name and credential.
    #[must_use]
    pub fn owner_of(&self, now: Duration, ticket: &Ticket, name: &NameKey, credential: Credential) -> Option<Token> {
        self.signer.check_user(now, ticket, name, credential)
    }

    /// A connection sent a message. Its first must be hello; the gateway keeps the hello deadline.
    pub fn received(&mut self, now: Duration, from: ConnId, message: ClientMessage) {
        match (self.users.by_conn(from), message) {
            (None, ClientMessage::Hello { name, resume, secret: _ }) => {
                self.hello(now, from, &name, resume.as_ref(), Credential::NONE);
            }
            (None, message) => {
                let text = "say hello first";
                self.effects.push_back(error(from, &message, ErrorCode::NotNow, text));
            }
            (Some(_), message @ ClientMessage::Hello { .. }) => {
                let text = "this connection has said hello already";
                self.effects.push_back(error(from, &message, ErrorCode::NotNow, text));
            }
            (Some(me), ClientMessage::LogOut) => {
                // For good: there will be no claim to wait for.
                if let Some(call) = self.users.get(me).and_then(|record| record.call) {
                    self.end(now, call, EndReason::Gone, Some(me));
                }
                self.leave(now, me);
                self.users.forget(me);
            }
            (Some(me), ClientMessage::Watch { query, names }) => self.watched(now, from, me, &query, &names),
            (Some(me), message) => {
                if let Err((code, text)) = self.step(now, me, &message) {
                    self.effects.push_back(error(from, &message, code, text));
                }
            }
        }
        self.gather(now);
    }

    /// A connection is gone. One that never said hello, or that was closed by [`Effect::Close`], may be told or not.
    pub fn disconnected(&mut self, now: Duration, conn: ConnId) {
        if let Some(token) = self.users.by_conn(conn) {
            self.leave(now, token);
        }
        self.gather(now);
    }

    /// Time has passed: deadlines are kept and gathered presence is told.
    pub fn tick(&mut self, now: Duration) {
        while let Some(&Reverse((at, what))) = self.deadlines.peek() {
            if at > now {
                break;
            }
            self.deadlines.pop();
            match what {
                Deadline::Call(call) => self.call_due(now, call),
                Deadline::Name(token) => self.users.forget_if_due(token, now),
                Deadline::Watch(conn) => self.watch_due(now, conn),
            }
        }
        if self.presence_at.is_some_and(|at| at <= now) {
            self.presence_at = None;
            // First: what is told next is for those who are shown a part by now, or no longer are.
            self.turn_some();
            self.tell_presence();
        }
        self.tell_total(now);
        self.gather(now);
    }

    /// When [`tick`](Self::tick) is due, unless something happens before. `None`: never.
    #[must_use]
    pub fn next_tick(&self) -> Option<Duration> {
        let deadline = self.deadlines.peek().map(|Reverse((at, _))| *at);
        deadline.into_iter().chain(self.presence_at).chain(self.total_due()).min()
    }

    /// What to do next; to be called until `None` after each of the methods above.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// The user of this connection, as it is now. `None` when the connection has not been welcomed.
    #[must_use]
    pub fn user_of(&self, conn: ConnId) -> Option<User> {
        let me = self.users.by_conn(conn)?;
        self.users.get(me).map(|record| record.user.clone())
    }

    /// The name of this connection's user. `None` when the connection has not been welcomed.
    #[must_use]
    pub fn name_of(&self, conn: ConnId) -> Option<&Name> {
        let me = self.users.by_conn(conn)?;
        self.users.get(me).map(|record| &record.user.name)
    }

    /// What every client is handed in its welcome.
    #[must_use]
    pub fn ice_servers(&self) -> &[IceServer] {
        &self.config.ice_servers
    }

    /// How many users are online.
    #[must_use]
    pub fn users_online(&self) -> usize {
        self.users.online()
    }

    /// How many of the users that are online are in this state.
    #[must_use]
    pub fn users_in(&self, state: UserState) -> usize {
        self.users.in_state(state)
    }

    /// How many calls are not over.
    #[must_use]
    pub fn calls_on(&self) -> usize {
        self.calls.values().filter(|call| !call.step.is_over()).count()
    }

    /// How many calls are known, those included that are over but could still be claimed.
    #[must_use]
    pub fn calls_known(&self) -> usize {
        self.calls.len()
    }

    fn hello(&mut self, now: Duration, conn: ConnId, typed: &str, resume: Option<&Ticket>, credential: Credential) {
        match self.admit(now, typed, resume, credential) {
            Ok((token, name)) => {
                self.note(Fact::LoggedIn { back: resume.is_some() });
                if let Some(old) = self.users.get(token).and_then(|record| record.conn) {
                    self.leave(now, token);
                    self.effects.push_back(Effect::Close { conn: old, code: RefusedCode::Replaced });
                }
                let ticket = self.signer.user(now, token, &name.key(), credential);
                let me = self.users.log_in(token, name, conn);
                let list = self.came(conn, &me);
                self.effects.push_back(Effect::Welcome { to: conn, me, ticket, list });
            }
            Err(code) => self.effects.push_back(Effect::Close { conn, code }),
        }
    }

    /// Decides who may log in, and under which token and name.
    fn admit(
        &mut self,
        now: Duration,
        typed: &str,
        resume: Option<&Ticket>,
        credential: Credential,
    ) -> Result<(Token, Name), RefusedCode> {
        if self.doors == Doors::Closed {
            return Err(RefusedCode::ShuttingDown);
        }
        let name = Name::new(typed).map_err(|_| RefusedCode::NameInvalid)?;
        let key = name.key();
        let resumed = match resume {
            Some(ticket) => {
                Some(self.signer.check_user(now, ticket, &key, credential).ok_or(RefusedCode::TicketInvalid)?)
            }
            None => None,
        };
        if let Some(holder) = self.users.holder_of(&key) {
            self.users.forget_if_due(holder, now);
        }
        if self.users.holder_of(&key).is_some_and(|holder| Some(holder) != resumed) {
            return Err(RefusedCode::NameTaken);
        }
        let already_counted =
            resumed.and_then(|token| self.users.get(token)).is_some_and(|record| record.conn.is_some());
        if !already_counted {
            self.takes_users()?;
        }
        Ok((resumed.unwrap_or_else(|| Token(self.stamp(now))), name))
    }

    /// Tells a user's connection.
    fn tell(&mut self, token: Token, message: ServerMessage) {
        if let Some(to) = self.users.get(token).and_then(|record| record.conn) {
            self.effects.push_back(Effect::Send { to, message });
        }
    }

    fn note(&mut self, fact: Fact) {
        self.effects.push_back(Effect::Note(fact));
    }

    /// Sees to it that presence is told soon after a change, and not at once: more may come.
    fn gather(&mut self, now: Duration) {
        if self.presence_at.is_none() && (self.users.has_changes() || self.is_turning()) {
            self.presence_at = Some(now + limits::PRESENCE_GATHER);
        }
    }

    /// The time in microseconds, made unique in this registry.
    fn stamp(&mut self, now: Duration) -> u64 {
        let micros = u64::try_from(now.as_micros()).unwrap_or(u64::MAX);
        self.last_stamp = micros.max(self.last_stamp + 1);
        self.last_stamp
    }
}

fn error(to: ConnId, about: &ClientMessage, code: ErrorCode, text: &str) -> Effect {
    let message = ServerMessage::Error {
        code,
        message: text.to_owned(),
        about: Some(about.kind().to_owned()),
        call: about.call(),
    };
    Effect::Send { to, message }
}
