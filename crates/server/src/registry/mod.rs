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
mod conn;
mod effect;
mod flow;
mod index;
#[cfg(any(test, feature = "inspect"))]
pub mod inspect;
mod roster;
mod sheet;
mod state;
#[cfg(test)]
mod tests;
mod ticket;
mod users;
mod watching;

use std::time::Duration;

use hutong_protocol::{
    ClientMessage, EndReason, ErrorCode, IceServer, Name, NameKey, RefusedCode, ServerMessage, Ticket, Token, User,
    UserState, limits,
};

use self::{
    flow::Flow,
    roster::Rosters,
    state::{Deadline, State},
    ticket::Signer,
};

pub(crate) use self::sheet::encode;
pub use self::{
    conn::ConnId,
    effect::{Effect, Fact, List},
    ticket::Credential,
};

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

/// The registry. All times are since the Unix epoch and never go back.
#[derive(Clone, Debug)]
pub struct Registry {
    config: Config,
    state: State,
    rosters: Rosters,
    /// When gathered presence is sent.
    presence_at: Option<Duration>,
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

impl Registry {
    /// An empty registry, as of `now`.
    #[must_use]
    pub fn new(config: Config, now: Duration) -> Self {
        Self {
            state: State::new(&config.ticket_key, now),
            rosters: Rosters::new(config.whole_roster),
            config,
            presence_at: None,
            doors: Doors::Open,
        }
    }

    /// Signs with this secret from now on. Tickets of the former ones are still good, others no longer.
    pub fn set_ticket_keys(&mut self, key: &[u8; 32], former: &[[u8; 32]]) {
        self.state.signer = Signer::with_former(key, former);
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
        if self.state.users.online() < self.config.max_users { Ok(()) } else { Err(RefusedCode::Full) }
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
        if self.state.users.by_conn(from).is_some() {
            return self.received(now, from, ClientMessage::Hello { name, resume, secret: None });
        }
        self.hello(now, from, &name, resume.as_ref(), credential);
        self.gather(now);
    }

    /// Whose ticket this is, if it is good for this name and credential.
    #[must_use]
    pub fn owner_of(&self, now: Duration, ticket: &Ticket, name: &NameKey, credential: Credential) -> Option<Token> {
        self.state.signer.check_user(now, ticket, name, credential)
    }

    /// A connection sent a message. Its first must be hello; the gateway keeps the hello deadline.
    pub fn received(&mut self, now: Duration, from: ConnId, message: ClientMessage) {
        match (self.state.users.by_conn(from), message) {
            (None, ClientMessage::Hello { name, resume, secret: _ }) => {
                self.hello(now, from, &name, resume.as_ref(), Credential::NONE);
            }
            (None, message) => {
                let text = "say hello first";
                self.state.effects.push_back(error(from, &message, ErrorCode::NotNow, text));
            }
            (Some(_), message @ ClientMessage::Hello { .. }) => {
                let text = "this connection has said hello already";
                self.state.effects.push_back(error(from, &message, ErrorCode::NotNow, text));
            }
            (Some(me), ClientMessage::LogOut) => {
                // For good: there will be no claim to wait for.
                if let Some(call) = self.state.users.get(me).and_then(|record| record.call) {
                    self.flow().end(now, call, EndReason::Gone, Some(me));
                }
                self.flow().leave(now, me);
                self.state.users.forget(me);
            }
            (Some(me), ClientMessage::Watch { query, names }) => {
                self.rosters.on_watch(&mut self.state, now, from, me, &query, &names);
            }
            (Some(me), message) => {
                if let Err((code, text)) = self.flow().step(now, me, &message) {
                    self.state.effects.push_back(error(from, &message, code, text));
                }
            }
        }
        self.gather(now);
    }

    /// A connection is gone. One that never said hello, or that was closed by [`Effect::Close`], may be told or not.
    pub fn disconnected(&mut self, now: Duration, conn: ConnId) {
        if let Some(token) = self.state.users.by_conn(conn) {
            self.flow().leave(now, token);
        }
        self.gather(now);
    }

    /// Time has passed: deadlines are kept and gathered presence is told.
    pub fn tick(&mut self, now: Duration) {
        while let Some(what) = self.state.pop_due(now) {
            match what {
                Deadline::Call(call) => self.flow().call_due(now, call),
                Deadline::Name(token) => self.state.users.forget_if_due(token, now),
                Deadline::Watch(conn) => self.rosters.watch_due(&mut self.state, now, conn),
            }
        }
        if self.presence_at.is_some_and(|at| at <= now) {
            self.presence_at = None;
            // First: what is told next is for those who are shown a part by now, or no longer are.
            self.rosters.migrate_batch(&mut self.state);
            self.rosters.send_presence(&mut self.state);
        }
        self.rosters.send_total(&mut self.state, now);
        self.gather(now);
    }

