//! Call flow: applies commands, server messages, media reports and deadlines to the client's one call.

mod ending;

use std::time::Duration;

use hutong_protocol::{
    CallId, CallTicket, CancelReason, ClientMessage, EndReason, ErrorCode, IceCandidate, IceServer, MediaKind, SdpKind,
    ServerMessage, Token, User, UserState, limits,
};

use crate::{
    call::{Call, MediaFlow, Membership, Negotiation, Role, Stage},
    call_record::{CallDirection, CallOutcome, CallRecord, Ending},
    cancels::PendingCancels,
    context::Context,
    io::Output,
    media::{Connectivity, MediaCommand, MediaEvent, MediaProblem, PeerId, WithoutMicrophone},
    view::{CallAgain, CallFailure, CallPhase, CallView, Notice},
};

/// Time for the answer to an offer on a slow network.
const ANSWER_TIME: Duration = Duration::from_secs(2);

/// How much later than the other side this one may notice that media does not start.
const FAILURE_MARGIN: Duration = Duration::from_secs(5);

/// How long to wait for the server's answer to `claim`: as long as the server keeps the call, and time for the message
/// to arrive.
const CLAIM_ANSWER_TIMEOUT: Duration = limits::CLAIM_WINDOW.saturating_add(Duration::from_secs(5));

/// The client's call, if there is one, and the state that outlasts a call.
#[derive(Clone, Debug, Hash)]
pub struct CallFlow {
    call: Option<Call>,
    cancels: PendingCancels,
    ice_servers: Vec<IceServer>,
    next_peer: u32,
}

// Queries and settings.
impl CallFlow {
    pub fn new() -> Self {
        Self { call: None, cancels: PendingCancels::default(), ice_servers: Vec::new(), next_peer: 1 }
    }

    /// The call as the interface shows it.
    pub fn view(&self) -> Option<CallView> {
        self.call.as_ref().map(Call::view)
    }

    /// When [`on_deadline`](Self::on_deadline) has to be called.
    pub fn deadline(&self) -> Option<Duration> {
        self.call.as_ref().and_then(Call::deadline)
    }

    /// The call that a reloaded page has to cancel.
    pub fn saved_call(&self) -> Option<CallId> {
        self.call.as_ref().and_then(Call::confirmed_id).or_else(|| self.cancels.newest())
    }

    /// Cancels that the server may not have received.
    pub const fn cancels(&mut self) -> &mut PendingCancels {
        &mut self.cancels
    }

    /// Sets the ICE servers for later connections, and for the next ICE restart of the call's connection: it allocates on
    /// the relay again.
    pub fn set_ice_servers(&mut self, cx: &mut Context<'_>, ice_servers: Vec<IceServer>) {
        if self.ice_servers == ice_servers {
            return;
        }
        let call = self.call.as_ref().filter(|call| !call.is_ending());
        if let Some(peer) = call.and_then(|call| call.peer) {
            cx.media(MediaCommand::SetIceServers { peer, ice_servers: ice_servers.clone() });
        }
        self.ice_servers = ice_servers;
    }

    /// Whether the server offers a relay (RFC 7065: `turn` and `turns` URIs).
    fn has_relay(&self) -> bool {
        self.ice_servers.iter().flat_map(|server| &server.urls).any(|url| url.starts_with("turn"))
    }

    const fn new_peer(&mut self) -> PeerId {
        let peer = PeerId(self.next_peer);
        self.next_peer = self.next_peer.wrapping_add(1);
        peer
    }
}

// Commands of the person, and the reload of the page.
impl CallFlow {
    pub fn start_call(&mut self, cx: &mut Context<'_>, to: Token, media: MediaKind) {
        let Some(with) = cx.outputs.user(to).cloned() else { return };
        if !cx.logged_in || self.call.is_some() {
            return;
        }
        if !with.state.can_be_called() {
            cx.send(ClientMessage::Missed { to, media });
            return cx.notice(Some(Notice::CannotCall { with: with.name, state: with.state }));
        }
        cx.notice(None);
        let peer = self.new_peer();
        self.call = Some(Call::outgoing(with, media, peer));
        cx.media(self.acquire(peer, media, WithoutMicrophone::Fail));
    }

