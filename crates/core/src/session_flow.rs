//! Session flow: login, refusals, and reconnecting with backoff.

use std::{
    hash::{Hash, Hasher},
    time::Duration,
};

use hutong_protocol::{CallId, ClientMessage, Name, RefusedCode, Secret, SessionTicket, User, UserState, limits};

use crate::{
    io::{Output, SavedSession},
    outputs::Outputs,
    view::{RetryReason, SessionView},
};

/// Timeout for opening a WebSocket, and then for the server's answer to `hello`.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

/// Upper bound of the first, random delay before reconnecting to a small server.
const BASE_DELAY: Duration = Duration::from_secs(1);

/// Target rate of reconnects after all users of a large server lost it at once: the first delay grows with the number
/// of users. A server can welcome several times as many.
const RECONNECTS_PER_SECOND: u32 = 1_000;

/// Upper bound of the delay before reconnecting. A call has to be claimed within 30 s, and one attempt may fail.
const MAX_DELAY: Duration = Duration::from_secs(15);

/// State machine of the session: its state, the credentials for the next `hello`, and the backoff.
#[derive(Clone, Debug, Hash)]
pub struct SessionFlow {
    state: SessionState,
    credentials: Credentials,
    backoff: Backoff,
}

/// State of the session, with that of its WebSocket.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum SessionState {
    LoggedOut,
    /// The server refused the login; the person can correct the input.
    Refused {
        code: RefusedCode,
    },
    /// The same user resumed the session on another client.
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
    Opening { until: Duration },
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
    /// Kept in case the server rejects the ticket. Never saved.
    secret: Option<Secret>,
}

/// Exponential backoff with full jitter.
#[derive(Clone, Debug)]
struct Backoff {
    failures: u32,
    random: fastrand::Rng,
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
    /// The session has ended until the person logs in again.
    Final,
}

impl SessionFlow {
    pub fn new(seed: u64) -> Self {
        Self { state: SessionState::LoggedOut, credentials: Credentials::default(), backoff: Backoff::new(seed) }
    }

    /// The session as the interface shows it.
    pub fn view(&self) -> SessionView {
        match &self.state {
            SessionState::LoggedOut => SessionView::LoggedOut,
            SessionState::Refused { code } => SessionView::Refused { name: self.credentials.name.clone(), code: *code },
            SessionState::Replaced { name } => SessionView::Replaced { name: name.clone() },
            SessionState::LoggingIn { retry_reason, .. } => {
                SessionView::LoggingIn { name: self.credentials.name.clone(), retry_reason: *retry_reason }
            }
            SessionState::LoggedIn { me } => SessionView::LoggedIn { me: me.clone() },
            SessionState::Reconnecting { me, .. } => SessionView::Reconnecting { me: me.clone() },
        }
    }

    pub const fn is_logged_in(&self) -> bool {
        matches!(self.state, SessionState::LoggedIn { .. })
    }

    /// This user, while logged in.
    pub const fn me_logged_in(&self) -> Option<&User> {
        if let SessionState::LoggedIn { me } = &self.state { Some(me) } else { None }
    }

    /// When [`on_deadline`](Self::on_deadline) has to be called.
    pub const fn deadline(&self) -> Option<Duration> {
        match self.attempt() {
            Some(
                ConnectionAttempt::Opening { until }
                | ConnectionAttempt::AwaitingWelcome { until }
                | ConnectionAttempt::BackingOff { until },
            ) => Some(until),
            None => None,
        }
    }

    /// State for a reloaded page; `None` if it should not log in.
    pub fn saved(&self, call: Option<CallId>) -> Option<SavedSession> {
        match &self.state {
            SessionState::LoggedOut | SessionState::Refused { .. } | SessionState::Replaced { .. } => None,
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
            SessionState::LoggedOut | SessionState::Refused { .. } => false,
            SessionState::LoggingIn { attempt: ConnectionAttempt::BackingOff { .. }, .. } => {
                self.credentials.name == name
            }
            SessionState::Replaced { name: old } => old.as_str() == name,
            SessionState::LoggingIn { .. } | SessionState::LoggedIn { .. } | SessionState::Reconnecting { .. } => {
                return false;
            }
        };
        let ticket = if same_name { self.credentials.ticket.take() } else { None };
        // Resuming with a ticket needs no new secret; another name must not use the previous secret.
        if secret.is_some() || ticket.is_none() {
            self.credentials.secret = secret;
        }
        self.start_login(now, name, ticket, outputs);
        true
    }

