//! The session: logging in, losing the server and coming back to it.

use std::{
    hash::{Hash, Hasher},
    time::Duration,
};

use hutong_protocol::{CallId, ClientMessage, RefusedCode, Secret, Ticket, User, limits};

use crate::{
    client::Client,
    io::{Output, Saved},
    view::{Session, Trouble, Update},
};

/// How long opening a WebSocket, and then the server's answer to hello, may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The first wait before coming back to a small server is up to this long, at random.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// A larger server's users spread their first return so far that no more than this many come in a second, where all lose it at
/// the same time. A server welcomes several times as many.
const RETURNS_A_SECOND: u32 = 1_000;

/// The longest wait before coming back. Whoever was in a call has 30 s for it, and one try may fail.
const LONGEST_WAIT: Duration = Duration::from_secs(15);

/// The WebSocket, and what is needed to open the next one.
#[derive(Clone, Debug)]
pub struct Link {
    state: LinkState,
    name: String,
    ticket: Option<Ticket>,
    /// What the server has asked for, in case that it knows the ticket no more. Never saved.
    secret: Option<Secret>,
    failures: u32,
    random: fastrand::Rng,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum LinkState {
    /// Not wanted.
    Idle,
    /// Being opened.
    Opening { until: Duration },
    /// Open, and hello is sent.
    Greeting { until: Duration },
    /// Welcomed.
    Up,
    /// Lost; opened again then.
    Waiting { until: Duration },
}

impl Hash for Link {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let Self { state, name, ticket, secret, failures, random } = self;
        (state, name, ticket, secret, failures, random.get_seed()).hash(hasher);
    }
}

impl Link {
    pub fn new(seed: u64) -> Self {
        let (state, random) = (LinkState::Idle, fastrand::Rng::with_seed(seed));
        Self { state, name: String::new(), ticket: None, secret: None, failures: 0, random }
    }

    pub fn deadline(&self) -> Option<Duration> {
        match self.state {
            LinkState::Idle | LinkState::Up => None,
            LinkState::Opening { until } | LinkState::Greeting { until } | LinkState::Waiting { until } => Some(until),
        }
    }

    pub fn ticket(&self) -> Option<Ticket> {
        self.ticket.clone()
    }

    /// Whether there is a WebSocket, or one is being opened.
    pub const fn is_open(&self) -> bool {
        matches!(self.state, LinkState::Opening { .. } | LinkState::Greeting { .. } | LinkState::Up)
    }

    /// What a reloaded page needs.
    pub fn saved(&self, call: Option<CallId>) -> Option<Saved> {
        if self.state == LinkState::Idle {
            return None;
        }
        let ticket = self.ticket.clone()?;
        Some(Saved { name: self.name.clone(), ticket, call })
    }

    /// Waits before the next try to reach a server of so many users: at random up to a bound that doubles with each failure
    /// ("full jitter").
    fn back_off(&mut self, now: Duration, online: usize) {
        let first = u32::try_from(online).map_or(LONGEST_WAIT, |online| FIRST_WAIT * online / RETURNS_A_SECOND);
        let most = LONGEST_WAIT.min(first.max(FIRST_WAIT).saturating_mul(1 << self.failures.min(8)));
        self.failures = self.failures.saturating_add(1);
        self.state = LinkState::Waiting { until: now + most.mul_f64(self.random.f64()) };
    }
}

impl Client {
    pub(crate) fn log_in(&mut self, now: Duration, name: String, secret: Option<Secret>, ticket: Option<Ticket>) {
        if self.link.is_open() {
            self.output(Output::Disconnect);
        }
        self.link.name.clone_from(&name);
        // Whoever comes back to where they were need not be asked again; anybody else brings their own.
        if secret.is_some() || ticket.is_none() {
            self.link.secret = secret;
        }
        self.link.ticket = ticket;
        self.link.failures = 0;
        self.total(None);
        self.session(Session::LoggingIn { name, trouble: None });
        self.connect(now);
    }

    pub(crate) fn log_out(&mut self, now: Duration) {
        self.drop_call(now);
        self.send(ClientMessage::LogOut);
        self.stop();
        self.link.ticket = None;
        self.link.secret = None;
        self.forget_cancels();
        self.notice(None);
        self.session(Session::LoggedOut);
    }