    pub fn accept(&mut self, cx: &mut Context<'_>, media: MediaKind) {
        let peer = self.new_peer();
        let Some(call) = &mut self.call else { return };
        let Stage::Incoming { id, accepted } = call.stage else { return };
        call.stage = Stage::Accepting { id };
        call.media = media;
        call.peer = Some(peer);
        cx.notice(None);
        if !accepted {
            cx.send(ClientMessage::Accept { call: id, media });
        }
        cx.media(self.acquire(peer, media, WithoutMicrophone::Receive));
    }

    fn acquire(&self, peer: PeerId, media: MediaKind, without_microphone: WithoutMicrophone) -> MediaCommand {
        MediaCommand::Acquire { peer, media, without_microphone, ice_servers: self.ice_servers.clone() }
    }

    /// Declines, cancels or hangs up, depending on the stage.
    pub fn hang_up(&mut self, cx: &mut Context<'_>, reason: CancelReason) {
        let Some(call) = self.call.as_ref().filter(|call| !call.is_ending()) else { return };
        let reason = match (&call.stage, call.role) {
            (Stage::Established { .. }, _) => CancelReason::Hangup,
            (Stage::Incoming { .. } | Stage::Accepting { .. } | Stage::MakingOffer { .. }, _) => CancelReason::Declined,
            (_, Role::Caller) => CancelReason::Cancelled,
            (_, Role::Callee) => reason,
        };
        self.cancel(cx, reason);
    }

    /// Ends the call after a reload of the page, which destroyed peer connection and devices. A call that only rings
    /// goes on.
    pub fn page_reloaded(&mut self, cx: &mut Context<'_>) {
        let Some(call) = &mut self.call else { return };
        if matches!(call.stage, Stage::Incoming { .. }) {
            return;
        }
        call.peer = None;
        if call.is_ending() {
            self.release_if_closed(cx);
        } else {
            self.hang_up(cx, CancelReason::Hangup);
        }
    }
}

// Messages and errors of the server, and the connection to it.
impl CallFlow {
    pub fn message(&mut self, cx: &mut Context<'_>, message: ServerMessage) {
        match message {
            ServerMessage::Offering { call, from, media } => self.offered(cx, call, from, media),
            ServerMessage::Ringing { call, to } => self.ringing(cx, call, to),
            ServerMessage::Accepted { call, media: _ } => self.accepted(call),
            ServerMessage::Confirm { call, sdp, ticket } => self.confirmed(cx, call, sdp, ticket),
            ServerMessage::Calling { call, sdp, ticket } => self.calling(cx, call, sdp, ticket),
            ServerMessage::Candidate { call, candidate } => self.remote_candidate(cx, call, candidate),
            ServerMessage::Description { call, kind, sdp } => self.remote_description(cx, call, kind, sdp),
            ServerMessage::Ended { call, reason } => self.ended(cx, call, reason),
            ServerMessage::Claimed { call } => self.claimed(cx, call),
            ServerMessage::Missed { from, media } => {
                let (direction, outcome) = (CallDirection::Incoming, CallOutcome::WhileBusy);
                cx.outputs.push(Output::Record(CallRecord { with: from.name, direction, media, outcome }));
            }
            ServerMessage::Welcome { .. }
            | ServerMessage::IceServers { .. }
            | ServerMessage::Ticket { .. }
            | ServerMessage::Refused { .. }
            | ServerMessage::Presence { .. }
            | ServerMessage::Roster { .. }
            | ServerMessage::Error { .. }
            | ServerMessage::Pong => {}
        }
    }

