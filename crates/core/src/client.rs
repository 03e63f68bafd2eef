//! The client as a whole: takes inputs, gives outputs.

use std::{collections::VecDeque, time::Duration};

use hutong_protocol::{
    CallId, CancelReason, ClientMessage, ErrorCode, IceServer, ServerMessage, Token, User, UserState, limits,
};

use crate::{
    call::Call,
    crowd::Wish,
    io::{Command, Input, LinkEvent, Output, PeerId, Saved},
    session::Link,
    view::{Notice, Session, Update, View},
};

/// What a client is told when it is made.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Randomness for the jitter of reconnection. Any number; not a secret.
    pub seed: u64,
    /// What an earlier life of this page saved: the client logs in with it by itself.
    pub saved: Option<Saved>,
}

/// A client of one server. All times are of one clock that never goes back; its epoch does not matter.
///
/// Two clients whose hashes are fed the same go on alike, for equal inputs: a model checker (`crates/model`) tells them apart by
/// that.
#[derive(Clone, Debug, Hash)]
pub struct Client {
    pub(crate) view: View,
    pub(crate) link: Link,
    pub(crate) call: Option<Call>,
    pub(crate) ice_servers: Vec<IceServer>,
    pub(crate) wish: Wish,
    /// Calls given up while the server was away: told as soon as it is back.
    pub(crate) cancels: VecDeque<(CallId, CancelReason)>,
    /// The cancel that the server has not shown to have heard: lost, if the connection is lost now.
    pub(crate) unheard_cancel: Option<(CallId, CancelReason)>,
    next_peer: u32,
    saved: Option<Saved>,
    wake: Option<Duration>,
    outputs: VecDeque<Output>,
}

impl Client {
    /// A client; with something saved it starts by connecting.
    #[must_use]
    pub fn new(config: Config, now: Duration) -> Self {
        let mut client = Self {
            view: View::default(),
            link: Link::new(config.seed),
            call: None,
            ice_servers: Vec::new(),
            wish: Wish::default(),
            cancels: VecDeque::new(),
            unheard_cancel: None,
            next_peer: 1,
            saved: config.saved.clone(),
            wake: None,
            outputs: VecDeque::new(),
        };
        if let Some(saved) = config.saved {
            if let Some(call) = saved.call {
                client.cancel_later(call, CancelReason::Hangup);
            }
            client.log_in(now, saved.name, None, Some(saved.ticket));
            client.settle();
        }
        client
    }

    /// Takes in what happened. Afterwards [`poll_output`](Self::poll_output) is to be called until it gives `None`.
    pub fn handle(&mut self, now: Duration, input: Input) {
        match input {
            Input::Command(command) => self.command(now, command),
            Input::Link(LinkEvent::Up) => self.link_up(now),
            Input::Link(LinkEvent::Down) => self.link_down(now),
            Input::Message(message) => self.message(now, message),
            Input::Media(event) => self.media_event(now, event),
            Input::InterfaceReloaded => self.interface_reloaded(now),
            Input::NetworkBack => self.network_back(now),
            Input::Tick => {}
        }
        self.link_due(now);
        self.call_due(now);
        self.settle();
    }

    /// What the driver is to do next.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// What the interface shows now: the sum of all [`Output::Show`]s taken out so far or still waiting.
    #[must_use]
    pub fn view(&self) -> &View {
        &self.view
    }

    fn command(&mut self, now: Duration, command: Command) {
        match command {
            Command::LogIn { name, secret } => match &self.view.session {
                Session::LoggedOut | Session::Refused { .. } => self.log_in(now, name, secret, None),
                // The same person coming back takes the token back, too.
                Session::LoggingIn { name: old, .. } if !self.link.is_open() => {
                    let ticket = (*old == name).then(|| self.link.ticket()).flatten();
                    self.log_in(now, name, secret, ticket);
                }
                Session::Replaced { name: old } => {
                    let ticket = (old.as_str() == name).then(|| self.link.ticket()).flatten();
                    self.log_in(now, name, secret, ticket);
                }
                Session::LoggingIn { .. } | Session::LoggedIn { .. } | Session::Reconnecting { .. } => {}
            },
            Command::LogOut => self.log_out(now),
            Command::Call { to, media } => self.start_call(to, media),
            Command::Accept { media } => self.accept(media),
            Command::Decline => self.hang_up(now, CancelReason::Declined),
            Command::HangUp => self.hang_up(now, CancelReason::Hangup),
            Command::Look { query, names } => self.look(query, names),
            Command::DismissNotice => self.notice(None),
        }
    }

