//! State of the client's one call: stage, media and deadlines.

use std::{collections::VecDeque, time::Duration};

use hutong_protocol::{CallId, CallTicket, IceCandidate, MediaKind, User, limits};

use crate::{
    candidate_types::CandidateTypes,
    media::{Connectivity, PeerId},
    view::{CallFailure, CallPhase, CallView},
};

/// How long media may be interrupted before the call fails. Together with the few seconds in which a browser detects
/// the interruption, and with the server's 30 s for claims, a call whose other side vanished ends within 35 s.
const MEDIA_INTERRUPTION_TIMEOUT: Duration = Duration::from_secs(25);

/// How long the caller waits for interrupted media to recover before it restarts ICE.
const ICE_RESTART_DELAY: Duration = Duration::from_secs(2);

/// How much longer the callee waits, so that normally the caller's offer arrives first and no offers collide.
const CALLEE_RESTART_DELAY: Duration = Duration::from_secs(3);

/// The same after the server has the call back: the caller's offer then takes a round trip.
const CALLEE_CLAIM_DELAY: Duration = Duration::from_secs(1);

/// Interval between ICE restarts: how long one may take.
const ICE_RESTART_INTERVAL: Duration = Duration::from_secs(8);

/// How long to wait for the server's answer to the `offering` of an abandoned call. It arrives at once, or never if the
/// server's rate limit dropped the message.
pub const OFFERING_ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// The client's call, from the command or the incoming `offering` until this side has released it.
#[derive(Clone, Debug, Hash)]
pub struct Call {
    pub with: User,
    pub role: Role,
    pub media: MediaKind,
    /// The peer connection with its devices, once the client has requested it.
    pub peer: Option<PeerId>,
    pub stage: Stage,
    /// Remote candidates, held until the remote description is set.
    pub remote_candidates: VecDeque<IceCandidate>,
    /// Local candidates, held until the description to which they belong is sent.
    pub local_candidates: VecDeque<IceCandidate>,
    /// Types of all local candidates so far.
    pub gathered: CandidateTypes,
}

/// This side's role in the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// This side called.
    Caller,
    /// This side was called. It is the polite side when two offers collide.
    Callee,
}

/// Progress of the call.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Caller: acquiring the devices.
    Acquiring,
    /// Caller: `offering` is sent; the server has not answered.
    Offering,
    /// Caller: cancelled before the server answered. The answer is awaited, because it has the ID of the call to
    /// cancel.
    Abandoned { until: Duration },
    /// Caller: the call rings on the other side.
    Ringing { id: CallId },
    /// Caller: the callee has accepted and creates the offer.
    Accepted { id: CallId },
    /// Caller: `confirm` was received; the engine creates the answer.
    Answering { id: CallId, ticket: CallTicket },
    /// Callee: the call rings here. `accepted`: an earlier attempt to accept it failed on the devices, so that for the
    /// server it is accepted already.
    Incoming { id: CallId, accepted: bool },
    /// Callee: accepted; acquiring the devices.
    Accepting { id: CallId },
    /// Callee: the engine creates the offer.
    MakingOffer { id: CallId },
    /// Callee: `confirm` is sent.
    AwaitingAnswer { id: CallId },
    /// `calling` is sent or received.
    Established { id: CallId, ticket: CallTicket, media: MediaFlow, membership: Membership, negotiation: Negotiation },
    /// Ended. `release` is the call for which `released` has to be sent once the devices are released.
    Ending { release: Option<CallId>, until: Duration },
}

/// State of the call's media.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MediaFlow {
    /// Not flowing yet; the call fails at `until`.
    Starting { until: Duration },
    /// Flowing.
    Flowing,
    /// Flowing as far as is known, but this side lost a network address, or its last offer: ICE restarts at `restart_at`.
    RestartDue { restart_at: Duration },
    /// Interrupted after flowing: the call fails at `until`, the next ICE restart is due at `restart_at`.
    Interrupted { until: Duration, restart_at: Duration },
}

/// Membership in the call on the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Membership {
    /// The server knows this client as a member.
    Member,
    /// The WebSocket was lost; the client has to claim the call before `until`.
    AwaitingClaim { until: Duration },
}

