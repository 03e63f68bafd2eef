//! Session flow: login, refusals, and reconnecting with backoff.

use std::time::Duration;

use hutong_protocol::{CallId, ClientMessage, Name, RefusedCode, Secret, SessionTicket, User, UserState, limits};

use crate::{
    backoff::{AttemptCause, Backoff},
    heartbeat::{CHECK_TIMEOUT, Heartbeat, HeartbeatAction},
    io::{Output, SavedSession},
    outputs::Outputs,
    view::{RetryReason, SessionView},
};

/// Timeout for the server's answer to `hello`. Hashing a password on a busy server takes seconds.
const WELCOME_TIMEOUT: Duration = Duration::from_secs(10);

/// An attempt older than this starts again when the network changes: its packets were sent over the old network, and TCP
/// repeats them at growing intervals.
const STALE_ATTEMPT_AGE: Duration = Duration::from_secs(1);

/// State machine of the session: its state, the credentials for the next `hello`, and the backoff.
#[derive(Clone, Debug, Hash)]
pub struct SessionFlow {
    state: SessionState,
    credentials: Credentials,
    backoff: Backoff,
    has_heartbeat: bool,
}

/// State of the session, with that of its WebSocket.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum SessionState {
    LoggedOut,
    /// The server refused the login; the person can correct the input.
    Refused {
        code: RefusedCode,
    },
    /// The server refused the access key of the invitation.
    InvitationOutdated,
    /// The same user logged in on another client, with a ticket of the session or with the name's password.
    Replaced {
        name: Name,
    },
    LoggingIn {
        attempt: ConnectionAttempt,
        retry_reason: Option<RetryReason>,
    },
    /// The server has answered `hello` with `welcome`.
    LoggedIn {
        me: User,
        heartbeat: Heartbeat,
    },
    /// Was logged in; the WebSocket is being reopened.
    Reconnecting {
        me: User,
        attempt: ConnectionAttempt,
    },
}

/// Progress of opening a WebSocket and logging in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum ConnectionAttempt {
    /// The WebSocket is being opened.
    Opening { started: Duration, until: Duration },
    /// The WebSocket is open, and `hello` is sent.
    AwaitingWelcome { until: Duration },
    /// The WebSocket closed or could not be opened; the next attempt starts at `until`.
    BackingOff { until: Duration },
}

/// Content of `hello`.
#[derive(Clone, Debug, Default, Hash)]
struct Credentials {
    /// As typed.
    name: String,
    ticket: Option<SessionTicket>,
    /// An earlier ticket of this name, which the server may refuse. Beside a secret, it shows the server that this device was
    /// logged in before, and that the secret is no stranger's guess.
    device_ticket: Option<SessionTicket>,
    /// As typed. Kept in case the server rejects the ticket. Never saved.
    secret: Option<Secret>,
    /// The access key of the invitation by which the person came, for logins without a typed secret. Never saved.
    invitation_key: Option<Secret>,
    /// Whether the login ends a call of this user on another device. The person has agreed to that for one login.
    replace: bool,
}

impl Credentials {
    const fn secret(&self) -> Option<&Secret> {
        match &self.secret {
            Some(secret) => Some(secret),
            None => self.invitation_key.as_ref(),
        }
    }
}

/// What the closed WebSocket was used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClosedSocket {
    /// An attempt to log in or to reconnect.
    Attempt,
    /// A logged-in session.
    Session,
}

/// Effect of a refusal on the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// None: it belongs to a WebSocket that is closed already.
    Stale,
    /// The client retries later.
    Retry,
    /// The ticket was rejected; a login without it has started.
    TicketDropped,
    /// The same user resumed the session on another client: it has ended on this one.
    Replaced,
    /// The session has ended. If the client knows an invitation's access key and the secret has changed, a login with it has
    /// started; else the person has to log in.
    Final,
}

impl SessionFlow {
    pub fn new(seed: u64, has_heartbeat: bool) -> Self {
        Self {
            state: SessionState::LoggedOut,
            credentials: Credentials::default(),
            backoff: Backoff::new(seed),
            has_heartbeat,
        }
    }

