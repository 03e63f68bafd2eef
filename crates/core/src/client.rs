//! The client as a state machine: dispatches inputs to session, roster and call, and collects their outputs.

use std::time::Duration;

use hutong_protocol::{CallId, CancelReason, ErrorCode, RefusedCode, ServerMessage, User, UserState};

use crate::{
    call_flow::CallFlow,
    context::Context,
    heartbeat::INTERRUPTED_TIMEOUT,
    io::{Command, Input, Output, SavedSession, SocketEvent},
    media::MediaEvent,
    outputs::Outputs,
    roster_filter::RosterFilter,
    session_flow::{ClosedSocket, Refusal, SessionFlow},
    view::{Notice, RetryReason, View, ViewUpdate},
};

/// Configuration of a [`Client`].
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Seed for the jitter of reconnects. Not a secret.
    pub seed: u64,
    /// Whether the client detects a connection that is lost without being closed.
    pub heartbeat: HeartbeatMode,
    /// State that this page saved before a reload: the client resumes that session without a command.
    pub saved: Option<SavedSession>,
}

/// Whether a client sends pings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HeartbeatMode {
    /// It pings a silent server, and reconnects without an answer.
    #[default]
    Enabled,
    /// It relies on its driver to report each lost connection: for models and for measuring without pings.
    Disabled,
}

/// Client of one server, as a state machine without I/O.
///
/// All times are of one monotonic clock with any epoch. `Hash` covers the whole state, so that the model checker
/// (`crates/model`) recognizes equal states.
#[derive(Clone, Debug, Hash)]
pub struct Client {
    session: SessionFlow,
    roster_filter: RosterFilter,
    calls: CallFlow,
    outputs: Outputs,
    saved: Option<SavedSession>,
    wake: Option<Duration>,
}

impl Client {
    /// Creates a client. With a saved session, it starts by connecting.
    #[must_use]
    pub fn new(config: Config, now: Duration) -> Self {
        let mut client = Self {
            session: SessionFlow::new(config.seed, config.heartbeat == HeartbeatMode::Enabled),
            roster_filter: RosterFilter::default(),
            calls: CallFlow::new(),
            outputs: Outputs::default(),
            saved: config.saved.clone(),
            wake: None,
        };
        if let Some(SavedSession { name, ticket, call }) = config.saved {
            if let Some(call) = call {
                client.calls.cancels().push((call, CancelReason::Hangup));
            }
            client.session.resume(now, name, ticket, &mut client.outputs);
            client.show_session();
            client.flush_outputs();
        }
        client
    }

    /// Processes an input. Afterwards the driver calls [`poll_output`](Self::poll_output) until it returns `None`.
    pub fn handle(&mut self, now: Duration, input: Input) {
        match input {
            Input::Command(command) => self.handle_command(now, command),
            Input::Socket(SocketEvent::Opened) => self.session.socket_opened(now, &mut self.outputs),
            Input::Socket(SocketEvent::Closed) => self.connection_lost(now, RetryReason::ServerUnreachable),
            Input::Socket(SocketEvent::Refused) => self.connection_lost(now, RetryReason::SocketRefused),
            Input::Message(message) => self.handle_message(now, message),
            Input::Media(event) => self.handle_media_event(now, event),
            Input::InvitationKey(key) => self.session.set_invitation_key(key),
            Input::PageReloaded => self.step_call(now, CallFlow::page_reloaded),
            Input::CheckConnection => self.check_connection(now, CallFlow::check_connection),
            Input::AddressLost => self.check_connection(now, CallFlow::address_lost),
            Input::Tick => {}
        }
        if self.session.on_deadline(now, &mut self.outputs) {
            self.connection_lost(now, RetryReason::ServerUnreachable);
        }
        self.step_call(now, CallFlow::on_deadline);
        self.flush_outputs();
    }