    /// Handles an incoming `offering`. If this client is calling the same user at that moment, it accepts.
    fn offered(&mut self, cx: &mut Context<'_>, id: CallId, from: User, media: MediaKind) {
        let Some(call) = &mut self.call else {
            cx.notice(None);
            self.call = Some(Call::incoming(from, media, id));
            return;
        };
        match (&call.stage, call.with.token == from.token, call.peer) {
            (Stage::Acquiring, true, Some(_)) => {
                let media = call.media;
                (call.role, call.with, call.stage) = (Role::Callee, from, Stage::Accepting { id });
                cx.send(ClientMessage::Accept { call: id, media });
            }
            (Stage::Offering, true, Some(peer)) => {
                let media = call.media;
                (call.role, call.with, call.stage) = (Role::Callee, from, Stage::MakingOffer { id });
                cx.send(ClientMessage::Accept { call: id, media });
                cx.media(MediaCommand::CreateOffer { peer });
            }
            (Stage::Acquiring | Stage::Offering | Stage::Abandoned { .. } | Stage::Ending { .. }, _, peer) => {
                // The incoming call was first, and the server will reject ours; or the server ended the last call
                // before this client released it.
                if let Some(peer) = peer {
                    cx.media(MediaCommand::Close { peer });
                }
                self.call = Some(Call::incoming(from, media, id));
            }
            // Possible only while this client returns to a call. Its claim ends the incoming call; this cancel does if
            // the claim comes too late.
            _ => self.cancel_unknown_call(cx, id),
        }
    }

    fn ringing(&mut self, cx: &mut Context<'_>, id: CallId, to: Token) {
        match &mut self.call {
            Some(call) if call.stage == Stage::Offering && call.with.token == to => call.stage = Stage::Ringing { id },
            Some(call) if matches!(call.stage, Stage::Abandoned { .. }) => {
                call.stage = Stage::Ending { release: Some(id), until: cx.now + limits::ENDING_TIMEOUT };
                cx.send(ClientMessage::Cancel { call: id, reason: CancelReason::Cancelled });
                self.release_if_closed(cx);
            }
            _ => self.cancel_unknown_call(cx, id),
        }
    }

    fn accepted(&mut self, id: CallId) {
        if let Some(Call { stage: stage @ Stage::Ringing { .. }, .. }) = &mut self.call
            && *stage == (Stage::Ringing { id })
        {
            *stage = Stage::Accepted { id };
        }
    }

    fn confirmed(&mut self, cx: &mut Context<'_>, id: CallId, sdp: String, ticket: CallTicket) {
        let waiting = [Stage::Ringing { id }, Stage::Accepted { id }];
        match &mut self.call {
            Some(call)
                if waiting.contains(&call.stage)
                    && let Some(peer) = call.peer =>
            {
                cx.media(MediaCommand::CreateAnswer { peer, sdp });
                cx.add_candidates(peer, std::mem::take(&mut call.remote_candidates));
                call.stage = Stage::Answering { id, ticket };
            }
            _ => self.cancel_unknown_call(cx, id),
        }
    }

    fn calling(&mut self, cx: &mut Context<'_>, id: CallId, sdp: String, ticket: CallTicket) {
        match &mut self.call {
            Some(call)
                if call.stage == (Stage::AwaitingAnswer { id })
                    && let Some(peer) = call.peer =>
            {
                cx.media(MediaCommand::SetRemoteDescription { peer, kind: SdpKind::Answer, sdp, polite: true });
                cx.add_candidates(peer, std::mem::take(&mut call.remote_candidates));
                call.start_media(id, ticket, cx.now);
            }
            _ => self.cancel_unknown_call(cx, id),
        }
    }

    fn remote_candidate(&mut self, cx: &mut Context<'_>, id: CallId, candidate: IceCandidate) {
        let Some(call) = self.call.as_mut().filter(|call| call.id() == Some(id)) else { return };
        match (&call.stage, call.peer) {
            (Stage::Answering { .. } | Stage::Established { .. }, Some(peer)) => {
                cx.media(MediaCommand::AddCandidate { peer, candidate });
            }
            _ => Call::hold_candidate(&mut call.remote_candidates, candidate),
        }
    }

    fn remote_description(&mut self, cx: &mut Context<'_>, id: CallId, kind: SdpKind, sdp: String) {
        let Some(call) = self.call.as_mut().filter(|call| call.id() == Some(id)) else { return };
        if let (Stage::Established { negotiation, media, .. }, Some(peer)) = (&mut call.stage, call.peer) {
            match kind {
                SdpKind::Answer => *negotiation = Negotiation::Stable,
                // The engine answers it, and a restart of this side would discard it.
                SdpKind::Offer if call.role == Role::Callee || *negotiation == Negotiation::Stable => {
                    *media = media.postpone_restart(cx.now);
                }
                SdpKind::Offer => {}
            }
            cx.media(MediaCommand::SetRemoteDescription { peer, kind, sdp, polite: call.role == Role::Callee });
        }
    }

