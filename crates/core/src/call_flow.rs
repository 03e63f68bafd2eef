//! The call flow: what the person, the server and the media engine do to the call.

use std::time::Duration;

use hutong_protocol::{
    CallId, CancelReason, ClientMessage, EndReason, ErrorCode, IceCandidate, IceServer, MediaKind, SdpKind,
    ServerMessage, Ticket, Token, User, UserState, limits,
};

use crate::{
    call::{Call, MediaFlow, Membership, OFFERING_ANSWER, Role, Stage},
    cancels::PendingCancels,
    context::Context,
    media::{Connectivity, MediaCommand, MediaEvent, MediaProblem, PeerId},
    view::{CallView, Notice},
};

/// The bound on how long an unclaimed call is kept after the server is back: its own bound, and time for its word to come.
const CLAIM_ANSWER: Duration = limits::CLAIM.saturating_add(Duration::from_secs(5));

/// The call, if there is one, and what outlives it.
#[derive(Clone, Debug, Hash)]
pub struct CallFlow {
    call: Option<Call>,
    cancels: PendingCancels,
    ice_servers: Vec<IceServer>,
    next_peer: u32,
}

// What the client asks of it.
impl CallFlow {
    pub fn new() -> Self {
        Self { call: None, cancels: PendingCancels::default(), ice_servers: Vec::new(), next_peer: 1 }
    }

    /// The call as the interface shows it.
    pub fn view(&self) -> Option<CallView> {
        self.call.as_ref().map(Call::view)
    }

    /// When [`due`](Self::due) has something to do.
    pub fn deadline(&self) -> Option<Duration> {
        self.call.as_ref().and_then(Call::deadline)
    }

    /// The call that a reloaded page would have to cancel.
    pub fn saved_call(&self) -> Option<CallId> {
        self.call.as_ref().and_then(Call::confirmed_id).or_else(|| self.cancels.newest())
    }

    /// Calls that the server does not know to be cancelled.
    pub const fn cancels(&mut self) -> &mut PendingCancels {
        &mut self.cancels
    }

    pub fn set_ice_servers(&mut self, ice_servers: Vec<IceServer>) {
        self.ice_servers = ice_servers;
    }

    const fn new_peer(&mut self) -> PeerId {
        let peer = PeerId(self.next_peer);
        self.next_peer = self.next_peer.wrapping_add(1);
        peer
    }
}

// What the person does.
impl CallFlow {
    pub fn start_call(&mut self, cx: &mut Context<'_>, to: Token, media: MediaKind) {
        let Some(with) = cx.outputs.user(to).cloned() else { return };
        if !cx.logged_in || self.call.is_some() {
            return;
        }
        if !with.state.can_be_called() {
            return cx.notice(Some(Notice::CannotCall { with: with.name, state: with.state }));
        }
        cx.notice(None);
        let peer = self.new_peer();
        self.call = Some(Call::outgoing(with, media, peer));
        cx.media(MediaCommand::Acquire { peer, media, ice_servers: self.ice_servers.clone() });
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
        cx.media(MediaCommand::Acquire { peer, media, ice_servers: self.ice_servers.clone() });
    }

    /// Declines, gives up or hangs up, whichever it is at this stage.
    pub fn hang_up(&mut self, cx: &mut Context<'_>, reason: CancelReason) {
        let Some(call) = self.call.as_ref().filter(|call| !call.is_ending()) else { return };
        let reason = match (&call.stage, call.role) {
            (Stage::Set { .. }, _) => CancelReason::Hangup,
            (Stage::Incoming { .. } | Stage::Accepting { .. } | Stage::MakingOffer { .. }, _) => CancelReason::Declined,
            (_, Role::Caller) => CancelReason::Cancelled,
            (_, Role::Target) => reason,
        };
        self.cancel(cx, reason);
    }