    /// The session as the interface shows it.
    pub fn view(&self) -> SessionView {
        match &self.state {
            SessionState::LoggedOut => SessionView::LoggedOut,
            SessionState::Refused { code } => SessionView::Refused { name: self.credentials.name.clone(), code: *code },
            SessionState::InvitationOutdated => SessionView::InvitationOutdated { name: self.credentials.name.clone() },
            SessionState::Replaced { name } => SessionView::Replaced { name: name.clone() },
            SessionState::LoggingIn { retry_reason, .. } => {
                SessionView::LoggingIn { name: self.credentials.name.clone(), retry_reason: *retry_reason }
            }
            SessionState::LoggedIn { me, .. } => SessionView::LoggedIn { me: me.clone() },
            SessionState::Reconnecting { me, .. } => SessionView::Reconnecting { me: me.clone() },
        }
    }

    pub const fn is_logged_in(&self) -> bool {
        matches!(self.state, SessionState::LoggedIn { .. })
    }

    /// This user, while logged in.
    pub const fn me_logged_in(&self) -> Option<&User> {
        if let SessionState::LoggedIn { me, .. } = &self.state { Some(me) } else { None }
    }

    /// When [`on_deadline`](Self::on_deadline) has to be called.
    pub const fn deadline(&self) -> Option<Duration> {
        match (&self.state, self.attempt()) {
            (SessionState::LoggedIn { heartbeat, .. }, _) => heartbeat.deadline(),
            (
                _,
                Some(
                    ConnectionAttempt::Opening { until, .. }
                    | ConnectionAttempt::AwaitingWelcome { until }
                    | ConnectionAttempt::BackingOff { until },
                ),
            ) => Some(until),
            (_, None) => None,
        }
    }

    /// State for a reloaded page; `None` if it should not log in.
    pub fn saved(&self, call: Option<CallId>) -> Option<SavedSession> {
        match &self.state {
            SessionState::LoggedOut
            | SessionState::Refused { .. }
            | SessionState::InvitationOutdated
            | SessionState::Replaced { .. } => None,
            SessionState::LoggingIn { .. } | SessionState::LoggedIn { .. } | SessionState::Reconnecting { .. } => {
                let Credentials { name, ticket, .. } = &self.credentials;
                Some(SavedSession { name: name.clone(), ticket: ticket.clone()?, call })
            }
        }
    }

    /// Logs in. Does nothing and returns `false` while logged in or logging in.
    pub fn log_in(&mut self, now: Duration, name: String, secret: Option<Secret>, outputs: &mut Outputs) -> bool {
        // The same name resumes the session, and with it the token.
        let same_name = match &self.state {
            SessionState::LoggedOut | SessionState::Refused { .. } | SessionState::InvitationOutdated => false,
            SessionState::LoggingIn { attempt: ConnectionAttempt::BackingOff { .. }, .. } => {
                self.credentials.name == name
            }
            SessionState::Replaced { name: old } => old.as_str() == name,
            SessionState::LoggingIn { .. } | SessionState::LoggedIn { .. } | SessionState::Reconnecting { .. } => {
                return false;
            }
        };
        let mut ticket = if same_name { self.credentials.ticket.take() } else { None };
        if self.credentials.name != name {
            self.credentials.device_ticket = None;
        }
        // Resuming with a ticket needs no new secret; another name must not use the previous secret.
        if secret.is_some() || ticket.is_none() {
            self.credentials.secret = secret;
        }
        // Who replaced this client by the name's password is replaced only by the password again.
        if matches!(self.state, SessionState::Replaced { .. }) && self.credentials.secret.is_some() && ticket.is_some()
        {
            self.credentials.device_ticket = ticket.take();
        }
        self.start_login(now, name, ticket, outputs);
        true
    }