    pub(crate) fn link_up(&mut self, now: Duration) {
        if let LinkState::Opening { .. } = self.link.state {
            self.link.state = LinkState::Greeting { until: now + PATIENCE };
            let resume = self.link.ticket.clone();
            // A good ticket is enough, and a secret that is not sent is not lost.
            let secret = if resume.is_none() { self.link.secret.clone() } else { None };
            let hello = ClientMessage::Hello { name: self.link.name.clone(), resume, secret };
            self.output(Output::Send(hello));
        }
    }

    pub(crate) fn link_down(&mut self, now: Duration) {
        self.try_again(now, Trouble::ServerAway);
    }

    /// The link is no more, and made again after a wait.
    fn try_again(&mut self, now: Duration, trouble: Trouble) {
        if !self.link.is_open() {
            return;
        }
        let online = self.online();
        self.link.back_off(now, online);
        if let Some((call, reason)) = self.unheard_cancel.take() {
            // One too many is no error.
            self.cancel_later(call, reason);
        }
        match &self.view.session {
            Session::LoggedIn { me } => {
                self.session(Session::Reconnecting { me: me.clone() });
                self.call_link_down(now);
            }
            Session::LoggingIn { name, .. } => {
                self.session(Session::LoggingIn { name: name.clone(), trouble: Some(trouble) });
            }
            _ => {}
        }
    }

    pub(crate) fn welcome(&mut self, now: Duration, me: User, ticket: Ticket, users: Vec<User>, total: Option<u32>) {
        if !matches!(self.link.state, LinkState::Greeting { .. }) {
            return;
        }
        self.link.state = LinkState::Up;
        self.link.failures = 0;
        self.link.ticket = Some(ticket);
        self.session(Session::LoggedIn { me });
        // Of this connection the server knows no wish yet.
        self.total(None);
        self.roster(users, total);
        while let Some((call, reason)) = self.cancels.pop_front() {
            self.send(ClientMessage::Cancel { call, reason });
        }
        self.claim_call(now);
    }

    pub(crate) fn refused(&mut self, now: Duration, code: RefusedCode) {
        if !self.link.is_open() {
            return;
        }
        if code.retry_by_itself() {
            self.output(Output::Disconnect);
            return self.try_again(now, Trouble::Refused(code));
        }
        let logged_in_as = self.view.session.me().map(|me| me.name.clone());
        match (code, logged_in_as) {
            (RefusedCode::TicketInvalid, _) if self.link.ticket.is_some() => {
                // A server that has forgotten its key, or a very old ticket: log in as anybody does.
                self.drop_call(now);
                self.forget_cancels();
                self.output(Output::Disconnect);
                self.link.ticket = None;
                self.connect(now);
            }
            (RefusedCode::Replaced, Some(name)) => {
                self.stop();
                self.session(Session::Replaced { name });
                self.drop_call(now);
            }
            _ => {
                self.stop();
                self.link.ticket = None;
                self.link.secret = None;
                self.session(Session::Refused { name: self.link.name.clone(), code });
                self.drop_call(now);
                self.forget_cancels();
            }
        }
    }

    /// The wait before the next try was for a server that is busy or away; now it was the own network that was.
    pub(crate) fn network_back(&mut self, now: Duration) {
        if let LinkState::Waiting { .. } = self.link.state {
            self.connect(now);
        }
    }

    /// Does what is due for the link.
    pub(crate) fn link_due(&mut self, now: Duration) {
        match self.link.state {
            LinkState::Waiting { until } if until <= now => self.connect(now),
            LinkState::Opening { until } | LinkState::Greeting { until } if until <= now => {
                self.output(Output::Disconnect);
                self.link_down(now);
            }
            _ => {}
        }
    }

    /// How many users the server had when it was last there, this one among them; 1 where it never was.
    fn online(&self) -> usize {
        self.view.total.map_or(self.view.users.len() + 1, |total| total as usize)
    }

    fn connect(&mut self, now: Duration) {
        self.link.state = LinkState::Opening { until: now + PATIENCE };
        self.output(Output::Connect);
    }

    /// Closes the link for good.
    fn stop(&mut self) {
        if self.link.is_open() {
            self.output(Output::Disconnect);
        }
        self.link.state = LinkState::Idle;
        if !self.view.users.is_empty() {
            self.show(Update::Roster(Vec::new()));
        }
        self.total(None);
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
            let mut link = Link::new(online as u64);
            let mut now = Duration::ZERO;
            // The server is away for as long as a restart may take, and then each has one more wait.
            while now < Duration::from_secs(5) {
                link.back_off(now, online);
                now = link.deadline().unwrap();
            }
            assert!(now < limits::CLAIM, "{online} online: back after {now:?}");
        }
    }
}
