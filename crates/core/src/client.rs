//! The client as a whole: takes inputs, gives outputs.

use std::time::Duration;

use hutong_protocol::{CallId, CancelReason, ErrorCode, RefusedCode, ServerMessage, User, UserState};

use crate::{
    call_flow::CallFlow,
    context::Context,
    io::{Command, Input, LinkEvent, Output, Saved},
    outputs::Outputs,
    roster_filter::RosterFilter,
    session_flow::{Lost, Refusal, SessionFlow},
    view::{Notice, RetryReason, Update, View},
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
    session: SessionFlow,
    roster_filter: RosterFilter,
    calls: CallFlow,
    outputs: Outputs,
    saved: Option<Saved>,
    wake: Option<Duration>,
}

impl Client {
    /// A client; with something saved it starts by connecting.
    #[must_use]
    pub fn new(config: Config, now: Duration) -> Self {
        let mut client = Self {
            session: SessionFlow::new(config.seed),
            roster_filter: RosterFilter::default(),
            calls: CallFlow::new(),
            outputs: Outputs::default(),
            saved: config.saved.clone(),
            wake: None,
        };
        if let Some(Saved { name, ticket, call }) = config.saved {
            if let Some(call) = call {
                client.calls.cancels().push((call, CancelReason::Hangup));
            }
            client.session.resume(now, name, ticket, &mut client.outputs);
            client.show_session();
            client.flush_outputs();
        }
        client
    }

    /// Takes in what happened. Afterwards [`poll_output`](Self::poll_output) is to be called until it gives `None`.
    pub fn handle(&mut self, now: Duration, input: Input) {
        match input {
            Input::Command(command) => self.command(now, command),
            Input::Link(LinkEvent::Up) => self.session.link_up(now, &mut self.outputs),
            Input::Link(LinkEvent::Down) => self.link_down(now, RetryReason::ServerAway),
            Input::Message(message) => self.message(now, message),
            Input::Media(event) => self.call(now, |calls, cx| calls.media_event(cx, event)),
            Input::InterfaceReloaded => self.call(now, CallFlow::interface_reloaded),
            Input::NetworkBack => self.session.network_back(now, &mut self.outputs),
            Input::Tick => {}
        }
        if self.session.due(now, &mut self.outputs) {
            self.link_down(now, RetryReason::ServerAway);
        }
        self.call(now, CallFlow::due);
        self.flush_outputs();
    }