    /// Logs in with the state that the page saved before its reload.
    pub fn resume(&mut self, now: Duration, name: String, ticket: SessionTicket, outputs: &mut Outputs) {
        self.start_login(now, name, Some(ticket), outputs);
    }

    fn start_login(&mut self, now: Duration, name: String, ticket: Option<SessionTicket>, outputs: &mut Outputs) {
        self.credentials.name = name;
        self.credentials.ticket = ticket;
        self.backoff.failures = 0;
        self.state = SessionState::LoggingIn { attempt: open_socket(now, outputs), retry_reason: None };
    }

    /// Logs out.
    pub fn log_out(&mut self, outputs: &mut Outputs) {
        if self.is_logged_in() {
            outputs.send(ClientMessage::LogOut);
        }
        self.close(SessionState::LoggedOut, outputs);
        self.credentials.ticket = None;
        self.credentials.secret = None;
    }

    /// Sends `hello` over the WebSocket that has opened.
    pub fn socket_opened(&mut self, now: Duration, outputs: &mut Outputs) {
        let Some(attempt @ ConnectionAttempt::Opening { .. }) = self.attempt_mut() else { return };
        *attempt = ConnectionAttempt::AwaitingWelcome { until: now + ATTEMPT_TIMEOUT };
        let Credentials { name, ticket, secret } = &self.credentials;
        // A valid ticket suffices, and a secret that is not sent cannot leak.
        let secret = if ticket.is_none() { secret.clone() } else { None };
        outputs.send(ClientMessage::Hello { name: name.clone(), resume: ticket.clone(), secret });
    }

    /// Schedules the next attempt after the WebSocket closed. `online`: number of users of the server. Returns `None`
    /// if there was no WebSocket.
    pub fn connection_lost(&mut self, now: Duration, online: usize, reason: RetryReason) -> Option<ClosedSocket> {
        if !self.is_open() {
            return None;
        }
        let backing_off = ConnectionAttempt::BackingOff { until: now + self.backoff.next_delay(online) };
        match &mut self.state {
            SessionState::LoggedIn { me } => {
                self.state = SessionState::Reconnecting { me: me.clone(), attempt: backing_off };
                return Some(ClosedSocket::Session);
            }
            SessionState::LoggingIn { attempt, retry_reason } => {
                (*attempt, *retry_reason) = (backing_off, Some(reason));
            }
            SessionState::Reconnecting { attempt, .. } => *attempt = backing_off,
            SessionState::LoggedOut | SessionState::Refused { .. } | SessionState::Replaced { .. } => {}
        }
        Some(ClosedSocket::Attempt)
    }

    /// Handles `welcome`. Returns whether it was expected.
    pub fn welcome(&mut self, me: User, ticket: SessionTicket) -> bool {
        let Some(ConnectionAttempt::AwaitingWelcome { .. }) = self.attempt() else { return false };
        self.state = SessionState::LoggedIn { me };
        self.backoff.failures = 0;
        self.credentials.ticket = Some(ticket);
        true
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
        match (code, &self.state) {
            (RefusedCode::TicketInvalid, _) if self.credentials.ticket.is_some() => {
                // The ticket expired, or the server has a new ticket key: log in as a new user.
                self.credentials.ticket = None;
                outputs.push(Output::Disconnect);
                self.start_attempt(now, outputs);
                Refusal::TicketDropped
            }
            (RefusedCode::Replaced, SessionState::LoggedIn { me } | SessionState::Reconnecting { me, .. }) => {
                let name = me.name.clone();
                self.close(SessionState::Replaced { name }, outputs);
                Refusal::Replaced
            }
            _ => {
                self.close(SessionState::Refused { code }, outputs);
                self.credentials.ticket = None;
                self.credentials.secret = None;
                Refusal::Final
            }
        }
    }

