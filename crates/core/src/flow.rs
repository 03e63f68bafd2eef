//! The call flow: what the person, the server and the media engine do to the call.

use std::time::Duration;

use hutong_protocol::{
    CallId, CancelReason, ClientMessage, EndReason, ErrorCode, IceCandidate, MediaKind, SdpKind, ServerMessage, Ticket,
    Token, User, UserState, limits,
};

use crate::{
    call::{Call, MediaFlow, Membership, OFFERING_ANSWER, Role, Stage},
    client::{CLAIM_ANSWER, Client},
    io::{Connectivity, MediaCommand, MediaEvent, MediaProblem, Output},
    view::Notice,
};

// What the person does.
impl Client {
    pub(crate) fn start_call(&mut self, to: Token, media: MediaKind) {
        let Some(with) = self.user(to).cloned() else { return };
        if !self.is_logged_in() || self.call.is_some() {
            return;
        }
        if !with.state.can_be_called() {
            return self.notice(Some(Notice::CannotCall { with: with.name, state: with.state }));
        }
        self.notice(None);
        let peer = self.new_peer();
        self.call = Some(Call::outgoing(with, media, peer));
        self.media(MediaCommand::Acquire { peer, media, ice_servers: self.ice_servers.clone() });
    }

    pub(crate) fn accept(&mut self, media: MediaKind) {
        let peer = self.new_peer();
        let Some(call) = &mut self.call else { return };
        let Stage::Incoming { id, accepted } = call.stage else { return };
        call.stage = Stage::Accepting { id };
        call.media = media;
        call.peer = Some(peer);
        self.notice(None);
        if !accepted {
            self.send(ClientMessage::Accept { call: id, media });
        }
        self.media(MediaCommand::Acquire { peer, media, ice_servers: self.ice_servers.clone() });
    }

    /// Declines, gives up or hangs up, whichever it is at this stage.
    pub(crate) fn hang_up(&mut self, now: Duration, reason: CancelReason) {
        let Some(call) = &mut self.call else { return };
        let reason = match (&call.stage, call.role) {
            (Stage::Ending { .. } | Stage::GivenUp { .. }, _) => return,
            (Stage::Set { .. }, _) => CancelReason::Hangup,
            (Stage::Incoming { .. } | Stage::Accepting { .. } | Stage::MakingOffer { .. }, _) => CancelReason::Declined,
            (_, Role::Caller) => CancelReason::Cancelled,
            (_, Role::Target) => reason,
        };
        self.cancel(now, reason);
    }

    /// The interface was loaded anew: peer connection and devices went with the old one.
    pub(crate) fn interface_reloaded(&mut self, now: Duration) {
        let Some(call) = &mut self.call else { return };
        match call.stage {
            Stage::Incoming { .. } => {}
            Stage::Ending { .. } | Stage::GivenUp { .. } => {
                call.peer = None;
                self.let_go_if_closed();
            }
            _ => {
                call.peer = None;
                self.hang_up(now, CancelReason::Hangup);
            }
        }
    }
}

// What the server says.
impl Client {
    pub(crate) fn call_message(&mut self, now: Duration, message: ServerMessage) {
        match message {
            ServerMessage::Offering { call, from, media } => self.rung(call, from, media),
            ServerMessage::Ringing { call, to } => self.ringing(now, call, to),
            ServerMessage::Accepted { call, media: _ } => self.accepted(call),
            ServerMessage::Confirm { call, sdp, ticket } => self.confirmed(call, sdp, ticket),
            ServerMessage::Calling { call, sdp, ticket } => self.calling(now, call, sdp, ticket),
            ServerMessage::Candidate { call, candidate } => self.remote_candidate(call, candidate),
            ServerMessage::Description { call, kind, sdp } => self.remote_description(call, kind, sdp),
            ServerMessage::Ended { call, reason } => self.ended(now, call, reason),
            ServerMessage::Claimed { call } => self.claimed(now, call),
            ServerMessage::Welcome { .. }
            | ServerMessage::Refused { .. }
            | ServerMessage::Presence { .. }
            | ServerMessage::Roster { .. }
            | ServerMessage::Error { .. } => {}
        }
    }