    /// Logs in again with the same secret, and ends the call that this user is in on another device. Does nothing and returns
    /// `false` unless the login was refused for that call.
    pub fn log_in_ending_call(&mut self, now: Duration, outputs: &mut Outputs) -> bool {
        if self.state != (SessionState::Refused { code: RefusedCode::InCallElsewhere }) {
            return false;
        }
        self.start_login(now, self.credentials.name.clone(), None, outputs);
        self.credentials.replace = true;
        true
    }

    /// Sets the access key of the invitation by which the person came. `None` for an invitation without one.
    pub fn set_invitation_key(&mut self, key: Option<Secret>) {
        self.credentials.invitation_key = key;
    }

    /// Logs in with the state that the page saved before its reload.
    pub fn resume(&mut self, now: Duration, name: String, ticket: SessionTicket, outputs: &mut Outputs) {
        self.start_login(now, name, Some(ticket), outputs);
    }

    fn start_login(&mut self, now: Duration, name: String, ticket: Option<SessionTicket>, outputs: &mut Outputs) {
        self.credentials.name = name;
        self.credentials.ticket = ticket;
        self.credentials.replace = false;
        self.backoff.reset();
        self.state = SessionState::LoggingIn { attempt: self.open_socket(now, outputs), retry_reason: None };
    }

    /// Logs out.
    pub fn log_out(&mut self, outputs: &mut Outputs) {
        if self.is_logged_in() {
            outputs.send(ClientMessage::LogOut);
        }
        self.close(SessionState::LoggedOut, outputs);
        self.credentials.ticket = None;
        self.credentials.device_ticket = None;
        self.credentials.secret = None;
    }

    /// Sends `hello` over the WebSocket that has opened.
    pub fn socket_opened(&mut self, now: Duration, outputs: &mut Outputs) {
        let Some(attempt @ ConnectionAttempt::Opening { .. }) = self.attempt_mut() else { return };
        *attempt = ConnectionAttempt::AwaitingWelcome { until: now + WELCOME_TIMEOUT };
        let Credentials { name, ticket, device_ticket, replace, .. } = &self.credentials;
        let (resume, secret) = match (ticket, self.credentials.secret()) {
            // A valid ticket suffices, and a secret that is not sent cannot leak.
            (Some(_), _) => (ticket, None),
            (None, Some(secret)) => (device_ticket, Some(secret.clone())),
            (None, None) => (&None, None),
        };
        outputs.send(ClientMessage::Hello { name: name.clone(), resume: resume.clone(), secret, replace: *replace });
    }

    /// Schedules the next attempt after the WebSocket closed. `online`: number of users of the server. Returns `None`
    /// if there was no WebSocket.
    pub fn connection_lost(&mut self, now: Duration, online: usize, reason: RetryReason) -> Option<ClosedSocket> {
        if !self.is_open() {
            return None;
        }
        let cause = match (reason, self.attempt()) {
            (RetryReason::Refused(_), _) => AttemptCause::Refused,
            (_, Some(ConnectionAttempt::Opening { started, .. })) => AttemptCause::Unreachable { started },
            // It may be busy with passwords.
            (_, Some(ConnectionAttempt::AwaitingWelcome { .. })) => AttemptCause::Refused,
            (_, Some(ConnectionAttempt::BackingOff { .. }) | None) => AttemptCause::SessionLost,
        };
        let backing_off = ConnectionAttempt::BackingOff { until: self.backoff.next_attempt(now, cause, online) };
        match &mut self.state {
            SessionState::LoggedIn { me, .. } => {
                self.state = SessionState::Reconnecting { me: me.clone(), attempt: backing_off };
                return Some(ClosedSocket::Session);
            }
            SessionState::LoggingIn { attempt, retry_reason } => {
                (*attempt, *retry_reason) = (backing_off, Some(reason));
            }
            SessionState::Reconnecting { attempt, .. } => *attempt = backing_off,
            SessionState::LoggedOut
            | SessionState::Refused { .. }
            | SessionState::InvitationOutdated
            | SessionState::Replaced { .. } => {}
        }
        Some(ClosedSocket::Attempt)
    }

