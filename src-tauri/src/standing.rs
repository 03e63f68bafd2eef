//! How the person stands to others, as far as a desktop shows it outside of the window.

use hutong_core::{CallPhase, View};
use hutong_protocol::{MediaKind, Name, Token};

/// Which ring it is. Rings are counted, so that what was shown of an earlier one cannot be taken for a later one's.
pub type RingId = i32;

/// What goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// No call.
    #[default]
    Idle,
    /// It rings here.
    Ringing {
        /// Which ring.
        ring: RingId,
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

/// Counts rings. It has to see every change of what the client shows, or two rings would be one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rings {
    last: RingId,
    caller: Option<Token>,
}

impl Rings {
    /// The ring's number: the same for as long as the same person calls.
    fn number(&mut self, caller: Token) -> RingId {
        if self.caller != Some(caller) {
            self.caller = Some(caller);
            self.last = self.last.wrapping_add(1);
        }
        self.last
    }
}

impl Standing {
    /// Reads it from what the client shows.
    #[must_use]
    pub fn of(view: &View, rings: &mut Rings) -> Self {
        let ringing = view.call.as_ref().filter(|call| call.phase == CallPhase::Incoming);
        if ringing.is_none() {
            rings.caller = None;
        }
        let Some(call) = &view.call else { return Self::Idle };
        let name = call.with.name.clone();
        match call.phase {
            CallPhase::Incoming => Self::Ringing { ring: rings.number(call.with.token), name, media: call.media },
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
        let mut rings = Rings::default();
        assert_eq!(Standing::of(&View::default(), &mut rings), Standing::Idle);
        let name = Name::new("Ana").unwrap();
        let mut of = |phase| {
            let with = User { token: Token(7), name: name.clone(), state: UserState::Connecting };
            let call = CallView { with, peer: None, media: MediaKind::Voice, phase };
            Standing::of(&View { call: Some(call), ..View::default() }, &mut rings)
        };
        let ringing = |ring| Standing::Ringing { ring, name: name.clone(), media: MediaKind::Voice };
        assert_eq!(of(CallPhase::Incoming), ringing(1));
        assert_eq!(of(CallPhase::Incoming), ringing(1));
        assert_eq!(of(CallPhase::Ending), Standing::Idle);
        for phase in [CallPhase::Acquiring, CallPhase::Ringing, CallPhase::Accepting, CallPhase::Reconnecting] {
            assert_eq!(of(phase), Standing::InCall { name: name.clone() }, "{phase:?}");
        }
        assert_eq!(of(CallPhase::Incoming), ringing(2), "another ring of the same person");
    }
}