    /// Somebody calls. If we are calling them at this moment, that is a yes.
    fn rung(&mut self, id: CallId, from: User, media: MediaKind) {
        let Some(call) = &mut self.call else {
            self.notice(None);
            self.call = Some(Call::incoming(from, media, id));
            return;
        };
        match (&call.stage, call.with.token == from.token, call.peer) {
            (Stage::Acquiring, true, Some(_)) => {
                let media = call.media;
                (call.role, call.with, call.stage) = (Role::Target, from, Stage::Accepting { id });
                self.send(ClientMessage::Accept { call: id, media });
            }
            (Stage::Offering, true, Some(peer)) => {
                let media = call.media;
                (call.role, call.with, call.stage) = (Role::Target, from, Stage::MakingOffer { id });
                self.send(ClientMessage::Accept { call: id, media });
                self.media(MediaCommand::Offer { peer });
            }
            (Stage::Acquiring | Stage::Offering | Stage::GivenUp { .. } | Stage::Ending { .. }, _, peer) => {
                // Theirs came first, and ours will be refused. Or the server has let go of the last call before us.
                if let Some(peer) = peer {
                    self.media(MediaCommand::Close { peer });
                }
                self.call = Some(Call::incoming(from, media, id));
            }
            // Only while we come back into a call: our claim ends that ring, and if the claim comes too late, this does.
            _ => self.not_ours(id),
        }
    }

    fn ringing(&mut self, now: Duration, id: CallId, to: Token) {
        match &mut self.call {
            Some(call) if call.stage == Stage::Offering && call.with.token == to => call.stage = Stage::Ringing { id },
            Some(call) if matches!(call.stage, Stage::GivenUp { .. }) => {
                call.stage = Stage::Ending { release: Some(id), until: now + limits::ENDING };
                self.send(ClientMessage::Cancel { call: id, reason: CancelReason::Cancelled });
                self.let_go_if_closed();
            }
            _ => self.not_ours(id),
        }
    }

    fn accepted(&mut self, id: CallId) {
        if let Some(Call { stage: stage @ Stage::Ringing { .. }, .. }) = &mut self.call
            && *stage == (Stage::Ringing { id })
        {
            *stage = Stage::Accepted { id };
        }
    }

    fn confirmed(&mut self, id: CallId, sdp: String, ticket: Ticket) {
        let waiting = [Stage::Ringing { id }, Stage::Accepted { id }];
        match &mut self.call {
            Some(Call { stage, peer: Some(peer), remote_candidates, .. }) if waiting.contains(stage) => {
                let peer = *peer;
                *stage = Stage::Answering { id, ticket };
                let candidates = std::mem::take(remote_candidates);
                self.media(MediaCommand::Answer { peer, sdp });
                for candidate in candidates {
                    self.media(MediaCommand::AddCandidate { peer, candidate });
                }
            }
            _ => self.not_ours(id),
        }
    }

    fn calling(&mut self, now: Duration, id: CallId, sdp: String, ticket: Ticket) {
        match &mut self.call {
            Some(Call { stage, peer: Some(peer), remote_candidates, .. })
                if *stage == (Stage::AwaitingAnswer { id }) =>
            {
                let peer = *peer;
                *stage = set(id, ticket, now);
                let candidates = std::mem::take(remote_candidates);
                self.media(MediaCommand::Remote { peer, kind: SdpKind::Answer, sdp, polite: true });
                for candidate in candidates {
                    self.media(MediaCommand::AddCandidate { peer, candidate });
                }
            }
            _ => self.not_ours(id),
        }
    }

    fn remote_candidate(&mut self, id: CallId, candidate: IceCandidate) {
        let Some(call) = self.call.as_mut().filter(|call| call.id() == Some(id)) else { return };
        match (&call.stage, call.peer) {
            (Stage::Answering { .. } | Stage::Set { .. }, Some(peer)) => {
                self.media(MediaCommand::AddCandidate { peer, candidate });
            }
            _ => Call::hold(&mut call.remote_candidates, candidate),
        }
    }

    fn remote_description(&mut self, id: CallId, kind: SdpKind, sdp: String) {
        let Some(call) = self.call.as_ref().filter(|call| call.id() == Some(id)) else { return };
        if let (Stage::Set { .. }, Some(peer)) = (&call.stage, call.peer) {
            self.media(MediaCommand::Remote { peer, kind, sdp, polite: call.role == Role::Target });
        }
    }