/// State of the later offers and answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Negotiation {
    /// No offer of this side awaits its answer.
    Stable,
    /// This side's offer awaits its answer. Until then it ignores the other side's offers, if it is the caller.
    OfferSent,
}

impl Role {
    /// How long this side waits with a restart once the server has the call back: if both sides were away, their offers
    /// shall not collide.
    pub const fn restart_delay_after_claim(self) -> Duration {
        match self {
            Self::Caller => limits::PRESENCE_BATCH_DELAY,
            Self::Callee => CALLEE_CLAIM_DELAY,
        }
    }
}

impl MediaFlow {
    /// The state after a change of the peer connection.
    pub fn after_connectivity(self, state: Connectivity, role: Role, now: Duration) -> Self {
        match (state, self) {
            (Connectivity::Connected, _) => Self::Flowing,
            (Connectivity::Disconnected, Self::Flowing) => Self::interrupted(role, now),
            (Connectivity::Disconnected, Self::RestartDue { restart_at }) => {
                Self::interrupted(role, now).expedite_restart(restart_at)
            }
            (Connectivity::Failed, Self::Flowing | Self::RestartDue { .. }) => {
                Self::interrupted(role, now).expedite_restart(now)
            }
            (Connectivity::Failed, Self::Interrupted { .. }) if role == Role::Caller => self.expedite_restart(now),
            (Connectivity::Disconnected | Connectivity::Failed, unchanged) => unchanged,
        }
    }

    fn interrupted(role: Role, now: Duration) -> Self {
        let extra = if role == Role::Caller { Duration::ZERO } else { CALLEE_RESTART_DELAY };
        Self::Interrupted { until: now + MEDIA_INTERRUPTION_TIMEOUT, restart_at: now + ICE_RESTART_DELAY + extra }
    }

    /// Schedules an ICE restart at `at`, or leaves it at an earlier time, although media may flow.
    pub fn require_restart(self, at: Duration) -> Self {
        match self {
            Self::Flowing => Self::RestartDue { restart_at: at },
            Self::Starting { .. } | Self::RestartDue { .. } | Self::Interrupted { .. } => self.expedite_restart(at),
        }
    }

    /// Moves the next ICE restart forward to `at`, because media will not recover without it.
    pub fn expedite_restart(self, at: Duration) -> Self {
        match self {
            Self::RestartDue { restart_at } => Self::RestartDue { restart_at: restart_at.min(at) },
            Self::Interrupted { until, restart_at } => Self::Interrupted { until, restart_at: restart_at.min(at) },
            Self::Starting { .. } | Self::Flowing => self,
        }
    }

    /// After ICE was restarted: the next restart is only due if media is interrupted.
    pub const fn after_restart(self) -> Self {
        match self {
            Self::RestartDue { .. } => Self::Flowing,
            Self::Starting { .. } | Self::Flowing | Self::Interrupted { .. } => self,
        }
    }

    /// After a restart was requested, or was due while the server could not forward it.
    pub fn postpone_restart(self, now: Duration) -> Self {
        let restart_at = now + ICE_RESTART_INTERVAL;
        match self {
            Self::RestartDue { .. } => Self::RestartDue { restart_at },
            Self::Interrupted { until, .. } => Self::Interrupted { until, restart_at },
            Self::Starting { .. } | Self::Flowing => self,
        }
    }
}

impl Call {
    /// Enters [`Stage::Established`] after `calling` was sent or received.
    pub fn start_media(&mut self, id: CallId, ticket: CallTicket, now: Duration) {
        let media = MediaFlow::Starting { until: now + limits::MEDIA_TIMEOUT };
        let (membership, negotiation) = (Membership::Member, Negotiation::Stable);
        self.stage = Stage::Established { id, ticket, media, membership, negotiation };
    }

    /// Whether the call has ended for the person and only waits for the engine or the server.
    pub const fn is_ending(&self) -> bool {
        matches!(self.stage, Stage::Abandoned { .. } | Stage::Ending { .. })
    }

    /// Whether the call has ended and `released` has still to be sent for this ID.
    pub fn is_releasing(&self, id: CallId) -> bool {
        matches!(self.stage, Stage::Ending { release: Some(mine), .. } if mine == id)
    }

