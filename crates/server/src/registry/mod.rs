//! Sans-I/O state machine of users, calls and rosters: the authority on every user's state.
//!
//! The hub calls [`Registry`] with the clients' messages, lost connections and the current time, and carries out the
//! [`Effect`]s that it returns. The registry does no I/O and reads no clock. Every change of a user's state goes through
//! [`UserState::after`](hutong_protocol::UserState::after).
//!
//! Invariants, checked after every step of the random tests:
//! - a user has a call exactly while `connecting`, `in_call` or `ending`, and is `Present` in that call only;
//! - a call that has not ended has a member that is `Present` or may still claim it;
//! - every state except `online`, `offline` and `in_call` has a deadline.

mod call_allowance;
mod call_handler;
mod call_state;
mod conn_id;
mod effect;
#[cfg(any(test, feature = "inspect"))]
pub mod inspect;
mod name_index;
mod partial_rosters;
mod presence_pace;
mod relay_budget;
mod roster;
mod roster_cache;
mod state;
#[cfg(test)]
mod tests;
mod ticket;
mod user_table;

use std::time::Duration;

use hutong_protocol::{
    ClientMessage, EndReason, ErrorCode, Name, NameKey, RefusedCode, ServerMessage, SessionTicket, Token, User,
    UserState, limits,
};

use self::{
    call_handler::CallHandler,
    roster::Rosters,
    state::{Deadline, RegistryState},
    ticket::TicketSigner,
};

pub use self::{
    call_allowance::CallOrigin,
    conn_id::ConnId,
    effect::{Effect, RegistryEvent, RosterContent},
    ticket::Credential,
};
pub(crate) use self::{effect::relay_refused, roster_cache::encode_user};

/// Settings of a registry.
#[derive(Clone)]
pub struct RegistryConfig {
    /// How many users may be online at once. Further logins are refused as `full`.
    pub max_users: usize,
    /// Up to this many users online, each client receives the whole roster. Above it, each receives the part that it
    /// subscribes to.
    pub whole_roster: usize,
    /// The key that signs tickets. After a restart, a server with the same key accepts the tickets of its clients.
    pub ticket_key: [u8; 32],
}

impl std::fmt::Debug for RegistryConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The key is secret.
        f.debug_struct("RegistryConfig").field("max_users", &self.max_users).finish_non_exhaustive()
    }
}

/// The state machine. All times are since the Unix epoch and never go back.
#[derive(Clone, Debug)]
pub struct Registry {
    config: RegistryConfig,
    state: RegistryState,
    rosters: Rosters,
    /// When the collected presence changes are sent.
    presence_due: Option<Duration>,
    login_gate: LoginGate,
}

/// Whether logins are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LoginGate {
    /// Yes, up to [`RegistryConfig::max_users`].
    Open,
    /// No: the server is about to stop.
    Closed,
}

impl Registry {
    /// An empty registry, as of `now`.
    #[must_use]
    pub fn new(config: RegistryConfig, now: Duration) -> Self {
        Self {
            state: RegistryState::new(&config.ticket_key, now),
            rosters: Rosters::new(config.whole_roster),
            config,
            presence_due: None,
            login_gate: LoginGate::Open,
        }
    }

    /// Signs tickets with `key` from now on, and accepts tickets signed with it or a `former` key.
    pub fn set_ticket_keys(&mut self, key: &[u8; 32], former: &[[u8; 32]]) {
        self.state.signer = TicketSigner::with_former(key, former);
    }

    /// Refuses every further `hello` as `shutting_down`. Users that are online stay connected.
    pub const fn close_login_gate(&mut self) {
        self.login_gate = LoginGate::Closed;
    }

    /// Checks whether a new user could log in.
    ///
    /// # Errors
    ///
    /// The code that the user would be refused with: `full` or `shutting_down`.
    pub fn check_capacity(&self) -> Result<(), RefusedCode> {
        if self.login_gate == LoginGate::Closed {
            return Err(RefusedCode::ShuttingDown);
        }
        if self.state.users.online_count() < self.config.max_users { Ok(()) } else { Err(RefusedCode::Full) }
    }

