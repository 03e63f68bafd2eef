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
mod revocations;
mod roster;
mod roster_cache;
mod session;
mod session_id;
mod state;
#[cfg(test)]
mod tests;
mod ticket;
mod user_table;
mod wall_clock;

use std::time::Duration;

use hutong_protocol::{
    ClientMessage, ErrorCode, Name, NameKey, RefusedCode, ServerMessage, SessionTicket, Token, User, UserState, limits,
};

use self::{
    call_handler::CallHandler,
    revocations::Revocations,
    roster::Rosters,
    session::{SessionIds, SessionRecord},
    state::{Deadline, RegistryState},
    ticket::{LIFETIME, TicketSigner, TicketTimes},
};

pub use self::{
    call_allowance::CallOrigin,
    conn_id::ConnId,
    effect::{Effect, RegistryEvent, RosterContent},
    revocations::{NameTag, Revocation, RevokedSessions},
    session_id::SessionId,
    ticket::{Credential, GenuineTicket},
};
pub(crate) use self::{effect::relay_refused, roster_cache::encode_user};
use crate::clock_step::{CERTAINLY_PAST, ClockStep};

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
    /// Random, and different for each start: the IDs of sessions are derived from it.
    pub session_seed: [u8; 32],
}

impl std::fmt::Debug for RegistryConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Key and seed are secret.
        f.debug_struct("RegistryConfig").field("max_users", &self.max_users).finish_non_exhaustive()
    }
}

/// The state machine. All times are since the Unix epoch by a clock that never goes back, and has no steps:
/// [`clock_stepped`](Registry::clock_stepped) passes on those of the system's clock.
#[derive(Clone, Debug)]
pub struct Registry {
    config: RegistryConfig,
    state: RegistryState,
    rosters: Rosters,
    /// When the collected presence changes are sent.
    presence_due: Option<Duration>,
    login_gate: LoginGate,
    session_ids: SessionIds,
    revocations: Revocations,
}

/// A login that admission control has accepted.
#[derive(Clone, Debug)]
pub struct AdmittedLogin {
    /// The name as typed.
    pub name: String,
    /// The ticket of the session to resume.
    pub resume: Option<SessionTicket>,
    /// The credential that the session's tickets are bound to.
    pub credential: Credential,
    /// What the login may do where another session holds the name.
    pub right: NameRight,
}

/// The right of a login without a ticket to a name that another session holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameRight {
    /// None: the login is refused as `name_taken`. The user may be anybody, or anybody with the access key.
    FirstCome,
    /// The user has proved to own the name by its password: the other session ends as `replaced`. While it is in a call, the
    /// login is refused as `in_call_elsewhere`.
    Owner,
    /// As [`Owner`](Self::Owner), and a call of the other session ends too: the person has agreed to that.
    OwnerEndingCall,
}

