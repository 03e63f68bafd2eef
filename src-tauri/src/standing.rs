//! How the person stands to others, as far as a desktop shows it outside of the window.

use hutong_core::{CallPhase, View};
use hutong_protocol::{MediaKind, Name};

/// What goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// No call.
    #[default]
    Idle,
    /// It rings here.
    Ringing {
        /// Who calls.
        name: Name,
        /// What the caller offers.
        media: MediaKind,
    },
    /// A call is on, or is being set up.
    InCall {
        /// With whom.
        name: Name,
    },
}

impl Standing {
    /// Reads it from what the client shows.
    #[must_use]
    pub fn of(view: &View) -> Self {
        let Some(call) = &view.call else { return Self::Idle };
        let name = call.with.name.clone();
        match call.phase {
            CallPhase::Incoming => Self::Ringing { name, media: call.media },
            // Nothing is left to be kept.
            CallPhase::Ending => Self::Idle,
            CallPhase::Acquiring
            | CallPhase::Offering
            | CallPhase::Ringing
            | CallPhase::Accepting
            | CallPhase::Connecting
            | CallPhase::Connected
            | CallPhase::Reconnecting => Self::InCall { name },
        }
    }
}

#[cfg(test)]
mod tests {
    use hutong_core::CallView;
    use hutong_protocol::{Token, User, UserState};

    use super::*;

    #[test]
    fn a_call_stands_until_it_ends() {
        assert_eq!(Standing::of(&View::default()), Standing::Idle);
        let name = Name::new("Ana").unwrap();
        let of = |phase| {
            let with = User { token: Token(7), name: name.clone(), state: UserState::Connecting };
            let call = CallView { with, peer: None, media: MediaKind::Voice, phase };
            Standing::of(&View { call: Some(call), ..View::default() })
        };
        let ringing = Standing::Ringing { name: name.clone(), media: MediaKind::Voice };
        assert_eq!(of(CallPhase::Incoming), ringing);
        assert_eq!(of(CallPhase::Ending), Standing::Idle);
        for phase in [CallPhase::Acquiring, CallPhase::Ringing, CallPhase::Accepting, CallPhase::Reconnecting] {
            assert_eq!(of(phase), Standing::InCall { name: name.clone() }, "{phase:?}");
        }
    }
}
