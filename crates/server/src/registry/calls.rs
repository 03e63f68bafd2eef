//! One call's record: who is in it, and how far it is.

use std::time::Duration;

use hutong_protocol::{EndReason, Token, limits};

/// A call, from OFFERING until both sides have let go of it, and until nobody can claim it any more.
#[derive(Clone, Debug, Hash)]
pub struct Call {
    /// The caller first.
    pub members: [Member; 2],
    pub step: Step,
}

/// One side of a call.
#[derive(Clone, Copy, Debug, Hash)]
pub struct Member {
    pub token: Token,
    pub at: Whereabouts,
}

/// Where one side of a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Whereabouts {
    /// In the call, with a connection.
    Here,
    /// Has lost its connection, and may claim the call until then.
    Away { until: Duration },
    /// Has let go of the call.
    Left,
}

/// How far a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// OFFERING was delivered; it rings.
    Ringing { until: Duration },
    /// Accepted; the offer is being made.
    Accepted { until: Duration },
    /// CONFIRM was delivered; the answer is being made.
    Confirmed { until: Duration },
    /// CALLING was delivered. Media is the clients' own business.
    Set,
    /// Over. Who is still here lets go of it.
    Over { reason: EndReason, until: Duration },
}

impl Step {
    /// Whether the call would outlive a lost connection.
    pub const fn is_confirmed(self) -> bool {
        matches!(self, Self::Confirmed { .. } | Self::Set)
    }

    pub const fn is_over(self) -> bool {
        matches!(self, Self::Over { .. })
    }
}

/// What a call's deadline means when it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// The call has to end for this reason.
    End(EndReason),
    /// Who is still here has had its time to let go.
    LetGo,
    /// Nobody can come back to it: it can be forgotten.
    Forget,
}

impl Call {
    /// A call that starts ringing now.
    pub fn ringing(caller: Token, target: Token, now: Duration) -> Self {
        let member = |token| Member { token, at: Whereabouts::Here };
        Self { members: [member(caller), member(target)], step: Step::Ringing { until: now + limits::RING } }
    }

    /// A call of the server's earlier life, claimed by one of its members.
    pub fn reclaimed(members: [Token; 2], until: Duration) -> Self {
        let member = |token| Member { token, at: Whereabouts::Away { until } };
        Self { members: members.map(member), step: Step::Set }
    }

    pub const fn caller(&self) -> Token {
        self.members[0].token
    }

    pub const fn target(&self) -> Token {
        self.members[1].token
    }

    pub fn member_mut(&mut self, token: Token) -> Option<&mut Member> {
        self.members.iter_mut().find(|member| member.token == token)
    }

    pub fn at(&self, token: Token) -> Option<Whereabouts> {
        self.members.iter().find(|member| member.token == token).map(|member| member.at)
    }

    /// The other side, wherever it is.
    pub fn other(&self, token: Token) -> Member {
        if self.members[0].token == token { self.members[1] } else { self.members[0] }
    }

    pub fn all_here(&self) -> bool {
        self.members.iter().all(|member| member.at == Whereabouts::Here)
    }

    /// The next moment at which something is due.
    pub fn deadline(&self) -> Option<Duration> {
        let of_step = match self.step {
            Step::Ringing { until } | Step::Accepted { until } | Step::Confirmed { until } => Some(until),
            Step::Over { until, .. } if self.any_here() => Some(until),
            Step::Set | Step::Over { .. } => None,
        };
        let away = self.members.iter().filter_map(|member| match member.at {
            Whereabouts::Away { until } => Some(until),
            Whereabouts::Here | Whereabouts::Left => None,
        });
        // A call that is over waits for the last who could claim it; one that is not, for the first.
        if self.step.is_over() {
            of_step.or(away.max()).or(Some(Duration::ZERO))
        } else {
            of_step.into_iter().chain(away).min()
        }
    }

    /// What is due now, if anything.
    pub fn due(&self, now: Duration) -> Option<Due> {
        if self.deadline()? > now {
            return None;
        }
        Some(match self.step {
            Step::Over { .. } if self.any_here() => Due::LetGo,
            Step::Over { .. } => Due::Forget,
            Step::Ringing { until } if until <= now => Due::End(EndReason::Unanswered),
            Step::Accepted { until } | Step::Confirmed { until } if until <= now => Due::End(EndReason::Timeout),
            Step::Ringing { .. } | Step::Accepted { .. } | Step::Confirmed { .. } | Step::Set => {
                Due::End(EndReason::Gone)
            }
        })
    }

    fn any_here(&self) -> bool {
        self.members.iter().any(|member| member.at == Whereabouts::Here)
    }
}