    /// An outgoing call.
    pub fn outgoing(with: User, media: MediaKind, peer: PeerId) -> Self {
        Self::new(with, Role::Caller, media, Some(peer), Stage::Acquiring)
    }

    /// An incoming call.
    pub fn incoming(with: User, media: MediaKind, id: CallId) -> Self {
        Self::new(with, Role::Callee, media, None, Stage::Incoming { id, accepted: false })
    }

    fn new(with: User, role: Role, media: MediaKind, peer: Option<PeerId>, stage: Stage) -> Self {
        let (remote_candidates, local_candidates, gathered) = Default::default();
        Self { with, role, media, peer, stage, remote_candidates, local_candidates, gathered }
    }

    /// The call's ID, from the server's `ringing` or `offering` until the end.
    pub const fn id(&self) -> Option<CallId> {
        match &self.stage {
            Stage::Acquiring | Stage::Offering | Stage::Abandoned { .. } | Stage::Ending { .. } => None,
            Stage::Ringing { id }
            | Stage::Accepted { id }
            | Stage::Answering { id, .. }
            | Stage::Incoming { id, .. }
            | Stage::Accepting { id }
            | Stage::MakingOffer { id }
            | Stage::AwaitingAnswer { id }
            | Stage::Established { id, .. } => Some(*id),
        }
    }

    /// The call's ID, if the server keeps the call when a connection is lost (from `confirm` on).
    pub const fn confirmed_id(&self) -> Option<CallId> {
        match &self.stage {
            Stage::Answering { id, .. } | Stage::AwaitingAnswer { id } | Stage::Established { id, .. } => Some(*id),
            _ => None,
        }
    }

    /// Why the call fails if its media does not flow now; `None` before it is established. `has_relay`: whether the server
    /// offers one.
    pub const fn media_failure(&self, has_relay: bool) -> Option<CallFailure> {
        match &self.stage {
            Stage::Established { media: MediaFlow::Starting { .. }, .. } => {
                Some(CallFailure::NoPath { tried: self.gathered.paths_tried(has_relay) })
            }
            Stage::Established { .. } => Some(CallFailure::MediaLost),
            _ => None,
        }
    }

    /// The next deadline.
    pub fn deadline(&self) -> Option<Duration> {
        match &self.stage {
            Stage::Established { media, membership, .. } => {
                let media = match media {
                    MediaFlow::Starting { until } => Some(*until),
                    MediaFlow::Flowing => None,
                    MediaFlow::RestartDue { restart_at } => Some(*restart_at),
                    MediaFlow::Interrupted { until, restart_at } => Some(*until.min(restart_at)),
                };
                let membership = match membership {
                    Membership::Member => None,
                    Membership::AwaitingClaim { until } => Some(*until),
                };
                media.into_iter().chain(membership).min()
            }
            Stage::Abandoned { until } | Stage::Ending { until, .. } => Some(*until),
            _ => None,
        }
    }

    /// Queues a candidate. If the queue is full, drops the candidate: no connection needs that many.
    pub fn hold_candidate(queue: &mut VecDeque<IceCandidate>, candidate: IceCandidate) {
        if queue.len() < limits::MAX_HELD_CANDIDATES {
            queue.push_back(candidate);
        }
    }

    /// The call as the interface shows it.
    pub fn view(&self) -> CallView {
        let phase = match &self.stage {
            Stage::Acquiring => CallPhase::Acquiring,
            Stage::Offering => CallPhase::Offering,
            Stage::Ringing { .. } => CallPhase::Ringing,
            Stage::Incoming { .. } => CallPhase::Incoming,
            Stage::Accepting { .. } | Stage::MakingOffer { .. } => CallPhase::Accepting,
            Stage::Accepted { .. } | Stage::Answering { .. } | Stage::AwaitingAnswer { .. } => CallPhase::Connecting,
            Stage::Established { media, .. } => match media {
                MediaFlow::Starting { .. } => CallPhase::Connecting,
                MediaFlow::Flowing | MediaFlow::RestartDue { .. } => CallPhase::Connected,
                MediaFlow::Interrupted { .. } => CallPhase::Reconnecting,
            },
            Stage::Abandoned { .. } | Stage::Ending { .. } => CallPhase::Ending,
        };
        CallView { with: self.with.clone(), peer: self.peer, media: self.media, phase }
    }
}