    /// Handles `welcome`. Returns whether it was expected.
    pub fn welcome(&mut self, now: Duration, me: User, ticket: SessionTicket) -> bool {
        let Some(ConnectionAttempt::AwaitingWelcome { .. }) = self.attempt() else { return false };
        self.state = SessionState::LoggedIn { me, heartbeat: Heartbeat::new(self.has_heartbeat, now) };
        self.backoff.reset();
        self.credentials.ticket = Some(ticket);
        self.credentials.device_ticket = None;
        self.credentials.replace = false;
        true
    }

    /// Handles a new ticket of the session, which the server's clock made necessary.
    pub fn renew_ticket(&mut self, ticket: SessionTicket) {
        if self.is_logged_in() {
            self.credentials.ticket = Some(ticket);
        }
    }

    /// Handles `refused`.
    pub fn refused(&mut self, now: Duration, code: RefusedCode, outputs: &mut Outputs) -> Refusal {
        if !self.is_open() {
            return Refusal::Stale;
        }
        if code.is_retryable() {
            outputs.push(Output::Disconnect);
            return Refusal::Retry;
        }
        if code == RefusedCode::TicketInvalid && self.drop_ticket() {
            outputs.push(Output::Disconnect);
            self.start_attempt(now, outputs);
            return Refusal::TicketDropped;
        }
        match (code, &self.state) {
            (RefusedCode::Replaced, SessionState::LoggedIn { me, .. } | SessionState::Reconnecting { me, .. }) => {
                let name = me.name.clone();
                self.close(SessionState::Replaced { name }, outputs);
                Refusal::Replaced
            }
            _ => {
                let uses_invitation_key =
                    self.credentials.secret.is_none() && self.credentials.invitation_key.is_some();
                let ended = match code {
                    RefusedCode::SecretWrong if uses_invitation_key => {
                        self.credentials.invitation_key = None;
                        SessionState::InvitationOutdated
                    }
                    _ => SessionState::Refused { code },
                };
                self.close(ended, outputs);
                if let Some(ticket) = self.credentials.ticket.take() {
                    self.credentials.device_ticket = Some(ticket);
                }
                // The same one is sent again if the person agrees that the call on the other device ends.
                if code != RefusedCode::InCallElsewhere {
                    self.credentials.secret = None;
                }
                // The server has an access key now, or another: perhaps that of the invitation.
                if code == RefusedCode::SecretChanged && uses_invitation_key {
                    self.start_login(now, self.credentials.name.clone(), None, outputs);
                }
                Refusal::Final
            }
        }
    }

    /// Handles a refused ticket. Returns whether to log in without it.
    fn drop_ticket(&mut self) -> bool {
        let has_secret = self.credentials.secret().is_some();
        let Credentials { ticket, device_ticket, .. } = &mut self.credentials;
        match ticket.take() {
            // It has expired or is revoked, or the server has a new ticket key: log in as a new user.
            Some(ticket) => {
                *device_ticket = Some(ticket);
                true
            }
            // Then not beside the secret either: the server has a new ticket key, or is an older one that checks no secret
            // beside a ticket.
            None => device_ticket.take().is_some() && has_secret,
        }
    }

    /// Updates this user's state after a presence message.
    pub const fn set_own_state(&mut self, state: UserState) {
        if let SessionState::LoggedIn { me, .. } = &mut self.state {
            me.state = state;
        }
    }

    /// Restarts the heartbeat's timer: the server sent a message.
    pub fn received(&mut self, now: Duration) {
        if let SessionState::LoggedIn { heartbeat, .. } = &mut self.state {
            heartbeat.received(now);
        }
    }

    /// Checks an open WebSocket at once: it is lost without an answer within `timeout`.
    pub fn check_socket(&mut self, now: Duration, timeout: Duration, outputs: &mut Outputs) {
        if let SessionState::LoggedIn { heartbeat, .. } = &mut self.state
            && heartbeat.check(now, timeout)
        {
            outputs.send(ClientMessage::Ping);
        }
    }