    fn ended(&mut self, cx: &mut Context<'_>, id: CallId, reason: EndReason) {
        match &self.call {
            Some(call) if call.id() == Some(id) => {
                let with = call.with.name.clone();
                // Both sides wait equally long for media, and the first `cancel` ends the call for both.
                let is_near = call.deadline().is_some_and(|at| at <= cx.now + FAILURE_MARGIN);
                let is_interrupted = call.view().phase == CallPhase::Reconnecting;
                let is_shared = reason == EndReason::Failed && (is_near || is_interrupted);
                let failure = if is_shared { call.media_failure(self.has_relay()) } else { None };
                // A missed call has no notice, which the next one would replace: it is listed.
                if !self.record(cx, Ending::Ended(reason)).is_some_and(|record| record.is_missed()) {
                    cx.notice(Some(match failure {
                        Some(failure) => Notice::CallFailed { with, failure },
                        None => Notice::CallEnded { with, reason },
                    }));
                }
                self.finish(cx, Some(id));
            }
            // Both sides ended the call: `released` follows once the devices are released.
            Some(call) if call.is_releasing(id) => {}
            _ => cx.send(ClientMessage::Released { call: id }),
        }
    }

    fn claimed(&mut self, cx: &mut Context<'_>, id: CallId) {
        match &mut self.call {
            Some(Call { role, stage: Stage::Established { id: mine, media, membership, negotiation, .. }, .. })
                if *mine == id =>
            {
                *membership = Membership::Member;
                // Candidates and ICE restarts since either connection was lost did not reach the other side.
                let at = cx.now + role.restart_delay_after_claim();
                *media = match negotiation {
                    Negotiation::Stable => media.expedite_restart(at),
                    Negotiation::OfferSent => media.require_restart(at),
                };
            }
            _ => self.cancel_unknown_call(cx, id),
        }
    }

    /// Cancels and releases a call that the server attributes to this client, but that is unknown or ended here.
    fn cancel_unknown_call(&self, cx: &mut Context<'_>, id: CallId) {
        let known = self.call.as_ref().is_some_and(|call| call.id() == Some(id) || call.is_releasing(id));
        if !known {
            cx.send(ClientMessage::Cancel { call: id, reason: CancelReason::Failed });
            cx.send(ClientMessage::Released { call: id });
        }
    }

    pub fn offering_rejected(&mut self, cx: &mut Context<'_>, code: ErrorCode) {
        let Some(call) = &self.call else { return };
        let with = call.with.clone();
        match call.stage {
            Stage::Offering => {
                if code == ErrorCode::TooManyCalls {
                    cx.notice(Some(Notice::Error { code }));
                    return self.finish(cx, None);
                }
                let known = cx.state_of(with.token);
                let state = match (code, known) {
                    (ErrorCode::NotOnline, _) => UserState::Offline,
                    // The presence change that made them busy is still being collected by the server.
                    (_, UserState::Online) => UserState::Connecting,
                    (_, known) => known,
                };
                cx.notice(Some(Notice::CannotCall { with: with.name, state }));
                self.finish(cx, None);
            }
            Stage::Abandoned { .. } => self.finish(cx, None),
            _ => {}
        }
    }

    pub fn claim_rejected(&mut self, cx: &mut Context<'_>) {
        if let Some(Call { stage: Stage::Established { membership: Membership::AwaitingClaim { .. }, .. }, .. }) =
            self.call
        {
            self.fail(cx, CallFailure::ServerLost);
        }
    }

    pub fn message_rejected(&mut self, cx: &mut Context<'_>, id: Option<CallId>) {
        if let Some(call) = self.call.as_ref().filter(|call| id.is_some() && call.id() == id) {
            let with = call.with.name.clone();
            cx.notice(Some(Notice::CallEnded { with, reason: EndReason::Failed }));
            self.cancel(cx, CancelReason::Failed);
        }
    }