    /// When [`tick`](Self::tick) is due, unless something happens before. `None`: never.
    #[must_use]
    pub fn next_tick(&self) -> Option<Duration> {
        let total_due = self.rosters.total_due(&self.state);
        self.state.next_deadline().into_iter().chain(self.presence_at).chain(total_due).min()
    }

    /// What to do next; to be called until `None` after each of the methods above.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.state.effects.pop_front()
    }

    /// The user of this connection, as it is now. `None` when the connection has not been welcomed.
    #[must_use]
    pub fn user_of(&self, conn: ConnId) -> Option<User> {
        let me = self.state.users.by_conn(conn)?;
        self.state.users.get(me).map(|record| record.user.clone())
    }

    /// The name of this connection's user. `None` when the connection has not been welcomed.
    #[must_use]
    pub fn name_of(&self, conn: ConnId) -> Option<&Name> {
        let me = self.state.users.by_conn(conn)?;
        self.state.users.get(me).map(|record| &record.user.name)
    }

    /// What is shown to this connection, as of now. `None` when it has not been welcomed.
    #[must_use]
    pub fn list_for(&self, conn: ConnId) -> Option<List> {
        self.state.users.by_conn(conn)?;
        Some(self.rosters.list_for(&self.state, conn))
    }

    /// Writes everybody online but this user, as the inside of a JSON array. For a [`List::Whole`].
    pub fn write_everybody(&self, but: Token, out: &mut Vec<u8>) {
        match self.state.users.sheet() {
            Some(sheet) => sheet.write_without(but, out),
            None => debug_assert!(false, "somebody is shown everybody, and nobody is encoded"),
        }
    }

    /// How many bytes [`write_everybody`](Self::write_everybody) writes at most.
    #[must_use]
    pub fn everybody_bytes(&self) -> usize {
        self.state.users.sheet().map_or(0, sheet::Sheet::len)
    }

    /// What every client is handed in its welcome.
    #[must_use]
    pub fn ice_servers(&self) -> &[IceServer] {
        &self.config.ice_servers
    }

    /// How many users are online.
    #[must_use]
    pub fn users_online(&self) -> usize {
        self.state.users.online()
    }

    /// How many of the users that are online are in this state.
    #[must_use]
    pub fn users_in(&self, state: UserState) -> usize {
        self.state.users.in_state(state)
    }

    /// How many calls are not over.
    #[must_use]
    pub fn calls_on(&self) -> usize {
        self.state.calls.values().filter(|call| !call.step.is_over()).count()
    }

    /// How many calls are known, those included that are over but could still be claimed.
    #[must_use]
    pub fn calls_known(&self) -> usize {
        self.state.calls.len()
    }

    fn hello(&mut self, now: Duration, conn: ConnId, typed: &str, resume: Option<&Ticket>, credential: Credential) {
        match self.admit(now, typed, resume, credential) {
            Ok((token, name)) => {
                self.state.note(Fact::LoggedIn { back: resume.is_some() });
                if let Some(old) = self.state.users.get(token).and_then(|record| record.conn) {
                    self.flow().leave(now, token);
                    self.state.effects.push_back(Effect::Close { conn: old, code: RefusedCode::Replaced });
                }
                let ticket = self.state.signer.user(now, token, &name.key(), credential);
                let me = self.state.users.log_in(token, name, conn);
                let list = self.rosters.on_login(&mut self.state, conn, &me);
                self.state.effects.push_back(Effect::Welcome { to: conn, me, ticket, list });
            }
            Err(code) => self.state.effects.push_back(Effect::Close { conn, code }),
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
                Some(self.state.signer.check_user(now, ticket, &key, credential).ok_or(RefusedCode::TicketInvalid)?)
            }
            None => None,
        };
        if let Some(holder) = self.state.users.holder_of(&key) {
            self.state.users.forget_if_due(holder, now);
        }
        if self.state.users.holder_of(&key).is_some_and(|holder| Some(holder) != resumed) {
            return Err(RefusedCode::NameTaken);
        }
        let already_counted =
            resumed.and_then(|token| self.state.users.get(token)).is_some_and(|record| record.conn.is_some());
        if !already_counted {
            self.takes_users()?;
        }
        Ok((resumed.unwrap_or_else(|| Token(self.state.stamp(now))), name))
    }

    /// Calls, which change users' states and rosters.
    const fn flow(&mut self) -> Flow<'_> {
        Flow { state: &mut self.state, rosters: &mut self.rosters }
    }

    /// Sees to it that presence is told soon after a change, and not at once: more may come.
    fn gather(&mut self, now: Duration) {
        if self.presence_at.is_none() && (self.state.users.has_changes() || self.rosters.is_migrating()) {
            self.presence_at = Some(now + limits::PRESENCE_GATHER);
        }
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