    /// Logs a user in after admission control has accepted the `hello` with this credential. Without admission control,
    /// pass the `hello` to [`handle_message`](Self::handle_message).
    pub fn handle_admitted_hello(
        &mut self,
        now: Duration,
        from: ConnId,
        name: String,
        resume: Option<SessionTicket>,
        credential: Credential,
    ) {
        if self.state.users.by_conn(from).is_some() {
            return self.handle_message(now, from, ClientMessage::Hello { name, resume, secret: None });
        }
        self.log_in(now, from, &name, resume.as_ref(), credential);
        self.schedule_presence(now);
    }

    /// The user that a session ticket belongs to, if the ticket is valid for this name and credential.
    #[must_use]
    pub fn ticket_owner(
        &self,
        now: Duration,
        ticket: &SessionTicket,
        name: &NameKey,
        credential: Credential,
    ) -> Option<Token> {
        self.state.signer.check_user(now, ticket, name, credential)
    }

    /// Handles a client's message. The first on a connection must be `hello`; the gateway enforces its deadline.
    pub fn handle_message(&mut self, now: Duration, from: ConnId, message: ClientMessage) {
        self.handle_message_from(now, from, None, message);
    }

    /// Handles a client's message as [`handle_message`](Self::handle_message) does, and limits the calls of its address.
    pub fn handle_message_from(&mut self, now: Duration, from: ConnId, origin: CallOrigin, message: ClientMessage) {
        match (self.state.users.by_conn(from), message) {
            (None, ClientMessage::Hello { name, resume, secret: _ }) => {
                self.log_in(now, from, &name, resume.as_ref(), Credential::NONE);
            }
            (None, message) => {
                let text = "the first message must be hello";
                self.state.effects.push_back(error(from, &message, ErrorCode::NotNow, text));
            }
            (Some(_), message @ ClientMessage::Hello { .. }) => {
                let text = "this connection is logged in already";
                self.state.effects.push_back(error(from, &message, ErrorCode::NotNow, text));
            }
            (Some(me), ClientMessage::LogOut) => {
                // A user who logged out cannot claim the call: end it now.
                if let Some(call) = self.state.users.get(me).and_then(|record| record.call) {
                    self.call_handler().end_call(now, call, EndReason::Gone, Some(me));
                }
                self.call_handler().disconnect_user(now, me);
                self.state.users.forget(me);
            }
            (Some(me), ClientMessage::Watch { query, names }) => {
                self.rosters.on_watch(&mut self.state, now, from, me, &query, &names);
            }
            (Some(_), ClientMessage::Ping) => {
                self.state.effects.push_back(Effect::Send { to: from, message: ServerMessage::Pong });
            }
            (Some(me), message) => {
                if let Err((code, text)) = self.call_handler().handle(now, me, origin, &message) {
                    self.state.effects.push_back(error(from, &message, code, text));
                }
            }
        }
        self.schedule_presence(now);
    }

    /// Handles a lost connection. Calls for connections that never logged in, or that [`Effect::Close`] has closed, have no
    /// effect.
    pub fn handle_disconnect(&mut self, now: Duration, conn: ConnId) {
        if let Some(token) = self.state.users.by_conn(conn) {
            self.call_handler().disconnect_user(now, token);
        }
        self.schedule_presence(now);
    }

    /// Handles the deadlines that have passed, and sends the collected presence changes when they are due.
    pub fn tick(&mut self, now: Duration) {
        while let Some(deadline) = self.state.pop_due(now) {
            match deadline {
                Deadline::Call(call) => self.call_handler().handle_timeout(now, call),
                Deadline::NameHold(token) => self.state.users.forget_if_due(token, now),
                Deadline::Subscription(conn) => self.rosters.on_watch_due(&mut self.state, now, conn),
            }
        }
        if self.presence_due.is_some_and(|at| at <= now) {
            self.presence_due = None;
            // Migration first: a migrated connection receives the following changes for its new kind of roster.
            self.rosters.migrate_batch(&mut self.state);
            self.rosters.send_presence(&mut self.state, now);
        }
        self.rosters.send_total(&mut self.state, now);
        self.schedule_presence(now);
    }

    /// When to call [`tick`](Self::tick) next; `None` if nothing is scheduled. Every other method may change it.
    #[must_use]
    pub fn next_tick(&self) -> Option<Duration> {
        let total_due = self.rosters.total_due(&self.state);
        self.state.next_deadline().into_iter().chain(self.presence_due).chain(total_due).min()
    }