    /// Handles the loss of the WebSocket. A call continues if its media has started to flow.
    pub fn connection_lost(&mut self, cx: &mut Context<'_>) {
        let Some(call) = &mut self.call else { return };
        match &mut call.stage {
            Stage::Established { media, membership, .. } if !matches!(media, MediaFlow::Starting { .. }) => {
                *membership = Membership::AwaitingClaim { until: cx.now + limits::CLAIM_WINDOW };
            }
            Stage::Ending { release, .. } => *release = None,
            Stage::Abandoned { .. } => self.finish(cx, None),
            _ => self.fail(cx, CallFailure::ServerLost),
        }
    }

    /// Ends the call because the server no longer knows this client's session.
    pub fn session_rejected(&mut self, cx: &mut Context<'_>) {
        if let Some(call) = self.call.as_ref().filter(|call| !call.is_ending()) {
            let (with, failure) = (call.with.name.clone(), CallFailure::ServerLost);
            cx.notice(Some(Notice::CallFailed { with, failure }));
        }
        self.end_with_session(cx);
    }

    /// Restarts ICE of an interrupted call without waiting: the network may have changed.
    pub fn check_connection(&mut self, cx: &mut Context<'_>) {
        let at = self.earliest_restart(cx.now);
        self.update_media(|media| media.expedite_restart(at));
    }

    /// Restarts ICE, because this side lost a network address.
    pub fn address_lost(&mut self, cx: &mut Context<'_>) {
        let at = self.earliest_restart(cx.now);
        self.update_media(|media| media.require_restart(at));
    }

    /// Not before the answer to the last offer may come: it would be taken for an answer to the next one.
    fn earliest_restart(&self, now: Duration) -> Duration {
        match &self.call {
            Some(Call { stage: Stage::Established { negotiation: Negotiation::OfferSent, .. }, .. }) => {
                now + ANSWER_TIME
            }
            _ => now,
        }
    }

    /// Whether a call's media flowed and is interrupted.
    pub fn is_interrupted(&self) -> bool {
        let is_interrupted = |call: &Call| call.view().phase == CallPhase::Reconnecting;
        self.call.as_ref().is_some_and(is_interrupted)
    }

    fn update_media(&mut self, update: impl FnOnce(MediaFlow) -> MediaFlow) {
        if let Some(Call { stage: Stage::Established { media, .. }, .. }) = &mut self.call {
            *media = update(*media);
        }
    }

    /// After a new login: sends the pending cancels, and claims a call that continued.
    pub fn welcome(&mut self, cx: &mut Context<'_>) {
        while let Some((call, reason)) = self.cancels.pop() {
            cx.send(ClientMessage::Cancel { call, reason });
        }
        let Some(Call { stage: Stage::Established { ticket, membership, .. }, .. }) = &mut self.call else { return };
        if let Membership::AwaitingClaim { until } = membership {
            *until = cx.now + CLAIM_ANSWER_TIMEOUT;
            let ticket = ticket.clone();
            cx.send(ClientMessage::Claim { ticket });
        }
    }
}

// Reports of the media engine.
impl CallFlow {
    pub fn media_event(&mut self, cx: &mut Context<'_>, event: MediaEvent) {
        let Some(call) = self.call.as_mut().filter(|call| call.peer == Some(event.peer())) else { return };
        match event {
            MediaEvent::Acquired { .. } => self.acquired(cx),
            MediaEvent::Problem { problem, .. } => self.problem(cx, problem),
            MediaEvent::LocalDescription { kind, sdp, .. } => self.local_description(cx, kind, sdp),
            MediaEvent::LocalCandidate { candidate, .. } => {
                call.gathered = call.gathered.with(&candidate);
                match call.stage {
                    Stage::AwaitingAnswer { id } | Stage::Established { id, .. } => {
                        cx.send(ClientMessage::Candidate { call: id, candidate });
                    }
                    Stage::MakingOffer { .. } | Stage::Answering { .. } => {
                        Call::hold_candidate(&mut call.local_candidates, candidate);
                    }
                    _ => {}
                }
            }
            MediaEvent::Connectivity { state, .. } => self.connectivity(cx, state),
            MediaEvent::LocalNetworkBlocked { .. } => call.gathered = call.gathered.blocked(),
            MediaEvent::Closed { .. } => {
                call.peer = None;
                if call.is_ending() {
                    self.release_if_closed(cx);
                } else {
                    self.cancel(cx, CancelReason::Failed);
                }
            }
        }
    }

