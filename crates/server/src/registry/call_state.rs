//! State of one call: its two members, its step from ringing to ended, and its next deadline.

use std::time::Duration;

use hutong_protocol::{EndReason, Token, limits};

use super::relay_budget::RelayBudget;

/// A call, from OFFERING until both members have released it and nobody can claim it any more.
#[derive(Clone, Debug, Hash)]
pub struct CallState {
    /// The caller, then the target.
    pub members: [CallMember; 2],
    pub step: CallStep,
}

/// One side of a call.
#[derive(Clone, Copy, Debug, Hash)]
pub struct CallMember {
    pub token: Token,
    pub state: MemberState,
    /// For what it sends the other member.
    pub relay_budget: RelayBudget,
}

impl CallMember {
    fn new(token: Token, state: MemberState) -> Self {
        Self { token, state, relay_budget: RelayBudget::default() }
    }
}

/// A call member's presence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MemberState {
    /// In the call and connected.
    Present,
    /// Disconnected; the member may claim the call until this time.
    AwaitingClaim { until: Duration },
    /// The member has released the call.
    Released,
}

/// A call's progress through the call protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallStep {
    /// OFFERING was sent to the target.
    Ringing { until: Duration },
    /// The target accepted and creates its offer.
    Accepted { until: Duration },
    /// CONFIRM was sent to the caller, which creates its answer.
    Confirmed { until: Duration },
    /// CALLING was sent to the target. The clients watch over the media themselves.
    Established,
    /// The call has ended. The members that are present release it.
    Ended { reason: EndReason, until: Duration },
}

impl CallStep {
    /// Whether the call survives a lost connection.
    pub const fn is_confirmed(self) -> bool {
        matches!(self, Self::Confirmed { .. } | Self::Established)
    }

    pub const fn is_ended(self) -> bool {
        matches!(self, Self::Ended { .. })
    }
}

/// What to do when a call's deadline has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallTimeout {
    /// End the call for this reason.
    End(EndReason),
    /// Release the members that are still present in the ended call.
    Release,
    /// Remove the record: nobody can claim the call any more.
    Forget,
}

impl CallState {
    /// A call that starts to ring now.
    pub fn ringing(caller: Token, target: Token, now: Duration) -> Self {
        let member = |token| CallMember::new(token, MemberState::Present);
        Self {
            members: [member(caller), member(target)],
            step: CallStep::Ringing { until: now + limits::RING_TIMEOUT },
        }
    }

    /// A call from before the server's restart, restored when its first member claims it.
    pub fn restored(members: [Token; 2], until: Duration) -> Self {
        let member = |token| CallMember::new(token, MemberState::AwaitingClaim { until });
        Self { members: members.map(member), step: CallStep::Established }
    }

    pub const fn caller(&self) -> Token {
        self.members[0].token
    }

    pub const fn target(&self) -> Token {
        self.members[1].token
    }

    pub fn member_mut(&mut self, token: Token) -> Option<&mut CallMember> {
        self.members.iter_mut().find(|member| member.token == token)
    }

    /// The state of this member; `None` for a user who is not a member.
    pub fn member_state(&self, token: Token) -> Option<MemberState> {
        self.members.iter().find(|member| member.token == token).map(|member| member.state)
    }

    /// The other member.
    pub fn other_member(&self, token: Token) -> CallMember {
        if self.members[0].token == token { self.members[1] } else { self.members[0] }
    }

    pub fn all_present(&self) -> bool {
        self.members.iter().all(|member| member.state == MemberState::Present)
    }

    /// The call's next deadline.
    pub fn deadline(&self) -> Option<Duration> {
        let of_step = match self.step {
            CallStep::Ringing { until } | CallStep::Accepted { until } | CallStep::Confirmed { until } => Some(until),
            CallStep::Ended { until, .. } if self.any_present() => Some(until),
            CallStep::Established | CallStep::Ended { .. } => None,
        };
        let claims = self.members.iter().filter_map(|member| match member.state {
            MemberState::AwaitingClaim { until } => Some(until),
            MemberState::Present | MemberState::Released => None,
        });
        // The record of an ended call is kept for the last possible claim; an ongoing call ends at the first that expires.
        if self.step.is_ended() {
            of_step.or(claims.max()).or(Some(Duration::ZERO))
        } else {
            of_step.into_iter().chain(claims).min()
        }
    }

    /// What to do now, if the deadline has passed.
    pub fn timeout(&self, now: Duration) -> Option<CallTimeout> {
        if self.deadline()? > now {
            return None;
        }
        Some(match self.step {
            CallStep::Ended { .. } if self.any_present() => CallTimeout::Release,
            CallStep::Ended { .. } => CallTimeout::Forget,
            CallStep::Ringing { until } if until <= now => CallTimeout::End(EndReason::Unanswered),
            CallStep::Accepted { until } | CallStep::Confirmed { until } if until <= now => {
                CallTimeout::End(EndReason::Timeout)
            }
            CallStep::Ringing { .. }
            | CallStep::Accepted { .. }
            | CallStep::Confirmed { .. }
            | CallStep::Established => CallTimeout::End(EndReason::Gone),
        })
    }

    fn any_present(&self) -> bool {
        self.members.iter().any(|member| member.state == MemberState::Present)
    }
}