    /// The next action for the driver.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop()
    }

    /// The view after all [`Output::Show`]s so far, taken or queued.
    #[must_use]
    pub const fn view(&self) -> &View {
        self.outputs.view()
    }

    fn handle_command(&mut self, now: Duration, command: Command) {
        match command {
            Command::LogIn { name, secret } => {
                if self.session.log_in(now, name, secret, &mut self.outputs) {
                    self.outputs.show_total(None);
                    self.show_session();
                }
            }
            Command::LogInEndingCall => {
                if self.session.log_in_ending_call(now, &mut self.outputs) {
                    self.show_session();
                }
            }
            Command::LogOut => self.log_out(now),
            Command::Call { to, media } => self.step_call(now, |calls, cx| calls.start_call(cx, to, media)),
            Command::Accept { media } => self.step_call(now, |calls, cx| calls.accept(cx, media)),
            Command::Decline => self.step_call(now, |calls, cx| calls.hang_up(cx, CancelReason::Declined)),
            Command::HangUp => self.step_call(now, |calls, cx| calls.hang_up(cx, CancelReason::Hangup)),
            Command::SetRosterFilter { query, names } => {
                let message = self.roster_filter.set(&query, names);
                if self.view().total.is_some() && self.session.is_logged_in() {
                    message.into_iter().for_each(|message| self.outputs.send(message));
                }
            }
            Command::DismissNotice => self.outputs.show_notice(None),
        }
    }

    fn handle_message(&mut self, now: Duration, message: ServerMessage) {
        self.session.received(now);
        match message {
            ServerMessage::Welcome { me, ticket, ice_servers, limits: _, users, total } => {
                // Before the claim: the restarts after it use them.
                self.step_call(now, |calls, cx| calls.set_ice_servers(cx, ice_servers));
                if self.session.welcome(now, me, ticket) {
                    self.show_session();
                    // The server has no filter for this connection yet: forget the total, so that `handle_roster` sends
                    // it.
                    self.outputs.show_total(None);
                    self.handle_roster(users, total);
                    self.step_call(now, CallFlow::welcome);
                }
            }
            ServerMessage::IceServers { ice_servers } => {
                self.step_call(now, |calls, cx| calls.set_ice_servers(cx, ice_servers));
            }
            ServerMessage::Ticket { ticket } => self.session.renew_ticket(ticket),
            ServerMessage::Refused { code, message: _ } => self.handle_refusal(now, code),
            ServerMessage::Presence { changes, total } => {
                if total.is_some() {
                    self.outputs.show_total(total);
                }
                self.handle_presence(changes);
            }
            ServerMessage::Roster { users, total } => self.handle_roster(users, total),
            ServerMessage::Error { code, message: _, about, call } => {
                self.handle_error(now, code, about.as_deref(), call)
            }
            call_message => self.step_call(now, |calls, cx| calls.message(cx, call_message)),
        }
    }

    fn log_out(&mut self, now: Duration) {
        self.step_call(now, CallFlow::end_with_session);
        self.session.log_out(&mut self.outputs);
        self.clear_roster();
        self.calls.cancels().clear();
        self.outputs.show_notice(None);
        self.show_session();
    }

    /// Handles a report of the media engine. Interrupted media often means that the connection to the server is lost as well,
    /// and an ICE restart needs it.
    fn handle_media_event(&mut self, now: Duration, event: MediaEvent) {
        let was_interrupted = self.calls.is_interrupted();
        self.step_call(now, |calls, cx| calls.media_event(cx, event));
        if self.calls.is_interrupted() && !was_interrupted {
            self.session.check_socket(now, INTERRUPTED_TIMEOUT, &mut self.outputs);
        }
    }

    fn check_connection(&mut self, now: Duration, check_call: impl FnOnce(&mut CallFlow, &mut Context<'_>)) {
        self.session.check_connection(now, &mut self.outputs);
        self.step_call(now, check_call);
    }

    /// Handles a WebSocket that closed or could not be opened.
    fn connection_lost(&mut self, now: Duration, reason: RetryReason) {
        let Some(lost) = self.session.connection_lost(now, self.view().online(), reason) else { return };
        self.calls.cancels().connection_lost();
        self.show_session();
        if lost == ClosedSocket::Session {
            self.step_call(now, CallFlow::connection_lost);
        }
    }

    fn handle_refusal(&mut self, now: Duration, code: RefusedCode) {
        match self.session.refused(now, code, &mut self.outputs) {
            Refusal::Stale => {}
            Refusal::Retry => self.connection_lost(now, RetryReason::Refused(code)),
            Refusal::TicketDropped => {
                self.step_call(now, CallFlow::session_rejected);
                self.calls.cancels().clear();
                self.show_session();
            }
            refusal @ (Refusal::Replaced | Refusal::Final) => {
                self.clear_roster();
                self.show_session();
                self.step_call(now, CallFlow::end_with_session);
                if refusal == Refusal::Final {
                    self.calls.cancels().clear();
                }
            }
        }
    }

    /// Handles a roster, whole or partial.
    fn handle_roster(&mut self, users: Vec<User>, total: Option<u32>) {
        let becomes_partial = self.view().total.is_none() && total.is_some();
        self.outputs.show(ViewUpdate::Roster(users));
        self.outputs.show_total(total);
        if becomes_partial && self.session.is_logged_in() {
            self.roster_filter.initial_message().into_iter().for_each(|message| self.outputs.send(message));
        }
    }

    fn clear_roster(&mut self) {
        if !self.view().users.is_empty() {
            self.outputs.show(ViewUpdate::Roster(Vec::new()));
        }
        self.outputs.show_total(None);
    }

    fn handle_presence(&mut self, mut changes: Vec<User>) {
        let me = self.session.me_logged_in().map(|me| me.token);
        // A report that this user is offline is outdated when it arrives: the client is connected again.
        if let Some(index) = changes.iter().position(|user| Some(user.token) == me) {
            let state = changes.swap_remove(index).state;
            if state != UserState::Offline {
                if matches!(state, UserState::Ending | UserState::Online) {
                    self.calls.cancels().acknowledged();
                }
                self.session.set_own_state(state);
                self.show_session();
            }
        }
        if !changes.is_empty() {
            self.outputs.show(ViewUpdate::Users(changes));
        }
    }

    /// Handles an error about one of this client's messages. Most result from messages that crossed, and are expected.
    fn handle_error(&mut self, now: Duration, code: ErrorCode, about: Option<&str>, call: Option<CallId>) {
        match (about, code) {
            (Some("offering"), _) => self.step_call(now, |calls, cx| calls.offering_rejected(cx, code)),
            (Some("claim"), _) => self.step_call(now, CallFlow::claim_rejected),
            (Some("accept" | "confirm" | "calling"), ErrorCode::NoCall | ErrorCode::WrongStep) => {
                self.step_call(now, |calls, cx| calls.message_rejected(cx, call));
            }
            // An older server does not know these, but answers.
            (Some("ping" | "missed"), _) | (_, ErrorCode::NoCall | ErrorCode::WrongStep | ErrorCode::RateLimited) => {}
            _ => self.outputs.show_notice(Some(Notice::Error { code })),
        }
    }

    /// Runs one step of the call flow.
    fn step_call(&mut self, now: Duration, step: impl FnOnce(&mut CallFlow, &mut Context<'_>)) {
        let logged_in = self.session.is_logged_in();
        step(&mut self.calls, &mut Context { now, logged_in, outputs: &mut self.outputs });
    }

    fn show_session(&mut self) {
        self.outputs.show_session(self.session.view());
    }

    /// After every input: queues the changed call view, the changed saved session and the next wake-up.
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