    /// Updates this user's state after a presence message.
    pub const fn set_own_state(&mut self, state: UserState) {
        if let SessionState::LoggedIn { me } = &mut self.state {
            me.state = state;
        }
    }

    /// Reconnects at once: the backoff protects a server, but this client's own network was the cause.
    pub fn network_restored(&mut self, now: Duration, outputs: &mut Outputs) {
        if let Some(ConnectionAttempt::BackingOff { .. }) = self.attempt() {
            self.start_attempt(now, outputs);
        }
    }

    /// Handles a passed deadline. Returns whether an attempt timed out, so that its WebSocket counts as closed.
    pub fn on_deadline(&mut self, now: Duration, outputs: &mut Outputs) -> bool {
        match self.attempt() {
            Some(ConnectionAttempt::BackingOff { until }) if until <= now => self.start_attempt(now, outputs),
            Some(ConnectionAttempt::Opening { until } | ConnectionAttempt::AwaitingWelcome { until })
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
        let attempt = open_socket(now, outputs);
        match &mut self.state {
            SessionState::LoggingIn { attempt: last, .. } | SessionState::Reconnecting { attempt: last, .. } => {
                *last = attempt;
            }
            SessionState::LoggedIn { me } => self.state = SessionState::Reconnecting { me: me.clone(), attempt },
            SessionState::LoggedOut | SessionState::Refused { .. } | SessionState::Replaced { .. } => {}
        }
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
            | SessionState::Replaced { .. }
            | SessionState::LoggedIn { .. } => None,
        }
    }

    const fn attempt_mut(&mut self) -> Option<&mut ConnectionAttempt> {
        match &mut self.state {
            SessionState::LoggingIn { attempt, .. } | SessionState::Reconnecting { attempt, .. } => Some(attempt),
            SessionState::LoggedOut
            | SessionState::Refused { .. }
            | SessionState::Replaced { .. }
            | SessionState::LoggedIn { .. } => None,
        }
    }
}

fn open_socket(now: Duration, outputs: &mut Outputs) -> ConnectionAttempt {
    outputs.push(Output::Connect);
    ConnectionAttempt::Opening { until: now + ATTEMPT_TIMEOUT }
}

impl Backoff {
    fn new(seed: u64) -> Self {
        Self { failures: 0, random: fastrand::Rng::with_seed(seed) }
    }

    /// Delay before the next attempt: random up to a bound that grows with the number of users and doubles with each
    /// failure ("full jitter").
    fn next_delay(&mut self, online: usize) -> Duration {
        let first = u32::try_from(online).map_or(MAX_DELAY, |online| BASE_DELAY * online / RECONNECTS_PER_SECOND);
        let most = MAX_DELAY.min(first.max(BASE_DELAY).saturating_mul(1 << self.failures.min(8)));
        self.failures = self.failures.saturating_add(1);
        most.mul_f64(self.random.f64())
    }
}

impl Hash for Backoff {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let Self { failures, random } = self;
        (failures, random.get_seed()).hash(hasher);
    }
}

// A client that claims its call relies on the server reserving its name for as long.
const _: () = assert!(limits::NAME_RESERVATION.as_secs() == limits::CLAIM_WINDOW.as_secs());

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_of_a_server_of_any_size_reconnect_within_the_claim_window() {
        for online in [15_000, 100_000, usize::MAX] {
            let mut backoff = Backoff::new(online as u64);
            let mut now = Duration::ZERO;
            // The server is down for 5 s, as long as a restart may take; then each client waits once more.
            while now < Duration::from_secs(5) {
                now += backoff.next_delay(online);
            }
            assert!(now < limits::CLAIM_WINDOW, "{online} online: reconnected after {now:?}");
        }
    }
}
