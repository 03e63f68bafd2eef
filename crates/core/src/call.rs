//! One call as this side knows it.

use std::{collections::VecDeque, time::Duration};

use hutong_protocol::{CallId, IceCandidate, MediaKind, Ticket, User, limits};

use crate::{
    media::{Connectivity, PeerId},
    view::{CallPhase, CallView},
};

/// How long media may be interrupted before the call has failed. With the few seconds that a browser takes to notice, and with
/// the server's 30 s for claims, a call whose other side has vanished ends within 35 s.
const MEDIA_INTERRUPTED: Duration = Duration::from_secs(25);

/// How long the caller waits for stopped media to come back by itself, before it restarts ICE.
const RESTART_AFTER: Duration = Duration::from_secs(2);

/// How much longer the called side waits: normally the caller's offer comes first, and nothing collides.
const RESTART_TURN: Duration = Duration::from_secs(3);

/// How long an ICE restart may take before the next.
const RESTART_EVERY: Duration = Duration::from_secs(8);

/// How long the server's answer to an OFFERING that was given up is awaited. It comes at once, or, where the server dropped
/// the message because there were too many, never.
pub const OFFERING_ANSWER: Duration = Duration::from_secs(10);

/// A call, from the person's wish or the other's ring until this side has let go of it.
#[derive(Clone, Debug, Hash)]
pub struct Call {
    pub with: User,
    pub role: Role,
    pub media: MediaKind,
    /// The peer connection and its devices, once they were asked for.
    pub peer: Option<PeerId>,
    pub stage: Stage,
    /// The other side's candidates, until the remote description is set.
    pub remote_candidates: VecDeque<IceCandidate>,
    /// Our candidates, until the description that they belong to is sent.
    pub local_candidates: VecDeque<IceCandidate>,
}

/// Which side of the call this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// We called.
    Caller,
    /// We were called. Also the polite side when two offers collide.
    Target,
}

/// How far the call is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Caller: the devices are asked for.
    Acquiring,
    /// Caller: OFFERING is sent, the server has not answered.
    Offering,
    /// Caller: given up before the server answered; its answer is awaited, so as to cancel that call.
    GivenUp { until: Duration },
    /// Caller: it rings there.
    Ringing { id: CallId },
    /// Caller: it was accepted there, the offer is being made.
    Accepted { id: CallId },
    /// Caller: CONFIRM has come, the answer is being made.
    Answering { id: CallId, ticket: Ticket },
    /// Target: it rings here. After a try with devices that were refused it does no longer ring on the server.
    Incoming { id: CallId, accepted: bool },
    /// Target: accepted, the devices are asked for.
    Accepting { id: CallId },
    /// Target: the offer is being made.
    MakingOffer { id: CallId },
    /// Target: CONFIRM is sent.
    AwaitingAnswer { id: CallId },
    /// CALLING is sent or received.
    Set { id: CallId, ticket: Ticket, media: MediaFlow, membership: Membership },
    /// Over. `release` is the call to tell the server of, once the devices are let go.
    Ending { release: Option<CallId>, until: Duration },
}

/// Whether media flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MediaFlow {
    /// Not yet.
    Starting { until: Duration },
    /// Yes.
    Flowing,
    /// It did, and stopped.
    Interrupted { until: Duration, restart_at: Duration },
}

/// What the server thinks of our being in the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Membership {
    /// We are in it.
    Member,
    /// Our connection was lost; the call has to be claimed before then.
    AwaitingClaim { until: Duration },
}

impl MediaFlow {
    /// What a change of the peer connection's state makes of it.
    pub fn changed(self, state: Connectivity, role: Role, now: Duration) -> Self {
        match (state, self) {
            (Connectivity::Connected, _) => Self::Flowing,
            (Connectivity::Disconnected, Self::Flowing) => Self::interrupted(role, now),
            (Connectivity::Failed, Self::Flowing) => Self::interrupted(role, now).expedite_restart(now),
            (Connectivity::Failed, Self::Interrupted { .. }) if role == Role::Caller => self.expedite_restart(now),
            (Connectivity::Disconnected | Connectivity::Failed, unchanged) => unchanged,
        }
    }

    fn interrupted(role: Role, now: Duration) -> Self {
        let turn = if role == Role::Caller { Duration::ZERO } else { RESTART_TURN };
        Self::Interrupted { until: now + MEDIA_INTERRUPTED, restart_at: now + RESTART_AFTER + turn }
    }

    /// Brings the ICE restart forward: media will not come back by itself, or only after it.
    pub fn expedite_restart(self, at: Duration) -> Self {
        match self {
            Self::Interrupted { until, restart_at } => Self::Interrupted { until, restart_at: restart_at.min(at) },
            Self::Starting { .. } | Self::Flowing => self,
        }
    }