    /// The next output. Call it until `None` after each of the methods above.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.state.effects.pop_front()
    }

    /// The user of this connection in its current state. `None` if the connection is not logged in.
    #[must_use]
    pub fn user_of(&self, conn: ConnId) -> Option<User> {
        let me = self.state.users.by_conn(conn)?;
        self.state.users.get(me).map(|record| record.user.clone())
    }

    /// The name of this connection's user. `None` if the connection is not logged in.
    #[must_use]
    pub fn name_of(&self, conn: ConnId) -> Option<&Name> {
        let me = self.state.users.by_conn(conn)?;
        self.state.users.get(me).map(|record| &record.user.name)
    }

    /// The roster of this connection as it is now. `None` if the connection is not logged in.
    #[must_use]
    pub fn roster_for(&self, conn: ConnId) -> Option<RosterContent> {
        self.state.users.by_conn(conn)?;
        Some(self.rosters.roster_for(&self.state, conn))
    }

    /// Writes all users online except one as the elements of a JSON array, for a [`RosterContent::Whole`].
    pub fn write_whole_roster(&self, except: Token, out: &mut Vec<u8>) {
        match self.state.users.roster_cache() {
            Some(cache) => cache.write_except(except, out),
            None => debug_assert!(false, "a whole roster was requested while the roster cache is off"),
        }
    }

    /// Upper bound of the bytes that [`write_whole_roster`](Self::write_whole_roster) writes.
    #[must_use]
    pub fn whole_roster_bytes(&self) -> usize {
        self.state.users.roster_cache().map_or(0, roster_cache::RosterCache::len)
    }

    /// Number of users online.
    #[must_use]
    pub fn users_online(&self) -> usize {
        self.state.users.online_count()
    }

    /// Number of users online in this state.
    #[must_use]
    pub fn users_in_state(&self, state: UserState) -> usize {
        self.state.users.count_in_state(state)
    }

    /// Number of calls that have not ended.
    #[must_use]
    pub fn active_calls(&self) -> usize {
        self.state.calls.values().filter(|call| !call.step.is_ended()).count()
    }

    /// Number of call records, including ended calls that may still be claimed.
    #[must_use]
    pub fn known_calls(&self) -> usize {
        self.state.calls.len()
    }

    fn log_in(
        &mut self,
        now: Duration,
        conn: ConnId,
        typed: &str,
        resume: Option<&SessionTicket>,
        credential: Credential,
    ) {
        match self.check_login(now, typed, resume, credential) {
            Ok((token, name)) => {
                self.state.emit(RegistryEvent::LoggedIn { resumed: resume.is_some() });
                if let Some(old) = self.state.users.get(token).and_then(|record| record.conn) {
                    self.call_handler().disconnect_user(now, token);
                    self.state.effects.push_back(Effect::Close { conn: old, code: RefusedCode::Replaced });
                }
                let ticket = self.state.signer.user(now, token, &name.key(), credential);
                let me = self.state.users.log_in(token, name, conn);
                let roster = self.rosters.on_login(&mut self.state, conn, &me);
                self.state.effects.push_back(Effect::Welcome { to: conn, me, ticket, roster });
            }
            Err(code) => self.state.effects.push_back(Effect::Close { conn, code }),
        }
    }

    /// Decides whether a login is accepted, and returns the user's token and name.
    fn check_login(
        &mut self,
        now: Duration,
        typed: &str,
        resume: Option<&SessionTicket>,
        credential: Credential,
    ) -> Result<(Token, Name), RefusedCode> {
        if self.login_gate == LoginGate::Closed {
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
            self.check_capacity()?;
        }
        Ok((resumed.unwrap_or_else(|| Token(self.state.unique_timestamp(now))), name))
    }

    const fn call_handler(&mut self) -> CallHandler<'_> {
        CallHandler { state: &mut self.state, rosters: &mut self.rosters }
    }

    /// Schedules presence shortly after the first change, so that further changes travel in the same message; later for users
    /// whose pace holds them back.
    fn schedule_presence(&mut self, now: Duration) {
        let shortly = self.state.users.has_new_changes() || self.rosters.is_migrating();
        let due = shortly.then(|| now + limits::PRESENCE_BATCH_DELAY);
        self.presence_due = self.presence_due.into_iter().chain(due).chain(self.state.users.held_back_until()).min();
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
