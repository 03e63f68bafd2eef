//! The session: logging in, losing the server and coming back to it.

use std::{
    hash::{Hash, Hasher},
    time::Duration,
};

use hutong_protocol::{CallId, ClientMessage, Name, RefusedCode, Secret, Ticket, User, UserState, limits};

use crate::{
    io::{Output, Saved},
    outputs::Outputs,
    view::{RetryReason, Session},
};

/// How long opening a WebSocket, and then the server's answer to hello, may take.
const ATTEMPT: Duration = Duration::from_secs(10);

/// The first wait before coming back to a small server is up to this long, at random.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// A larger server's users spread their first return so far that no more than this many come in a second, where all lose it at
/// the same time. A server welcomes several times as many.
const RETURNS_A_SECOND: u32 = 1_000;

/// The longest wait before coming back. Whoever was in a call has 30 s for it, and one try may fail.
const LONGEST_WAIT: Duration = Duration::from_secs(15);

/// The session with the server: where it stands, what the next login needs, and when to retry.
#[derive(Clone, Debug, Hash)]
pub struct SessionFlow {
    state: SessionState,
    credentials: Credentials,
    backoff: Backoff,
}

/// Where the session stands, and in it the WebSocket.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum SessionState {
    LoggedOut,
    /// The server refused the login, and the person can mend it.
    Refused {
        code: RefusedCode,
    },
    /// The same user came back elsewhere.
    Replaced {
        name: Name,
    },
    LoggingIn {
        attempt: Attempt,
        retry_reason: Option<RetryReason>,
    },
    /// The WebSocket is open and the server has welcomed us.
    LoggedIn {
        me: User,
    },
    /// Was logged in; the WebSocket is being made again.
    Reconnecting {
        me: User,
        attempt: Attempt,
    },
}

/// How far a WebSocket is that is to be open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Attempt {
    /// It is being opened.
    Opening { until: Duration },
    /// It is open, and hello is sent.
    Greeting { until: Duration },
    /// It was lost, or could not be opened: opened again then.
    Waiting { until: Duration },
}

/// What hello says.
#[derive(Clone, Debug, Default, Hash)]
struct Credentials {
    /// As typed.
    name: String,
    ticket: Option<Ticket>,
    /// What the server has asked for, in case that it knows the ticket no more. Never saved.
    secret: Option<Secret>,
}

/// Chooses how long to wait before the next attempt.
#[derive(Clone, Debug)]
struct Backoff {
    failures: u32,
    random: fastrand::Rng,
}

/// What a lost WebSocket was used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// An attempt to log in or to come back.
    Attempt,
    /// A session.
    Session,
}

/// What a refusal means for the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Nothing: there is no WebSocket that it could be about.
    Stale,
    /// The server takes this client later.
    Retry,
    /// The ticket is not good; a login without it is under way.
    TicketDropped,
    /// The same user came back elsewhere: the session is over here.
    Replaced,
    /// The session is over until the person mends it.
    Final,
}

impl SessionFlow {
    pub fn new(seed: u64) -> Self {
        Self { state: SessionState::LoggedOut, credentials: Credentials::default(), backoff: Backoff::new(seed) }
    }

    /// The session as the interface shows it.
    pub fn view(&self) -> Session {
        match &self.state {
            SessionState::LoggedOut => Session::LoggedOut,
            SessionState::Refused { code } => Session::Refused { name: self.credentials.name.clone(), code: *code },
            SessionState::Replaced { name } => Session::Replaced { name: name.clone() },
            SessionState::LoggingIn { retry_reason, .. } => {
                Session::LoggingIn { name: self.credentials.name.clone(), retry_reason: *retry_reason }
            }
            SessionState::LoggedIn { me } => Session::LoggedIn { me: me.clone() },
            SessionState::Reconnecting { me, .. } => Session::Reconnecting { me: me.clone() },
        }
    }

    pub const fn is_logged_in(&self) -> bool {
        matches!(self.state, SessionState::LoggedIn { .. })
    }

    /// This user, while logged in.
    pub const fn me_logged_in(&self) -> Option<&User> {
        if let SessionState::LoggedIn { me } = &self.state { Some(me) } else { None }
    }

    /// When [`due`](Self::due) has something to do.
    pub const fn deadline(&self) -> Option<Duration> {
        match self.attempt() {
            Some(Attempt::Opening { until } | Attempt::Greeting { until } | Attempt::Waiting { until }) => Some(until),
            None => None,
        }
    }