    /// Checks the WebSocket at once, or reconnects at once: the backoff protects a server, but this client's own network was
    /// the cause.
    pub fn check_connection(&mut self, now: Duration, outputs: &mut Outputs) {
        self.check_socket(now, CHECK_TIMEOUT, outputs);
        match self.attempt() {
            Some(ConnectionAttempt::BackingOff { .. }) => self.start_attempt(now, outputs),
            Some(ConnectionAttempt::Opening { started, .. }) if now >= started + STALE_ATTEMPT_AGE => {
                outputs.push(Output::Disconnect);
                self.start_attempt(now, outputs);
            }
            _ => {}
        }
    }

    /// Handles a passed deadline. Returns whether the WebSocket now counts as closed: an attempt timed out, or the heartbeat
    /// has no answer.
    pub fn on_deadline(&mut self, now: Duration, outputs: &mut Outputs) -> bool {
        if let SessionState::LoggedIn { heartbeat, .. } = &mut self.state {
            match heartbeat.on_deadline(now) {
                Some(HeartbeatAction::SendPing) => outputs.send(ClientMessage::Ping),
                Some(HeartbeatAction::ConnectionLost) => {
                    outputs.push(Output::Disconnect);
                    return true;
                }
                None => {}
            }
        }
        match self.attempt() {
            Some(ConnectionAttempt::BackingOff { until }) if until <= now => self.start_attempt(now, outputs),
            Some(ConnectionAttempt::Opening { until, .. } | ConnectionAttempt::AwaitingWelcome { until })
                if until <= now =>
            {
                outputs.push(Output::Disconnect);
                return true;
            }
            _ => {}
        }
        false
    }

    /// Starts the next attempt.
    fn start_attempt(&mut self, now: Duration, outputs: &mut Outputs) {
        let attempt = self.open_socket(now, outputs);
        match &mut self.state {
            SessionState::LoggingIn { attempt: last, .. } | SessionState::Reconnecting { attempt: last, .. } => {
                *last = attempt;
            }
            SessionState::LoggedIn { me, .. } => {
                self.state = SessionState::Reconnecting { me: me.clone(), attempt };
            }
            SessionState::LoggedOut
            | SessionState::Refused { .. }
            | SessionState::InvitationOutdated
            | SessionState::Replaced { .. } => {}
        }
    }

    fn open_socket(&self, now: Duration, outputs: &mut Outputs) -> ConnectionAttempt {
        outputs.push(Output::Connect);
        ConnectionAttempt::Opening { started: now, until: now + self.backoff.open_timeout() }
    }

    /// Closes the WebSocket without reconnecting.
    fn close(&mut self, state: SessionState, outputs: &mut Outputs) {
        if self.is_open() {
            outputs.push(Output::Disconnect);
        }
        self.state = state;
    }

    /// Whether the WebSocket is open or being opened.
    const fn is_open(&self) -> bool {
        self.is_logged_in()
            || matches!(
                self.attempt(),
                Some(ConnectionAttempt::Opening { .. } | ConnectionAttempt::AwaitingWelcome { .. })
            )
    }

    const fn attempt(&self) -> Option<ConnectionAttempt> {
        match &self.state {
            SessionState::LoggingIn { attempt, .. } | SessionState::Reconnecting { attempt, .. } => Some(*attempt),
            SessionState::LoggedOut
            | SessionState::Refused { .. }
            | SessionState::InvitationOutdated
            | SessionState::Replaced { .. }
            | SessionState::LoggedIn { .. } => None,
        }
    }

    const fn attempt_mut(&mut self) -> Option<&mut ConnectionAttempt> {
        match &mut self.state {
            SessionState::LoggingIn { attempt, .. } | SessionState::Reconnecting { attempt, .. } => Some(attempt),
            SessionState::LoggedOut
            | SessionState::Refused { .. }
            | SessionState::InvitationOutdated
            | SessionState::Replaced { .. }
            | SessionState::LoggedIn { .. } => None,
        }
    }
}

// A client that claims its call relies on the server reserving its name for as long.
const _: () = assert!(limits::NAME_RESERVATION.as_secs() == limits::CLAIM_WINDOW.as_secs());