    fn ended(&mut self, now: Duration, id: CallId, reason: EndReason) {
        match &self.call {
            Some(call) if call.id() == Some(id) => {
                let with = call.with.name.clone();
                self.notice(Some(Notice::CallEnded { with, reason }));
                self.finish(now, Some(id));
            }
            // Both have ended it: ours is said when the devices are let go.
            Some(Call { stage: Stage::Ending { release: Some(mine), .. }, .. }) if *mine == id => {}
            _ => self.send(ClientMessage::Released { call: id }),
        }
    }

    fn claimed(&mut self, now: Duration, id: CallId) {
        let Some(call) = &mut self.call else { return self.not_ours(id) };
        match &mut call.stage {
            Stage::Set { id: mine, media, membership, .. } if *mine == id => {
                *membership = Membership::Member;
                if let MediaFlow::Away { restart_at, .. } = media {
                    // Candidates and restarts of the meantime were lost with the connection.
                    *restart_at = (*restart_at).min(now + limits::PRESENCE_GATHER);
                }
            }
            Stage::Ending { release: Some(mine), .. } if *mine == id => {}
            _ => self.not_ours(id),
        }
    }

    /// The server is in a call with us that we know nothing of, or know to be over: let it know.
    fn not_ours(&mut self, id: CallId) {
        let ending = self
            .call
            .as_ref()
            .is_some_and(|call| matches!(call.stage, Stage::Ending { release: Some(mine), .. } if mine == id));
        if !ending && self.call.as_ref().and_then(Call::id) != Some(id) {
            self.send(ClientMessage::Cancel { call: id, reason: CancelReason::Failed });
            self.send(ClientMessage::Released { call: id });
        }
    }

    pub(crate) fn offering_refused(&mut self, now: Duration, code: ErrorCode) {
        let Some(call) = &self.call else { return };
        let with = call.with.clone();
        match call.stage {
            Stage::Offering => {
                let known = self.user(with.token).map_or(UserState::Offline, |user| user.state);
                let state = match (code, known) {
                    (ErrorCode::NotOnline, _) => UserState::Offline,
                    // The change that made them busy is still being gathered.
                    (_, UserState::Online) => UserState::Connecting,
                    (_, known) => known,
                };
                self.notice(Some(Notice::CannotCall { with: with.name, state }));
                self.finish(now, None);
            }
            Stage::GivenUp { .. } => self.finish(now, None),
            _ => {}
        }
    }

    pub(crate) fn claim_refused(&mut self, now: Duration) {
        if let Some(Call { stage: Stage::Set { membership: Membership::Unclaimed { .. }, .. }, .. }) = self.call {
            self.fail(now, EndReason::Gone);
        }
    }

    pub(crate) fn step_refused(&mut self, now: Duration, id: Option<CallId>) {
        if id.is_some() && self.call.as_ref().and_then(Call::id) == id {
            self.fail(now, EndReason::Failed);
        }
    }

    /// The connection to the server is lost. A call outlives that once its media flows.
    pub(crate) fn call_link_down(&mut self, now: Duration) {
        let Some(call) = &mut self.call else { return };
        match &mut call.stage {
            Stage::Set { media: MediaFlow::Flowing | MediaFlow::Away { .. }, membership, .. } => {
                *membership = Membership::Unclaimed { until: now + limits::CLAIM };
            }
            Stage::Ending { release, .. } => *release = None,
            Stage::GivenUp { .. } => self.finish(now, None),
            _ => self.fail(now, EndReason::Gone),
        }
    }

    /// The server is back: say that we are still in the call.
    pub(crate) fn claim_call(&mut self, now: Duration) {
        let Some(Call { stage: Stage::Set { ticket, membership, .. }, .. }) = &mut self.call else { return };
        if let Membership::Unclaimed { until } = membership {
            *until = now + CLAIM_ANSWER;
            let ticket = ticket.clone();
            self.send(ClientMessage::Claim { ticket });
        }
    }
}