    /// What the driver is to do next.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop()
    }

    /// What the interface shows now: the sum of all [`Output::Show`]s taken out so far or still waiting.
    #[must_use]
    pub const fn view(&self) -> &View {
        self.outputs.view()
    }

    fn command(&mut self, now: Duration, command: Command) {
        match command {
            Command::LogIn { name, secret } => {
                if self.session.log_in(now, name, secret, &mut self.outputs) {
                    self.outputs.show_total(None);
                    self.show_session();
                }
            }
            Command::LogOut => self.log_out(now),
            Command::Call { to, media } => self.call(now, |calls, cx| calls.start_call(cx, to, media)),
            Command::Accept { media } => self.call(now, |calls, cx| calls.accept(cx, media)),
            Command::Decline => self.call(now, |calls, cx| calls.hang_up(cx, CancelReason::Declined)),
            Command::HangUp => self.call(now, |calls, cx| calls.hang_up(cx, CancelReason::Hangup)),
            Command::SetRosterFilter { query, names } => {
                let message = self.roster_filter.set(&query, names);
                if self.view().total.is_some() && self.session.is_logged_in() {
                    message.into_iter().for_each(|message| self.outputs.send(message));
                }
            }
            Command::DismissNotice => self.outputs.show_notice(None),
        }
    }

    fn message(&mut self, now: Duration, message: ServerMessage) {
        match message {
            ServerMessage::Welcome { me, ticket, ice_servers, limits: _, users, total } => {
                self.calls.set_ice_servers(ice_servers);
                if self.session.welcome(me, ticket) {
                    self.show_session();
                    // Of this connection the server knows no filter yet.
                    self.outputs.show_total(None);
                    self.roster(users, total);
                    self.call(now, CallFlow::welcome);
                }
            }
            ServerMessage::Refused { code, message: _ } => self.refused(now, code),
            ServerMessage::Presence { changes, total } => {
                if total.is_some() {
                    self.outputs.show_total(total);
                }
                self.presence(changes);
            }
            ServerMessage::Roster { users, total } => self.roster(users, total),
            ServerMessage::Error { code, message: _, about, call } => self.error(now, code, about.as_deref(), call),
            about_a_call => self.call(now, |calls, cx| calls.message(cx, about_a_call)),
        }
    }

    fn log_out(&mut self, now: Duration) {
        self.call(now, CallFlow::drop_call);
        self.session.log_out(&mut self.outputs);
        self.clear_roster();
        self.calls.cancels().clear();
        self.outputs.show_notice(None);
        self.show_session();
    }

    /// The WebSocket is gone, or could not be opened.
    fn link_down(&mut self, now: Duration, reason: RetryReason) {
        let Some(lost) = self.session.link_down(now, self.view().online(), reason) else { return };
        self.calls.cancels().connection_lost();
        self.show_session();
        if lost == Lost::Session {
            self.call(now, CallFlow::link_down);
        }
    }

    fn refused(&mut self, now: Duration, code: RefusedCode) {
        match self.session.refused(now, code, &mut self.outputs) {
            Refusal::Stale => {}
            Refusal::Retry => self.link_down(now, RetryReason::Refused(code)),
            Refusal::TicketDropped => {
                self.call(now, CallFlow::drop_call);
                self.calls.cancels().clear();
                self.show_session();
            }
            refusal @ (Refusal::Replaced | Refusal::Final) => {
                self.clear_roster();
                self.show_session();
                self.call(now, CallFlow::drop_call);
                if refusal == Refusal::Final {
                    self.calls.cancels().clear();
                }
            }
        }
    }

    /// The server sends a roster, of everybody or of a part.
    fn roster(&mut self, users: Vec<User>, total: Option<u32>) {
        let begins = self.view().total.is_none() && total.is_some();
        self.outputs.show(Update::Roster(users));
        self.outputs.show_total(total);
        if begins && self.session.is_logged_in() {
            self.roster_filter.begin().into_iter().for_each(|message| self.outputs.send(message));
        }
    }

    fn clear_roster(&mut self) {
        if !self.view().users.is_empty() {
            self.outputs.show(Update::Roster(Vec::new()));
        }
        self.outputs.show_total(None);
    }

    fn presence(&mut self, mut changes: Vec<User>) {
        let me = self.session.me_logged_in().map(|me| me.token);
        // Our own going offline is old news by the time we hear of it: we are back.
        if let Some(place) = changes.iter().position(|user| Some(user.token) == me) {
            let state = changes.swap_remove(place).state;
            if state != UserState::Offline {
                if matches!(state, UserState::Ending | UserState::Online) {
                    self.calls.cancels().acknowledged();
                }
                self.session.my_state(state);
                self.show_session();
            }
        }
        if !changes.is_empty() {
            self.outputs.show(Update::Users(changes));
        }
    }

    /// A message of ours was wrong. Most such errors are crossings, which the flow expects.
    fn error(&mut self, now: Duration, code: ErrorCode, about: Option<&str>, call: Option<CallId>) {
        match (about, code) {
            (Some("offering"), _) => self.call(now, |calls, cx| calls.offering_refused(cx, code)),
            (Some("claim"), _) => self.call(now, CallFlow::claim_refused),
            (Some("accept" | "confirm" | "calling"), ErrorCode::NoCall | ErrorCode::WrongStep) => {
                self.call(now, |calls, cx| calls.step_refused(cx, call));
            }
            (_, ErrorCode::NoCall | ErrorCode::WrongStep | ErrorCode::RateLimited) => {}
            _ => self.outputs.show_notice(Some(Notice::Error { code })),
        }
    }

    /// Steps the call flow.
    fn call(&mut self, now: Duration, step: impl FnOnce(&mut CallFlow, &mut Context<'_>)) {
        let logged_in = self.session.is_logged_in();
        step(&mut self.calls, &mut Context { now, logged_in, outputs: &mut self.outputs });
    }

    fn show_session(&mut self) {
        self.outputs.show_session(self.session.view());
    }

    /// After every step: shows the call, saves what a reload needs, and asks to be woken.
    fn flush_outputs(&mut self) {
        self.outputs.show_call(self.calls.view());
        let saved = self.session.saved(self.calls.saved_call());
        if self.saved != saved {
            self.saved.clone_from(&saved);
            self.outputs.push(Output::Save(saved));
        }
        let wake = self.session.deadline().into_iter().chain(self.calls.deadline()).min();
        if self.wake != wake {
            self.wake = wake;
            if let Some(at) = wake {
                self.outputs.push(Output::Wake(at));
            }
        }
    }
}