/// Error: a session cannot be resumed with a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResumeRefusal {
    /// The code that the client is refused with.
    pub code: RefusedCode,
    /// The ticket's content if its signature is valid for the name: the device was logged in under this name before.
    pub genuine: Option<GenuineTicket>,
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
            session_ids: SessionIds::new(&config.session_seed),
            revocations: Revocations::default(),
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

    /// Adds revocations of an earlier process.
    pub fn restore_revocations(&mut self, now: Duration, revocations: impl IntoIterator<Item = Revocation>) {
        // Further ahead only if the clock was wrong: it must not revoke the sessions of the coming year. If it is wrong now,
        // what was revoked stays revoked, and new sessions are later.
        let latest = if now < CERTAINLY_PAST { Duration::MAX } else { now + LIFETIME };
        let latest_token = u64::try_from(latest.as_micros()).unwrap_or(u64::MAX - 1);
        for mut revocation in revocations {
            if let RevokedSessions::OfName { until, .. } | RevokedSessions::All { until } = &mut revocation.revoked {
                until.0 = until.0.min(latest_token);
                revocation.expires = revocation.expires.min(latest);
                // New sessions are later, also if the clock was set back.
                self.state.skip_timestamps(until.0);
            }
            self.revocations.insert(now, revocation);
        }
        self.revocations.remove_expired(now);
    }

    /// Follows a step of the system's clock. Deadlines are not moved, users stay logged in, and
    /// [`renew_ticket`](Self::renew_ticket) gives them tickets with the right time.
    pub fn clock_stepped(&mut self, now: Duration, step: ClockStep) {
        let before = self.state.clock.at(now);
        self.state.clock.step(now, step);
        // Tickets that were issued by the right clock before this process are valid for longer than by the wrong one.
        if let ClockStep::Forward(by) = step {
            self.revocations.remove_expired(before);
            self.revocations.extend(by, self.state.clock.at(now) + LIFETIME);
        }
    }

    /// Sends a new ticket to this connection's user, if its ticket has the time of a clock that was wrong.
    pub fn renew_ticket(&mut self, now: Duration, conn: ConnId) {
        let Some(me) = self.state.users.by_conn(conn) else { return };
        let issued = self.state.clock.at(now);
        let Some(record) = self.state.users.get_mut(me) else { return };
        let corrected = self.state.clock.corrected_ticket(record.session.times);
        if corrected == record.session.times {
            return;
        }
        record.session.times = TicketTimes { issued, ..corrected };
        let SessionRecord { id, credential, times } = record.session;
        let ticket = self.state.signer.user(times, me, id, &record.key, credential);
        self.state.effects.push_back(Effect::Send { to: conn, message: ServerMessage::Ticket { ticket } });
    }

    /// The revocations in the table, in no particular order.
    pub fn revocations(&self) -> impl Iterator<Item = Revocation> + '_ {
        self.revocations.iter()
    }

    /// Removes the revocations whose tickets have all expired.
    pub fn remove_expired_revocations(&mut self, now: Duration) {
        self.revocations.remove_expired(self.state.clock.at(now));
    }

    /// Number of revocations in the table.
    #[must_use]
    pub const fn revocation_count(&self) -> usize {
        self.revocations.len()
    }

    /// Revokes the tickets of all sessions that have begun so far, of this name or, for `None`, of all names: their password or
    /// access key has changed. Does not end the sessions of users who are online: see [`end_session`](Self::end_session).
    pub fn revoke_earlier(&mut self, now: Duration, name: Option<&NameKey>) {
        // Every later session has a later token.
        let until = Token(self.state.unique_timestamp(now));
        let revoked = match name {
            Some(name) => RevokedSessions::OfName { name: NameTag::of(name), until },
            None => RevokedSessions::All { until },
        };
        self.revoke(now, Revocation { revoked, expires: self.state.clock.at(now) + LIFETIME });
    }

    /// All users with a session, in no particular order: those online, and offline users whose name is held.
    pub fn users_with_session(&self) -> impl Iterator<Item = Token> + '_ {
        self.state.users.records().map(|record| record.user.token)
    }

    /// The name of a user, and the credential that its session was admitted with. `None` for an unknown user.
    #[must_use]
    pub fn session_of(&self, user: Token) -> Option<(&NameKey, Credential)> {
        self.state.users.get(user).map(|record| (&record.key, record.session.credential))
    }

    /// Ends a user's session for good: ends its call, closes its connection with this code, frees its name, and revokes its
    /// tickets. Does nothing for an unknown user.
    pub fn end_session(&mut self, now: Duration, user: Token, code: RefusedCode) {
        let conn = self.state.users.get(user).and_then(|record| record.conn);
        self.log_out(now, user);
        self.state.effects.extend(conn.map(|conn| Effect::Close { conn, code }));
        self.schedule_presence(now);
    }

    /// Logs a user in after admission control has accepted the `hello`. Without admission control, pass the `hello` to
    /// [`handle_message`](Self::handle_message).
    pub fn handle_admitted_hello(&mut self, now: Duration, from: ConnId, login: AdmittedLogin) {
        if self.state.users.by_conn(from).is_some() {
            let AdmittedLogin { name, resume, .. } = login;
            return self.handle_message(now, from, ClientMessage::Hello { name, resume, secret: None, replace: false });
        }
        self.log_in(now, from, &login);
        self.schedule_presence(now);
    }

    /// Checks whether a session can be resumed with this ticket.
    ///
    /// # Errors
    ///
    /// [`ResumeRefusal`] with `name_taken` while another session holds the name; else with `ticket_invalid` if the ticket is
    /// forged, expired, revoked, or of another name or credential.
    pub fn check_resume(
        &self,
        now: Duration,
        ticket: &SessionTicket,
        name: &NameKey,
        credential: Option<Credential>,
    ) -> Result<GenuineTicket, ResumeRefusal> {
        let Some(ticket) = self.state.signer.read_user(ticket, name, credential) else {
            return Err(ResumeRefusal { code: RefusedCode::TicketInvalid, genuine: None });
        };
        let refusal = |code| Err(ResumeRefusal { code, genuine: Some(ticket) });
        // Before the other checks: a client answers an invalid ticket by a login with the secret that it remembers, which would
        // end the other session without anybody having asked for that.
        if self.holder_at(now, name).is_some_and(|holder| holder != ticket.session) {
            return refusal(RefusedCode::NameTaken);
        }
        let known = self.state.users.get(ticket.user).map(|record| record.session.id);
        let is_of_another = known.is_some_and(|session| session != ticket.session);
        // Of a session that this process does not know, an earlier one may have issued the ticket, with the same wrong time.
        let times = if known.is_some() { self.state.clock.corrected_ticket(ticket.times) } else { ticket.times };
        let is_valid = ticket.has_credential
            && !times.have_expired(self.state.clock.at(now))
            && !is_of_another
            && !self.revocations.contains(name, ticket.session, ticket.user);
        if is_valid { Ok(ticket) } else { refusal(RefusedCode::TicketInvalid) }
    }

    /// Handles a client's message. The first on a connection must be `hello`; the gateway enforces its deadline.
    pub fn handle_message(&mut self, now: Duration, from: ConnId, message: ClientMessage) {
        self.handle_message_from(now, from, None, message);
    }

    /// Handles a client's message as [`handle_message`](Self::handle_message) does, and limits the calls of its address.
    pub fn handle_message_from(&mut self, now: Duration, from: ConnId, origin: CallOrigin, message: ClientMessage) {
        match (self.state.users.by_conn(from), message) {
            (None, ClientMessage::Hello { name, resume, secret: _, replace: _ }) => {
                let (credential, right) = (Credential::NONE, NameRight::FirstCome);
                self.log_in(now, from, &AdmittedLogin { name, resume, credential, right });
            }
            (None, message) => {
                let text = "the first message must be hello";
                self.state.effects.push_back(error(from, &message, ErrorCode::NotNow, text));
            }
            (Some(_), message @ ClientMessage::Hello { .. }) => {
                let text = "this connection is logged in already";
                self.state.effects.push_back(error(from, &message, ErrorCode::NotNow, text));
            }
            (Some(me), ClientMessage::LogOut) => self.log_out(now, me),
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

    fn log_in(&mut self, now: Duration, conn: ConnId, login: &AdmittedLogin) {
        match self.check_login(now, login) {
            Ok((token, name, session)) => {
                self.state.emit(RegistryEvent::LoggedIn { resumed: login.resume.is_some() });
                if let Some(old) = self.state.users.get(token).and_then(|record| record.conn) {
                    self.call_handler().disconnect_user(now, token);
                    self.state.effects.push_back(Effect::Close { conn: old, code: RefusedCode::Replaced });
                }
                let key = name.key();
                if let Some(holder) = self.state.users.holder_of(&key).filter(|holder| *holder != token) {
                    self.end_session(now, holder, RefusedCode::Replaced);
                }
                let ticket = self.state.signer.user(session.times, token, session.id, &key, session.credential);
                let me = self.state.users.log_in(token, name, session, conn);
                let roster = self.rosters.on_login(&mut self.state, conn, &me);
                self.state.effects.push_back(Effect::Welcome { to: conn, me, ticket, roster });
            }
            Err(code) => self.state.effects.push_back(Effect::Close { conn, code }),
        }
    }

    /// Decides whether a login is accepted, and returns the user's token, name and session. The caller ends another session that
    /// holds the name.
    fn check_login(
        &mut self,
        now: Duration,
        login: &AdmittedLogin,
    ) -> Result<(Token, Name, SessionRecord), RefusedCode> {
        if self.login_gate == LoginGate::Closed {
            return Err(RefusedCode::ShuttingDown);
        }
        let name = Name::new(&login.name).map_err(|_| RefusedCode::NameInvalid)?;
        let key = name.key();
        let resumed = match &login.resume {
            Some(ticket) => {
                Some(self.check_resume(now, ticket, &key, Some(login.credential)).map_err(|refusal| refusal.code)?)
            }
            None => None,
        };
        if let Some(holder) = self.state.users.holder_of(&key) {
            self.state.users.forget_if_due(holder, now);
        }
        let holder = self.state.users.holder_of(&key);
        if let (None, Some(holder)) = (resumed, holder) {
            match login.right {
                NameRight::FirstCome => return Err(RefusedCode::NameTaken),
                NameRight::Owner if self.is_in_call(holder) => return Err(RefusedCode::InCallElsewhere),
                NameRight::Owner | NameRight::OwnerEndingCall => {}
            }
        }
        let leaves = resumed.map(|ticket| ticket.user).or(holder);
        let already_counted =
            leaves.and_then(|token| self.state.users.get(token)).is_some_and(|record| record.conn.is_some());
        if !already_counted {
            self.check_capacity()?;
        }
        let id = resumed.map_or_else(|| self.session_ids.next_id(), |ticket| ticket.session);
        let token = resumed.map_or_else(|| Token(self.state.unique_timestamp(now)), |ticket| ticket.user);
        let issued = self.state.clock.at(now);
        let first_login = match resumed {
            Some(ticket) if self.state.users.get(token).is_some() => {
                self.state.clock.corrected(ticket.times.first_login)
            }
            Some(ticket) => ticket.times.first_login,
            None => issued,
        };
        // Every later session has a later token, also while this clock is behind an earlier one.
        self.state.skip_timestamps(token.0);
        let times = TicketTimes { first_login, issued };
        Ok((token, name, SessionRecord { id, credential: login.credential, times }))
    }

    /// Whether the user is connected, and has a call that rings or is established.
    fn is_in_call(&self, user: Token) -> bool {
        let record = self.state.users.get(user);
        record.is_some_and(|record| {
            record.conn.is_some() && matches!(record.user.state, UserState::Connecting | UserState::InCall)
        })
    }

    /// The session that holds a name, unless the time for which the name is held has passed.
    fn holder_at(&self, now: Duration, name: &NameKey) -> Option<SessionId> {
        let record = self.state.users.get(self.state.users.holder_of(name)?)?;
        record.held_until.is_none_or(|until| until > now).then_some(record.session.id)
    }

    /// Takes a user offline for good: nobody can claim its call or resume its session.
    fn log_out(&mut self, now: Duration, me: Token) {
        self.call_handler().end_calls_of(now, me);
        let Some(record) = self.state.users.get(me) else { return };
        let (key, session, is_online) = (record.key.clone(), record.session, record.conn.is_some());
        if is_online {
            self.call_handler().disconnect_user(now, me);
        }
        self.state.users.forget(me);
        self.state.effects.push_back(Effect::SessionEnded(me));
        // With a changed secret, all earlier sessions of the name are revoked already.
        if !self.revocations.contains(&key, session.id, me) {
            let revoked = RevokedSessions::One { name: NameTag::of(&key), session: session.id, user: me };
            // From the first login, if the clock was set back since: then the tickets are from the future.
            let expires =
                Duration::from_micros(me.0).max(session.times.issued).max(self.state.clock.at(now)) + LIFETIME;
            self.revoke(now, Revocation { revoked, expires });
        }
    }

    fn revoke(&mut self, now: Duration, revocation: Revocation) {
        let changed = self.revocations.insert(self.state.clock.at(now), revocation);
        self.state.effects.extend(changed.into_iter().map(Effect::Revoked));
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
