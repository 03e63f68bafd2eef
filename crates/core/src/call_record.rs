//! Record of a call that is over, for the list of recent calls.

use hutong_protocol::{CancelReason, EndReason, MediaKind, Name};
use serde::{Deserialize, Serialize};

use crate::call::{Call, Role, Stage};

/// A call that is over, or an attempt of another user to call. The page adds the time and stores it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CallRecord {
    /// The other user.
    pub with: Name,
    /// Which side called.
    pub direction: CallDirection,
    /// What was called for: video or voice.
    pub media: MediaKind,
    /// What became of it.
    pub outcome: CallOutcome,
}

/// Which side called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallDirection {
    /// The other user called this one.
    Incoming,
    /// This user called.
    Outgoing,
}

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallOutcome {
    /// It was accepted.
    Answered,
    /// It rang, and was neither accepted nor declined: it was cancelled, or rang for too long, or a connection was lost. Of an
    /// incoming call, the person may not know.
    Unanswered,
    /// It came while this user was in another call, and did not ring. Incoming only.
    WhileBusy,
    /// It was declined.
    Declined,
    /// This user cancelled it before it was accepted. Outgoing only.
    Cancelled,
    /// It was accepted, or should have rung, and failed.
    Failed,
}

/// Why a call ends, as far as its record depends on that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// By this side.
    Own(CancelReason),
    /// By the server's `ended`.
    Ended(EndReason),
}

impl CallRecord {
    /// The record of a call that ends. `None` if the other side has not learned of it, or it has a record already.
    pub fn of(call: &Call, ending: Ending) -> Option<Self> {
        let outcome = match (&call.stage, call.role) {
            (Stage::Acquiring | Stage::Abandoned { .. } | Stage::Ending { .. }, _) => return None,
            (Stage::Established { .. }, _) => CallOutcome::Answered,
            (Stage::Offering | Stage::Ringing { .. }, _) => match ending {
                Ending::Own(CancelReason::Failed) => CallOutcome::Failed,
                Ending::Own(_) => CallOutcome::Cancelled,
                Ending::Ended(EndReason::Declined) => CallOutcome::Declined,
                Ending::Ended(EndReason::Unanswered | EndReason::Gone | EndReason::Busy) => CallOutcome::Unanswered,
                Ending::Ended(_) => CallOutcome::Failed,
            },
            (Stage::Incoming { .. }, _) => match ending {
                Ending::Own(CancelReason::Declined | CancelReason::Hangup) => CallOutcome::Declined,
                Ending::Own(_) | Ending::Ended(_) => CallOutcome::Unanswered,
            },
            (
                Stage::Accepted { .. }
                | Stage::Answering { .. }
                | Stage::Accepting { .. }
                | Stage::MakingOffer { .. }
                | Stage::AwaitingAnswer { .. },
                role,
            ) => match (ending, role) {
                (Ending::Own(CancelReason::Hangup | CancelReason::Cancelled), Role::Caller) => CallOutcome::Cancelled,
                (Ending::Own(CancelReason::Declined), _) => CallOutcome::Declined,
                _ => CallOutcome::Failed,
            },
        };
        let direction = match call.role {
            Role::Caller => CallDirection::Outgoing,
            Role::Callee => CallDirection::Incoming,
        };
        Some(Self { with: call.with.name.clone(), direction, media: call.media, outcome })
    }

    /// Whether the person was called and could not answer.
    #[must_use]
    pub const fn is_missed(&self) -> bool {
        matches!(
            (self.direction, self.outcome),
            (CallDirection::Incoming, CallOutcome::Unanswered | CallOutcome::WhileBusy)
        )
    }
}