    /// What a reloaded page needs: nothing where no WebSocket is wanted.
    pub fn saved(&self, call: Option<CallId>) -> Option<Saved> {
        match &self.state {
            SessionState::LoggedOut | SessionState::Refused { .. } | SessionState::Replaced { .. } => None,
            SessionState::LoggingIn { .. } | SessionState::LoggedIn { .. } | SessionState::Reconnecting { .. } => {
                let Credentials { name, ticket, .. } = &self.credentials;
                Some(Saved { name: name.clone(), ticket: ticket.clone()?, call })
            }
        }
    }

    /// The person logs in. Does nothing and gives `false` while logged in, or about to be.
    pub fn log_in(&mut self, now: Duration, name: String, secret: Option<Secret>, outputs: &mut Outputs) -> bool {
        // The same person coming back takes the token back, too.
        let same_person = match &self.state {
            SessionState::LoggedOut | SessionState::Refused { .. } => false,
            SessionState::LoggingIn { attempt: Attempt::Waiting { .. }, .. } => self.credentials.name == name,
            SessionState::Replaced { name: old } => old.as_str() == name,
            SessionState::LoggingIn { .. } | SessionState::LoggedIn { .. } | SessionState::Reconnecting { .. } => {
                return false;
            }
        };
        let ticket = if same_person { self.credentials.ticket.take() } else { None };
        // Whoever comes back with a ticket is not asked for the secret again; anybody else brings their own.
        if secret.is_some() || ticket.is_none() {
            self.credentials.secret = secret;
        }
        self.start(now, name, ticket, outputs);
        true
    }

    /// Logs in with what an earlier life of the page saved.
    pub fn resume(&mut self, now: Duration, name: String, ticket: Ticket, outputs: &mut Outputs) {
        self.start(now, name, Some(ticket), outputs);
    }

    fn start(&mut self, now: Duration, name: String, ticket: Option<Ticket>, outputs: &mut Outputs) {
        self.credentials.name = name;
        self.credentials.ticket = ticket;
        self.backoff.failures = 0;
        self.state = SessionState::LoggingIn { attempt: open(now, outputs), retry_reason: None };
    }

    /// The person logs out.
    pub fn log_out(&mut self, outputs: &mut Outputs) {
        if self.is_logged_in() {
            outputs.send(ClientMessage::LogOut);
        }
        self.close(SessionState::LoggedOut, outputs);
        self.credentials.ticket = None;
        self.credentials.secret = None;
    }

    /// The WebSocket is open: says hello.
    pub fn link_up(&mut self, now: Duration, outputs: &mut Outputs) {
        let Some(attempt @ Attempt::Opening { .. }) = self.attempt_mut() else { return };
        *attempt = Attempt::Greeting { until: now + ATTEMPT };
        let Credentials { name, ticket, secret } = &self.credentials;
        // A good ticket is enough, and a secret that is not sent is not lost.
        let secret = if ticket.is_none() { secret.clone() } else { None };
        outputs.send(ClientMessage::Hello { name: name.clone(), resume: ticket.clone(), secret });
    }

    /// The WebSocket is gone: it is opened again after a wait. `online` is how many users the server has; `None` comes of it where
    /// there was no WebSocket.
    pub fn link_down(&mut self, now: Duration, online: usize, reason: RetryReason) -> Option<Lost> {
        if !self.is_open() {
            return None;
        }
        let waiting = Attempt::Waiting { until: now + self.backoff.next(online) };
        match &mut self.state {
            SessionState::LoggedIn { me } => {
                self.state = SessionState::Reconnecting { me: me.clone(), attempt: waiting };
                return Some(Lost::Session);
            }
            SessionState::LoggingIn { attempt, retry_reason } => {
                (*attempt, *retry_reason) = (waiting, Some(reason));
            }
            SessionState::Reconnecting { attempt, .. } => *attempt = waiting,
            SessionState::LoggedOut | SessionState::Refused { .. } | SessionState::Replaced { .. } => {}
        }
        Some(Lost::Attempt)
    }

    /// The server takes us. Whether it was asked to.
    pub fn welcome(&mut self, me: User, ticket: Ticket) -> bool {
        let Some(Attempt::Greeting { .. }) = self.attempt() else { return false };
        self.state = SessionState::LoggedIn { me };
        self.backoff.failures = 0;
        self.credentials.ticket = Some(ticket);
        true
    }