    fn acquired(&mut self, cx: &mut Context<'_>) {
        let Some(call) = &mut self.call else { return };
        match (&call.stage, call.peer) {
            (Stage::Acquiring, _) => {
                let state = cx.state_of(call.with.token);
                if state.can_be_called() {
                    call.stage = Stage::Offering;
                    cx.send(ClientMessage::Offering { to: call.with.token, media: call.media });
                } else {
                    cx.notice(Some(Notice::CannotCall { with: call.with.name.clone(), state }));
                    self.finish(cx, None);
                }
            }
            (&Stage::Accepting { id }, Some(peer)) => {
                call.stage = Stage::MakingOffer { id };
                cx.media(MediaCommand::CreateOffer { peer });
            }
            _ => {}
        }
    }

    fn problem(&mut self, cx: &mut Context<'_>, problem: MediaProblem) {
        let Some(call) = &mut self.call else { return };
        match call.stage {
            Stage::Acquiring => {
                let with = call.with.token;
                let allows_voice_call = call.media == MediaKind::Video && problem.allows_voice_call();
                let user = cx.outputs.user(with).cloned();
                let again = user.clone().filter(|_| problem == MediaProblem::NotAllowedYet);
                let again = again.map(|user| CallAgain { user, media: call.media });
                let voice_instead = user.filter(|_| allows_voice_call);
                cx.notice(Some(Notice::Media { problem, voice_instead, again }));
                self.finish(cx, None);
            }
            Stage::Accepting { id } => {
                // The person can still accept with voice, or grant the permission and accept again.
                call.stage = Stage::Incoming { id, accepted: true };
                if let Some(peer) = call.peer.take() {
                    cx.media(MediaCommand::Close { peer });
                }
                cx.notice(Some(Notice::Media { problem, voice_instead: None, again: None }));
            }
            Stage::Ending { .. } | Stage::Abandoned { .. } => {}
            _ => {
                cx.notice(Some(Notice::Media { problem, voice_instead: None, again: None }));
                self.cancel(cx, CancelReason::Failed);
            }
        }
    }

    fn local_description(&mut self, cx: &mut Context<'_>, kind: SdpKind, sdp: String) {
        let Some(call) = &mut self.call else { return };
        let (id, message) = match (&mut call.stage, kind) {
            (&mut Stage::MakingOffer { id }, SdpKind::Offer) => {
                call.stage = Stage::AwaitingAnswer { id };
                (id, ClientMessage::Confirm { call: id, sdp })
            }
            (Stage::Answering { id, ticket }, SdpKind::Answer) => {
                let (id, ticket) = (*id, ticket.clone());
                call.start_media(id, ticket, cx.now);
                (id, ClientMessage::Calling { call: id, sdp })
            }
            (Stage::Established { id, negotiation, media, .. }, kind) => {
                let id = *id;
                // Either is a restart, and an answer may be to an offer for which this side rolled back its own.
                *media = media.after_restart();
                *negotiation = match kind {
                    SdpKind::Offer => Negotiation::OfferSent,
                    SdpKind::Answer => Negotiation::Stable,
                };
                return cx.send(ClientMessage::Description { call: id, kind, sdp });
            }
            _ => return,
        };
        let candidates = std::mem::take(&mut call.local_candidates);
        cx.send(message);
        for candidate in candidates {
            cx.send(ClientMessage::Candidate { call: id, candidate });
        }
    }

    fn connectivity(&mut self, cx: &mut Context<'_>, state: Connectivity) {
        let Some(role) = self.call.as_ref().map(|call| call.role) else { return };
        self.update_media(|media| media.after_connectivity(state, role, cx.now));
    }
}