    fn message(&mut self, now: Duration, message: ServerMessage) {
        match message {
            ServerMessage::Welcome { me, ticket, ice_servers, limits: _, users, total } => {
                self.ice_servers = ice_servers;
                self.welcome(now, me, ticket, users, total);
            }
            ServerMessage::Refused { code, message: _ } => self.refused(now, code),
            ServerMessage::Presence { changes, total } => {
                if total.is_some() {
                    self.total(total);
                }
                self.presence(changes);
            }
            ServerMessage::Roster { users, total } => {
                self.roster(users, total);
            }
            ServerMessage::Error { code, message: _, about, call } => {
                self.error(now, code, about.as_deref(), call);
            }
            about_a_call => self.call_message(now, about_a_call),
        }
    }

    fn presence(&mut self, mut changes: Vec<User>) {
        if let Session::LoggedIn { me } = &self.view.session {
            let (token, name) = (me.token, me.name.clone());
            // Our own going offline is old news by the time we hear of it: we are back.
            if let Some(place) = changes.iter().position(|user| user.token == token) {
                let state = changes.swap_remove(place).state;
                if state != UserState::Offline {
                    if matches!(state, UserState::Ending | UserState::Online) {
                        self.unheard_cancel = None;
                    }
                    self.show(Update::Session(Session::LoggedIn { me: User { token, name, state } }));
                }
            }
        }
        if !changes.is_empty() {
            self.show(Update::Users(changes));
        }
    }

    /// A message of ours was wrong. Most such errors are crossings, which the flow expects.
    fn error(&mut self, now: Duration, code: ErrorCode, about: Option<&str>, call: Option<CallId>) {
        match (about, code) {
            (Some("offering"), _) => self.offering_refused(now, code),
            (Some("claim"), _) => self.claim_refused(now),
            (Some("accept" | "confirm" | "calling"), ErrorCode::NoCall | ErrorCode::WrongStep) => {
                self.step_refused(now, call);
            }
            (_, ErrorCode::NoCall | ErrorCode::WrongStep | ErrorCode::RateLimited) => {}
            _ => self.notice(Some(Notice::Error { code })),
        }
    }

    /// Everybody who may be called, with the newest state known.
    pub(crate) fn user(&self, token: Token) -> Option<&User> {
        self.view.users.get(&token)
    }

    pub(crate) fn is_logged_in(&self) -> bool {
        matches!(self.view.session, Session::LoggedIn { .. })
    }

    pub(crate) fn output(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    /// Sends, if there is somebody to send to. What must not be lost is kept by the caller.
    pub(crate) fn send(&mut self, message: ClientMessage) {
        if self.is_logged_in() {
            self.output(Output::Send(message));
        }
    }

    pub(crate) fn show(&mut self, update: Update) {
        self.view.apply(update.clone());
        self.output(Output::Show(update));
    }

    pub(crate) fn notice(&mut self, notice: Option<Notice>) {
        if self.view.notice != notice {
            self.show(Update::Notice(notice));
        }
    }

    pub(crate) fn session(&mut self, session: Session) {
        if self.view.session != session {
            self.show(Update::Session(session));
        }
    }

    pub(crate) fn new_peer(&mut self) -> PeerId {
        let peer = PeerId(self.next_peer);
        self.next_peer = self.next_peer.wrapping_add(1);
        peer
    }

    /// Remembers to cancel a call once the server is there. Bounded: a person cannot be in many calls at a time.
    pub(crate) fn cancel_later(&mut self, call: CallId, reason: CancelReason) {
        const MOST: usize = 8;
        if self.cancels.len() == MOST {
            self.cancels.pop_front();
        }
        self.cancels.push_back((call, reason));
    }

    /// The calls of this session are nobody's any more.
    pub(crate) fn forget_cancels(&mut self) {
        self.cancels.clear();
        self.unheard_cancel = None;
    }

    /// After every step: shows the call, saves what a reload needs, and asks to be woken.
    fn settle(&mut self) {
        let call = self.call.as_ref().map(Call::view);
        if self.view.call != call {
            self.show(Update::Call(call));
        }
        let saved = self.link.saved(self.saved_call());
        if self.saved != saved {
            self.saved.clone_from(&saved);
            self.output(Output::Save(saved));
        }
        let wake = self.link.deadline().into_iter().chain(self.call.as_ref().and_then(Call::deadline)).min();
        if self.wake != wake {
            self.wake = wake;
            if let Some(at) = wake {
                self.output(Output::Wake(at));
            }
        }
    }

    /// The call that a reloaded page would have to cancel.
    fn saved_call(&self) -> Option<CallId> {
        let current = self.call.as_ref().and_then(Call::confirmed_id);
        current.or_else(|| self.cancels.back().map(|(call, _)| *call))
    }
}

/// The bound on how long an unclaimed call is kept after the server is back: its own bound, and time for its word to come.
pub(crate) const CLAIM_ANSWER: Duration = limits::CLAIM.saturating_add(Duration::from_secs(5));