    /// The server does not take us, or no longer.
    pub fn refused(&mut self, now: Duration, code: RefusedCode, outputs: &mut Outputs) -> Refusal {
        if !self.is_open() {
            return Refusal::Stale;
        }
        if code.retry_by_itself() {
            outputs.push(Output::Disconnect);
            return Refusal::Retry;
        }
        match (code, &self.state) {
            (RefusedCode::TicketInvalid, _) if self.credentials.ticket.is_some() => {
                // A server that has forgotten its key, or a very old ticket: log in as anybody does.
                self.credentials.ticket = None;
                outputs.push(Output::Disconnect);
                self.open(now, outputs);
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

    /// Presence says that this user's state changed.
    pub const fn my_state(&mut self, state: UserState) {
        if let SessionState::LoggedIn { me } = &mut self.state {
            me.state = state;
        }
    }

    /// There is a network again. The wait was chosen for a server that is busy or away, and it was our network that was.
    pub fn network_back(&mut self, now: Duration, outputs: &mut Outputs) {
        if let Some(Attempt::Waiting { .. }) = self.attempt() {
            self.open(now, outputs);
        }
    }

    /// Does what is due. Whether an attempt took too long: its WebSocket is down.
    pub fn due(&mut self, now: Duration, outputs: &mut Outputs) -> bool {
        match self.attempt() {
            Some(Attempt::Waiting { until }) if until <= now => self.open(now, outputs),
            Some(Attempt::Opening { until } | Attempt::Greeting { until }) if until <= now => {
                outputs.push(Output::Disconnect);
                return true;
            }
            _ => {}
        }
        false
    }

    /// Opens a WebSocket for the session that is wanted.
    fn open(&mut self, now: Duration, outputs: &mut Outputs) {
        let attempt = open(now, outputs);
        match &mut self.state {
            SessionState::LoggingIn { attempt: last, .. } | SessionState::Reconnecting { attempt: last, .. } => {
                *last = attempt;
            }
            SessionState::LoggedIn { me } => self.state = SessionState::Reconnecting { me: me.clone(), attempt },
            SessionState::LoggedOut | SessionState::Refused { .. } | SessionState::Replaced { .. } => {}
        }
    }

    /// Closes the WebSocket for good.
    fn close(&mut self, state: SessionState, outputs: &mut Outputs) {
        if self.is_open() {
            outputs.push(Output::Disconnect);
        }
        self.state = state;
    }

    /// Whether there is a WebSocket, or one is being opened.
    const fn is_open(&self) -> bool {
        self.is_logged_in() || matches!(self.attempt(), Some(Attempt::Opening { .. } | Attempt::Greeting { .. }))
    }

    const fn attempt(&self) -> Option<Attempt> {
        match &self.state {
            SessionState::LoggingIn { attempt, .. } | SessionState::Reconnecting { attempt, .. } => Some(*attempt),
            SessionState::LoggedOut
            | SessionState::Refused { .. }
            | SessionState::Replaced { .. }
            | SessionState::LoggedIn { .. } => None,
        }
    }

    const fn attempt_mut(&mut self) -> Option<&mut Attempt> {
        match &mut self.state {
            SessionState::LoggingIn { attempt, .. } | SessionState::Reconnecting { attempt, .. } => Some(attempt),
            SessionState::LoggedOut
            | SessionState::Refused { .. }
            | SessionState::Replaced { .. }
            | SessionState::LoggedIn { .. } => None,
        }
    }
}

fn open(now: Duration, outputs: &mut Outputs) -> Attempt {
    outputs.push(Output::Connect);
    Attempt::Opening { until: now + ATTEMPT }
}

impl Backoff {
    fn new(seed: u64) -> Self {
        Self { failures: 0, random: fastrand::Rng::with_seed(seed) }
    }

    /// How long to wait before the next attempt to reach a server of so many users: at random up to a bound that doubles with
    /// each failure ("full jitter").
    fn next(&mut self, online: usize) -> Duration {
        let first = u32::try_from(online).map_or(LONGEST_WAIT, |online| FIRST_WAIT * online / RETURNS_A_SECOND);
        let most = LONGEST_WAIT.min(first.max(FIRST_WAIT).saturating_mul(1 << self.failures.min(8)));
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

/// The server keeps a name as long as it lets a call be claimed; a client relies on both being the same.
const _: () = assert!(limits::NAME_HELD.as_secs() == limits::CLAIM.as_secs());

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_server_is_so_large_that_a_call_could_not_be_claimed() {
        for online in [15_000, 100_000, usize::MAX] {
            let mut backoff = Backoff::new(online as u64);
            let mut now = Duration::ZERO;
            // The server is away for as long as a restart may take, and then each has one more wait.
            while now < Duration::from_secs(5) {
                now += backoff.next(online);
            }
            assert!(now < limits::CLAIM, "{online} online: back after {now:?}");
        }
    }
}