    /// The interface was loaded anew: peer connection and devices went with the old one.
    pub fn interface_reloaded(&mut self, cx: &mut Context<'_>) {
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

// What the server says.
impl CallFlow {
    pub fn message(&mut self, cx: &mut Context<'_>, message: ServerMessage) {
        match message {
            ServerMessage::Offering { call, from, media } => self.rung(cx, call, from, media),
            ServerMessage::Ringing { call, to } => self.ringing(cx, call, to),
            ServerMessage::Accepted { call, media: _ } => self.accepted(call),
            ServerMessage::Confirm { call, sdp, ticket } => self.confirmed(cx, call, sdp, ticket),
            ServerMessage::Calling { call, sdp, ticket } => self.calling(cx, call, sdp, ticket),
            ServerMessage::Candidate { call, candidate } => self.remote_candidate(cx, call, candidate),
            ServerMessage::Description { call, kind, sdp } => self.remote_description(cx, call, kind, sdp),
            ServerMessage::Ended { call, reason } => self.ended(cx, call, reason),
            ServerMessage::Claimed { call } => self.claimed(cx, call),
            ServerMessage::Welcome { .. }
            | ServerMessage::Refused { .. }
            | ServerMessage::Presence { .. }
            | ServerMessage::Roster { .. }
            | ServerMessage::Error { .. } => {}
        }
    }

    /// Somebody calls. If we are calling them at this moment, that is a yes.
    fn rung(&mut self, cx: &mut Context<'_>, id: CallId, from: User, media: MediaKind) {
        let Some(call) = &mut self.call else {
            cx.notice(None);
            self.call = Some(Call::incoming(from, media, id));
            return;
        };
        match (&call.stage, call.with.token == from.token, call.peer) {
            (Stage::Acquiring, true, Some(_)) => {
                let media = call.media;
                (call.role, call.with, call.stage) = (Role::Target, from, Stage::Accepting { id });
                cx.send(ClientMessage::Accept { call: id, media });
            }
            (Stage::Offering, true, Some(peer)) => {
                let media = call.media;
                (call.role, call.with, call.stage) = (Role::Target, from, Stage::MakingOffer { id });
                cx.send(ClientMessage::Accept { call: id, media });
                cx.media(MediaCommand::Offer { peer });
            }
            (Stage::Acquiring | Stage::Offering | Stage::GivenUp { .. } | Stage::Ending { .. }, _, peer) => {
                // Theirs came first, and ours will be refused. Or the server has let go of the last call before us.
                if let Some(peer) = peer {
                    cx.media(MediaCommand::Close { peer });
                }
                self.call = Some(Call::incoming(from, media, id));
            }
            // Only while we come back into a call: our claim ends that ring, and if the claim comes too late, this does.
            _ => self.not_ours(cx, id),
        }
    }

    fn ringing(&mut self, cx: &mut Context<'_>, id: CallId, to: Token) {
        match &mut self.call {
            Some(call) if call.stage == Stage::Offering && call.with.token == to => call.stage = Stage::Ringing { id },
            Some(call) if matches!(call.stage, Stage::GivenUp { .. }) => {
                call.stage = Stage::Ending { release: Some(id), until: cx.now + limits::ENDING };
                cx.send(ClientMessage::Cancel { call: id, reason: CancelReason::Cancelled });
                self.release_if_closed(cx);
            }
            _ => self.not_ours(cx, id),
        }
    }

    fn accepted(&mut self, id: CallId) {
        if let Some(Call { stage: stage @ Stage::Ringing { .. }, .. }) = &mut self.call
            && *stage == (Stage::Ringing { id })
        {
            *stage = Stage::Accepted { id };
        }
    }

    fn confirmed(&mut self, cx: &mut Context<'_>, id: CallId, sdp: String, ticket: Ticket) {
        let waiting = [Stage::Ringing { id }, Stage::Accepted { id }];
        match &mut self.call {
            Some(call)
                if waiting.contains(&call.stage)
                    && let Some(peer) = call.peer =>
            {
                cx.media(MediaCommand::Answer { peer, sdp });
                cx.add_candidates(peer, std::mem::take(&mut call.remote_candidates));
                call.stage = Stage::Answering { id, ticket };
            }
            _ => self.not_ours(cx, id),
        }
    }

    fn calling(&mut self, cx: &mut Context<'_>, id: CallId, sdp: String, ticket: Ticket) {
        match &mut self.call {
            Some(call)
                if call.stage == (Stage::AwaitingAnswer { id })
                    && let Some(peer) = call.peer =>
            {
                cx.media(MediaCommand::Remote { peer, kind: SdpKind::Answer, sdp, polite: true });
                cx.add_candidates(peer, std::mem::take(&mut call.remote_candidates));
                call.start_media(id, ticket, cx.now);
            }
            _ => self.not_ours(cx, id),
        }
    }

    fn remote_candidate(&mut self, cx: &mut Context<'_>, id: CallId, candidate: IceCandidate) {
        let Some(call) = self.call.as_mut().filter(|call| call.id() == Some(id)) else { return };
        match (&call.stage, call.peer) {
            (Stage::Answering { .. } | Stage::Set { .. }, Some(peer)) => {
                cx.media(MediaCommand::AddCandidate { peer, candidate });
            }
            _ => Call::hold(&mut call.remote_candidates, candidate),
        }
    }

    fn remote_description(&mut self, cx: &mut Context<'_>, id: CallId, kind: SdpKind, sdp: String) {
        let Some(call) = self.call.as_ref().filter(|call| call.id() == Some(id)) else { return };
        if let (Stage::Set { .. }, Some(peer)) = (&call.stage, call.peer) {
            cx.media(MediaCommand::Remote { peer, kind, sdp, polite: call.role == Role::Target });
        }
    }

    fn ended(&mut self, cx: &mut Context<'_>, id: CallId, reason: EndReason) {
        match &self.call {
            Some(call) if call.id() == Some(id) => {
                let with = call.with.name.clone();
                cx.notice(Some(Notice::CallEnded { with, reason }));
                self.finish(cx, Some(id));
            }
            // Both have ended it: ours is said when the devices are let go.
            Some(call) if call.is_releasing(id) => {}
            _ => cx.send(ClientMessage::Released { call: id }),
        }
    }

    fn claimed(&mut self, cx: &mut Context<'_>, id: CallId) {
        match &mut self.call {
            Some(Call { stage: Stage::Set { id: mine, media, membership, .. }, .. }) if *mine == id => {
                *membership = Membership::Member;
                // Candidates and restarts of the meantime were lost with the connection.
                *media = media.expedite_restart(cx.now + limits::PRESENCE_GATHER);
            }
            _ => self.not_ours(cx, id),
        }
    }

    /// The server is in a call with us that we know nothing of, or know to be over: let it know.
    fn not_ours(&self, cx: &mut Context<'_>, id: CallId) {
        let known = self.call.as_ref().is_some_and(|call| call.id() == Some(id) || call.is_releasing(id));
        if !known {
            cx.send(ClientMessage::Cancel { call: id, reason: CancelReason::Failed });
            cx.send(ClientMessage::Released { call: id });
        }
    }

    pub fn offering_refused(&mut self, cx: &mut Context<'_>, code: ErrorCode) {
        let Some(call) = &self.call else { return };
        let with = call.with.clone();
        match call.stage {
            Stage::Offering => {
                let known = cx.state_of(with.token);
                let state = match (code, known) {
                    (ErrorCode::NotOnline, _) => UserState::Offline,
                    // The change that made them busy is still being gathered.
                    (_, UserState::Online) => UserState::Connecting,
                    (_, known) => known,
                };
                cx.notice(Some(Notice::CannotCall { with: with.name, state }));
                self.finish(cx, None);
            }
            Stage::GivenUp { .. } => self.finish(cx, None),
            _ => {}
        }
    }

    pub fn claim_refused(&mut self, cx: &mut Context<'_>) {
        if let Some(Call { stage: Stage::Set { membership: Membership::AwaitingClaim { .. }, .. }, .. }) = self.call {
            self.fail(cx, EndReason::Gone);
        }
    }

    pub fn step_refused(&mut self, cx: &mut Context<'_>, id: Option<CallId>) {
        if id.is_some() && self.call.as_ref().and_then(Call::id) == id {
            self.fail(cx, EndReason::Failed);
        }
    }

    /// The connection to the server is lost. A call outlives that once its media flows.
    pub fn link_down(&mut self, cx: &mut Context<'_>) {
        let Some(call) = &mut self.call else { return };
        match &mut call.stage {
            Stage::Set { media: MediaFlow::Flowing | MediaFlow::Interrupted { .. }, membership, .. } => {
                *membership = Membership::AwaitingClaim { until: cx.now + limits::CLAIM };
            }
            Stage::Ending { release, .. } => *release = None,
            Stage::GivenUp { .. } => self.finish(cx, None),
            _ => self.fail(cx, EndReason::Gone),
        }
    }

    /// The server is back: cancels what was ended meanwhile, and claims the call that goes on.
    pub fn welcome(&mut self, cx: &mut Context<'_>) {
        while let Some((call, reason)) = self.cancels.pop() {
            cx.send(ClientMessage::Cancel { call, reason });
        }
        let Some(Call { stage: Stage::Set { ticket, membership, .. }, .. }) = &mut self.call else { return };
        if let Membership::AwaitingClaim { until } = membership {
            *until = cx.now + CLAIM_ANSWER;
            let ticket = ticket.clone();
            cx.send(ClientMessage::Claim { ticket });
        }
    }
}

// What the media engine reports.
impl CallFlow {
    pub fn media_event(&mut self, cx: &mut Context<'_>, event: MediaEvent) {
        let Some(call) = self.call.as_mut().filter(|call| call.peer == Some(event.peer())) else { return };
        match event {
            MediaEvent::Acquired { .. } => self.acquired(cx),
            MediaEvent::Problem { problem, .. } => self.problem(cx, problem),
            MediaEvent::LocalDescription { kind, sdp, .. } => self.local_description(cx, kind, sdp),
            MediaEvent::LocalCandidate { candidate, .. } => match call.stage {
                Stage::AwaitingAnswer { id } | Stage::Set { id, .. } => {
                    cx.send(ClientMessage::Candidate { call: id, candidate });
                }
                Stage::MakingOffer { .. } | Stage::Answering { .. } => {
                    Call::hold(&mut call.local_candidates, candidate);
                }
                _ => {}
            },
            MediaEvent::Connectivity { state, .. } => self.connectivity(cx, state),
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
                cx.media(MediaCommand::Offer { peer });
            }
            _ => {}
        }
    }

    fn problem(&mut self, cx: &mut Context<'_>, problem: MediaProblem) {
        let Some(call) = &mut self.call else { return };
        match call.stage {
            Stage::Acquiring => {
                let with = call.with.token;
                let voice_would_do = call.media == MediaKind::Video && problem.voice_would_do();
                let voice_instead = if voice_would_do { cx.outputs.user(with).cloned() } else { None };
                cx.notice(Some(Notice::Media { problem, voice_instead }));
                self.finish(cx, None);
            }
            Stage::Accepting { id } => {
                // Still time to answer by voice, or to grant the permission and try again.
                call.stage = Stage::Incoming { id, accepted: true };
                if let Some(peer) = call.peer.take() {
                    cx.media(MediaCommand::Close { peer });
                }
                cx.notice(Some(Notice::Media { problem, voice_instead: None }));
            }
            Stage::Ending { .. } | Stage::GivenUp { .. } => {}
            _ => {
                cx.notice(Some(Notice::Media { problem, voice_instead: None }));
                self.cancel(cx, CancelReason::Failed);
            }
        }
    }

    fn local_description(&mut self, cx: &mut Context<'_>, kind: SdpKind, sdp: String) {
        let Some(call) = &mut self.call else { return };
        let (id, message) = match (&call.stage, kind) {
            (&Stage::MakingOffer { id }, SdpKind::Offer) => {
                call.stage = Stage::AwaitingAnswer { id };
                (id, ClientMessage::Confirm { call: id, sdp })
            }
            (Stage::Answering { id, ticket }, SdpKind::Answer) => {
                let (id, ticket) = (*id, ticket.clone());
                call.start_media(id, ticket, cx.now);
                (id, ClientMessage::Calling { call: id, sdp })
            }
            (&Stage::Set { id, .. }, kind) => return cx.send(ClientMessage::Description { call: id, kind, sdp }),
            _ => return,
        };
        let candidates = std::mem::take(&mut call.local_candidates);
        cx.send(message);
        for candidate in candidates {
            cx.send(ClientMessage::Candidate { call: id, candidate });
        }
    }

    fn connectivity(&mut self, cx: &mut Context<'_>, state: Connectivity) {
        let Some(call) = &mut self.call else { return };
        let Stage::Set { media, .. } = &mut call.stage else { return };
        *media = media.changed(state, call.role, cx.now);
    }
}

// The passing of time, and how a call ends here.
impl CallFlow {
    /// Does what is due for the call.
    pub fn due(&mut self, cx: &mut Context<'_>) {
        let Some(call) = &mut self.call else { return };
        if call.deadline().is_none_or(|at| at > cx.now) {
            return;
        }
        match &mut call.stage {
            Stage::GivenUp { .. } => self.finish(cx, None),
            Stage::Ending { .. } => {
                // The server has let go by itself, too. What the engine still holds, it lets go of when it can.
                call.peer = None;
                self.release_if_closed(cx);
            }
            Stage::Set { membership: Membership::AwaitingClaim { until }, .. } if *until <= cx.now => {
                self.fail(cx, EndReason::Gone);
            }
            Stage::Set { media: MediaFlow::Starting { until } | MediaFlow::Interrupted { until, .. }, .. }
                if *until <= cx.now =>
            {
                self.fail(cx, EndReason::Failed);
            }
            Stage::Set { media, membership, .. } => {
                let member = *membership == Membership::Member;
                *media = media.restarted(cx.now);
                if let (true, Some(peer)) = (member, call.peer) {
                    cx.media(MediaCommand::RestartIce { peer });
                }
            }
            _ => {}
        }
    }