// What the media engine reports.
impl Client {
    pub(crate) fn media_event(&mut self, now: Duration, event: MediaEvent) {
        let Some(call) = self.call.as_mut().filter(|call| call.peer == Some(event.peer())) else { return };
        match event {
            MediaEvent::Acquired { .. } => self.acquired(now),
            MediaEvent::Problem { problem, .. } => self.problem(now, problem),
            MediaEvent::LocalDescription { kind, sdp, .. } => self.local_description(now, kind, sdp),
            MediaEvent::LocalCandidate { candidate, .. } => match call.stage {
                Stage::AwaitingAnswer { id } | Stage::Set { id, .. } => {
                    self.send(ClientMessage::Candidate { call: id, candidate });
                }
                Stage::MakingOffer { .. } | Stage::Answering { .. } => {
                    Call::hold(&mut call.local_candidates, candidate);
                }
                _ => {}
            },
            MediaEvent::Connectivity { state, .. } => self.connectivity(now, state),
            MediaEvent::Closed { .. } => {
                call.peer = None;
                if matches!(call.stage, Stage::Ending { .. } | Stage::GivenUp { .. }) {
                    self.let_go_if_closed();
                } else {
                    self.cancel(now, CancelReason::Failed);
                }
            }
        }
    }

    fn acquired(&mut self, now: Duration) {
        let Some(call) = &self.call else { return };
        match (&call.stage, call.peer) {
            (Stage::Acquiring, _) => {
                let (with, media) = (call.with.clone(), call.media);
                let state = self.user(with.token).map_or(UserState::Offline, |user| user.state);
                if state.can_be_called() {
                    self.stage(Stage::Offering);
                    self.send(ClientMessage::Offering { to: with.token, media });
                } else {
                    self.notice(Some(Notice::CannotCall { with: with.name, state }));
                    self.finish(now, None);
                }
            }
            (&Stage::Accepting { id }, Some(peer)) => {
                self.stage(Stage::MakingOffer { id });
                self.media(MediaCommand::Offer { peer });
            }
            _ => {}
        }
    }

    fn problem(&mut self, now: Duration, problem: MediaProblem) {
        let Some(call) = &mut self.call else { return };
        match call.stage {
            Stage::Acquiring => {
                let with = call.with.token;
                let voice_would_do = call.media == MediaKind::Video && problem.voice_would_do();
                let voice_instead = if voice_would_do { self.user(with).cloned() } else { None };
                self.notice(Some(Notice::Media { problem, voice_instead }));
                self.finish(now, None);
            }
            Stage::Accepting { id } => {
                // Still time to answer by voice, or to grant the permission and try again.
                call.stage = Stage::Incoming { id, accepted: true };
                if let Some(peer) = call.peer.take() {
                    self.media(MediaCommand::Close { peer });
                }
                self.notice(Some(Notice::Media { problem, voice_instead: None }));
            }
            Stage::Ending { .. } | Stage::GivenUp { .. } => {}
            _ => {
                self.notice(Some(Notice::Media { problem, voice_instead: None }));
                self.cancel(now, CancelReason::Failed);
            }
        }
    }

    fn local_description(&mut self, now: Duration, kind: SdpKind, sdp: String) {
        let Some(call) = &mut self.call else { return };
        let (id, message) = match (&call.stage, kind) {
            (&Stage::MakingOffer { id }, SdpKind::Offer) => {
                call.stage = Stage::AwaitingAnswer { id };
                (id, ClientMessage::Confirm { call: id, sdp })
            }
            (Stage::Answering { id, ticket }, SdpKind::Answer) => {
                let (id, ticket) = (*id, ticket.clone());
                call.stage = set(id, ticket, now);
                (id, ClientMessage::Calling { call: id, sdp })
            }
            (&Stage::Set { id, .. }, kind) => return self.send(ClientMessage::Description { call: id, kind, sdp }),
            _ => return,
        };
        let candidates = std::mem::take(&mut call.local_candidates);
        self.send(message);
        for candidate in candidates {
            self.send(ClientMessage::Candidate { call: id, candidate });
        }
    }

    fn connectivity(&mut self, now: Duration, state: Connectivity) {
        let Some(call) = &mut self.call else { return };
        let Stage::Set { media, .. } = &mut call.stage else { return };
        *media = match (state, *media) {
            (Connectivity::Connected, _) => MediaFlow::Flowing,
            (Connectivity::Disconnected, MediaFlow::Flowing) => MediaFlow::stopped(call.role, now),
            (Connectivity::Failed, MediaFlow::Flowing) => MediaFlow::stopped(call.role, now).hurry(now),
            (Connectivity::Failed, away @ MediaFlow::Away { .. }) if call.role == Role::Caller => away.hurry(now),
            (Connectivity::Disconnected | Connectivity::Failed, unchanged) => unchanged,
        };
    }
}