    /// A restart of ICE was asked for now, or could not be: when to do it next.
    pub fn restarted(self, now: Duration) -> Self {
        match self {
            Self::Interrupted { until, .. } => Self::Interrupted { until, restart_at: now + RESTART_EVERY },
            Self::Starting { .. } | Self::Flowing => self,
        }
    }
}

impl Call {
    /// CALLING is sent or received: media is to start.
    pub fn start_media(&mut self, id: CallId, ticket: Ticket, now: Duration) {
        let media = MediaFlow::Starting { until: now + limits::MEDIA };
        self.stage = Stage::Set { id, ticket, media, membership: Membership::Member };
    }

    /// Whether it is over on this side, but for what is awaited before it can be dropped.
    pub const fn is_ending(&self) -> bool {
        matches!(self.stage, Stage::GivenUp { .. } | Stage::Ending { .. })
    }

    /// Whether it is over, and this call of the server's is yet to be released.
    pub fn is_releasing(&self, id: CallId) -> bool {
        matches!(self.stage, Stage::Ending { release: Some(mine), .. } if mine == id)
    }

    /// A call that the person wants to make.
    pub fn outgoing(with: User, media: MediaKind, peer: PeerId) -> Self {
        Self::new(with, Role::Caller, media, Some(peer), Stage::Acquiring)
    }

    /// A call that rings here.
    pub fn incoming(with: User, media: MediaKind, id: CallId) -> Self {
        Self::new(with, Role::Target, media, None, Stage::Incoming { id, accepted: false })
    }

    fn new(with: User, role: Role, media: MediaKind, peer: Option<PeerId>, stage: Stage) -> Self {
        let (remote_candidates, local_candidates) = Default::default();
        Self { with, role, media, peer, stage, remote_candidates, local_candidates }
    }

    /// The call's id, while it is on.
    pub const fn id(&self) -> Option<CallId> {
        match &self.stage {
            Stage::Acquiring | Stage::Offering | Stage::GivenUp { .. } | Stage::Ending { .. } => None,
            Stage::Ringing { id }
            | Stage::Accepted { id }
            | Stage::Answering { id, .. }
            | Stage::Incoming { id, .. }
            | Stage::Accepting { id }
            | Stage::MakingOffer { id }
            | Stage::AwaitingAnswer { id }
            | Stage::Set { id, .. } => Some(*id),
        }
    }

    /// The call's id, if the server keeps it over a lost connection (from CONFIRM on).
    pub const fn confirmed_id(&self) -> Option<CallId> {
        match &self.stage {
            Stage::Answering { id, .. } | Stage::AwaitingAnswer { id } | Stage::Set { id, .. } => Some(*id),
            _ => None,
        }
    }

    /// When something is due.
    pub fn deadline(&self) -> Option<Duration> {
        match &self.stage {
            Stage::Set { media, membership, .. } => {
                let media = match media {
                    MediaFlow::Starting { until } => Some(*until),
                    MediaFlow::Flowing => None,
                    MediaFlow::Interrupted { until, restart_at } => Some(*until.min(restart_at)),
                };
                let membership = match membership {
                    Membership::Member => None,
                    Membership::AwaitingClaim { until } => Some(*until),
                };
                media.into_iter().chain(membership).min()
            }
            Stage::GivenUp { until } | Stage::Ending { until, .. } => Some(*until),
            _ => None,
        }
    }

    /// Keeps a candidate for later. Past the bound the newest are dropped: no connection needs that many.
    pub fn hold(queue: &mut VecDeque<IceCandidate>, candidate: IceCandidate) {
        if queue.len() < limits::CANDIDATES_HELD {
            queue.push_back(candidate);
        }
    }

    /// What the interface shows of it.
    pub fn view(&self) -> CallView {
        let phase = match &self.stage {
            Stage::Acquiring => CallPhase::Acquiring,
            Stage::Offering => CallPhase::Offering,
            Stage::Ringing { .. } => CallPhase::Ringing,
            Stage::Incoming { .. } => CallPhase::Incoming,
            Stage::Accepting { .. } | Stage::MakingOffer { .. } => CallPhase::Accepting,
            Stage::Accepted { .. } | Stage::Answering { .. } | Stage::AwaitingAnswer { .. } => CallPhase::Connecting,
            Stage::Set { media, .. } => match media {
                MediaFlow::Starting { .. } => CallPhase::Connecting,
                MediaFlow::Flowing => CallPhase::Connected,
                MediaFlow::Interrupted { .. } => CallPhase::Reconnecting,
            },
            Stage::GivenUp { .. } | Stage::Ending { .. } => CallPhase::Ending,
        };
        CallView { with: self.with.clone(), peer: self.peer, media: self.media, phase }
    }
}