    /// Ends the call because of something that the person did not do.
    fn fail(&mut self, cx: &mut Context<'_>, reason: EndReason) {
        if let Some(call) = &self.call {
            let with = call.with.name.clone();
            cx.notice(Some(Notice::CallEnded { with, reason }));
            self.cancel(cx, CancelReason::Failed);
        }
    }

    /// Ends the call, and sends the cancel to the server: now, or after reconnecting.
    fn cancel(&mut self, cx: &mut Context<'_>, reason: CancelReason) {
        let Some(call) = &mut self.call else { return };
        if call.stage == Stage::Offering && cx.logged_in {
            call.stage = Stage::GivenUp { until: cx.now + OFFERING_ANSWER };
            if let Some(peer) = call.peer {
                cx.media(MediaCommand::Close { peer });
            }
            return;
        }
        let (id, confirmed) = (call.id(), call.confirmed_id());
        if cx.logged_in {
            if let Some(call) = id {
                cx.send(ClientMessage::Cancel { call, reason });
            }
            self.cancels.sent(confirmed.map(|call| (call, reason)));
            self.finish(cx, id);
        } else {
            if let Some(call) = confirmed {
                self.cancels.push((call, reason));
            }
            self.finish(cx, None);
        }
    }

    /// Ends the call here: lets go of its devices, then says so if there is a call to release on the server.
    fn finish(&mut self, cx: &mut Context<'_>, release: Option<CallId>) {
        let Some(call) = &mut self.call else { return };
        let closing = call.is_ending();
        call.stage = Stage::Ending { release, until: cx.now + limits::ENDING };
        match call.peer {
            Some(peer) if !closing => cx.media(MediaCommand::Close { peer }),
            Some(_) => {}
            None => self.release_if_closed(cx),
        }
    }

    /// Ends the call without waiting for anything: the session is over.
    pub fn drop_call(&mut self, cx: &mut Context<'_>) {
        self.hang_up(cx, CancelReason::Hangup);
        if let Some(Call { peer, stage, .. }) = &mut self.call {
            *stage = Stage::Ending { release: None, until: cx.now + limits::ENDING };
            if peer.is_none() {
                self.call = None;
            }
        }
    }

    /// Drops a call that is over once its devices are let go.
    fn release_if_closed(&mut self, cx: &mut Context<'_>) {
        if let Some(Call { peer: None, stage: Stage::Ending { release, .. }, .. }) = self.call {
            if let Some(call) = release {
                cx.send(ClientMessage::Released { call });
            }
            self.call = None;
        }
    }
}