// The passing of time, and how a call ends here.
impl Client {
    /// Does what is due for the call.
    pub(crate) fn call_due(&mut self, now: Duration) {
        let Some(call) = &mut self.call else { return };
        if call.deadline().is_none_or(|at| at > now) {
            return;
        }
        match &mut call.stage {
            Stage::GivenUp { .. } => self.finish(now, None),
            Stage::Ending { .. } => {
                // The server has let go by itself, too. What the engine still holds, it lets go of when it can.
                call.peer = None;
                self.let_go_if_closed();
            }
            Stage::Set { membership: Membership::Unclaimed { until }, .. } if *until <= now => {
                self.fail(now, EndReason::Gone);
            }
            Stage::Set { media: MediaFlow::Starting { until } | MediaFlow::Away { until, .. }, .. }
                if *until <= now =>
            {
                self.fail(now, EndReason::Failed);
            }
            Stage::Set { media, membership, .. } => {
                let member = *membership == Membership::Member;
                *media = media.restarted(now);
                if let (true, Some(peer)) = (member, call.peer) {
                    self.media(MediaCommand::RestartIce { peer });
                }
            }
            _ => {}
        }
    }

    /// Ends the call because of something that the person did not do.
    fn fail(&mut self, now: Duration, reason: EndReason) {
        if let Some(call) = &self.call {
            let with = call.with.name.clone();
            self.notice(Some(Notice::CallEnded { with, reason }));
            self.cancel(now, CancelReason::Failed);
        }
    }

    /// Ends the call and tells the server: now, or when it is there again.
    fn cancel(&mut self, now: Duration, reason: CancelReason) {
        let logged_in = self.is_logged_in();
        let Some(call) = &mut self.call else { return };
        if call.stage == Stage::Offering && logged_in {
            call.stage = Stage::GivenUp { until: now + OFFERING_ANSWER };
            if let Some(peer) = call.peer {
                self.media(MediaCommand::Close { peer });
            }
            return;
        }
        let (id, confirmed) = (call.id(), call.confirmed_id());
        if logged_in {
            if let Some(call) = id {
                self.send(ClientMessage::Cancel { call, reason });
            }
            self.unheard_cancel = confirmed.map(|call| (call, reason));
            self.finish(now, id);
        } else {
            if let Some(call) = confirmed {
                self.cancel_later(call, reason);
            }
            self.finish(now, None);
        }
    }

    /// Ends the call here: lets go of its devices, then says so if there is a call to release on the server.
    fn finish(&mut self, now: Duration, release: Option<CallId>) {
        let Some(call) = &mut self.call else { return };
        let closing = matches!(call.stage, Stage::GivenUp { .. } | Stage::Ending { .. });
        call.stage = Stage::Ending { release, until: now + limits::ENDING };
        match call.peer {
            Some(peer) if !closing => self.media(MediaCommand::Close { peer }),
            Some(_) => {}
            None => self.let_go_if_closed(),
        }
    }

    /// Ends the call without waiting for anything: the session is over.
    pub(crate) fn drop_call(&mut self, now: Duration) {
        self.hang_up(now, CancelReason::Hangup);
        if let Some(Call { peer, stage, .. }) = &mut self.call {
            *stage = Stage::Ending { release: None, until: now + limits::ENDING };
            if peer.is_none() {
                self.call = None;
            }
        }
    }

    fn let_go_if_closed(&mut self) {
        if let Some(Call { peer: None, stage: Stage::Ending { release, .. }, .. }) = self.call {
            if let Some(call) = release {
                self.send(ClientMessage::Released { call });
            }
            self.call = None;
        }
    }

    fn stage(&mut self, stage: Stage) {
        if let Some(call) = &mut self.call {
            call.stage = stage;
        }
    }

    fn media(&mut self, command: MediaCommand) {
        self.output(Output::Media(command));
    }
}

fn set(id: CallId, ticket: Ticket, now: Duration) -> Stage {
    let media = MediaFlow::Starting { until: now + limits::MEDIA };
    Stage::Set { id, ticket, media, membership: Membership::Member }
}
