//! The call status that the desktop shows outside of the window: in the tray and in notifications.

use hutong_core::{CallPhase, View};
use hutong_protocol::{MediaKind, Name, Token};
use tokio::sync::watch;

/// Numbers a ring, so that a notification of an earlier ring cannot answer a later one.
pub type RingId = i32;

/// Whether there is a call, and how far it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CallStatus {
    /// No call.
    #[default]
    Idle,
    /// An incoming call rings here.
    Ringing {
        /// Which ring.
        ring: RingId,
        /// The caller's name.
        name: Name,
        /// What the caller offers.
        media: MediaKind,
    },
    /// A call is on, or is being set up.
    InCall {
        /// The other side's name.
        name: Name,
    },
}

impl CallStatus {
    /// Reads the status from the client's view.
    #[must_use]
    pub fn of(view: &View, rings: &mut RingCounter) -> Self {
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

/// Counts rings. It has to see every change of the view, or two rings would be one.
#[derive(Clone, Copy, Debug, Default)]
pub struct RingCounter {
    last: RingId,
    caller: Option<Token>,
}

impl RingCounter {
    /// The number of this caller's ring: the same for as long as the same person calls.
    fn number(&mut self, caller: Token) -> RingId {
        if self.caller != Some(caller) {
            self.caller = Some(caller);
            self.last = self.last.wrapping_add(1);
        }
        self.last
    }
}

/// Publishes the call status to those who watch it, at each change.
#[derive(Debug, Default)]
pub struct CallStatusPublisher {
    status: watch::Sender<CallStatus>,
    rings: RingCounter,
}

impl CallStatusPublisher {
    /// Watches the status, from now on.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<CallStatus> {
        self.status.subscribe()
    }

    /// Publishes the status of this view, if it changed.
    pub fn publish(&mut self, view: &View) {
        let now = CallStatus::of(view, &mut self.rings);
        self.status.send_if_modified(|status| {
            let changed = *status != now;
            *status = now;
            changed
        });
    }
}

#[cfg(test)]
mod tests {
    use hutong_core::CallView;
    use hutong_protocol::{Token, User, UserState};

    use super::*;

    #[test]
    fn a_call_has_a_status_until_it_ends() {
        let mut rings = RingCounter::default();
        assert_eq!(CallStatus::of(&View::default(), &mut rings), CallStatus::Idle);
        let name = Name::new("Ana").unwrap();
        let mut of = |phase| {
            let with = User { token: Token(7), name: name.clone(), state: UserState::Connecting };
            let call = CallView { with, peer: None, media: MediaKind::Voice, phase };
            CallStatus::of(&View { call: Some(call), ..View::default() }, &mut rings)
        };
        let ringing = |ring| CallStatus::Ringing { ring, name: name.clone(), media: MediaKind::Voice };
        assert_eq!(of(CallPhase::Incoming), ringing(1));
        assert_eq!(of(CallPhase::Incoming), ringing(1));
        assert_eq!(of(CallPhase::Ending), CallStatus::Idle);
        for phase in [CallPhase::Acquiring, CallPhase::Ringing, CallPhase::Accepting, CallPhase::Reconnecting] {
            assert_eq!(of(phase), CallStatus::InCall { name: name.clone() }, "{phase:?}");
        }
        assert_eq!(of(CallPhase::Incoming), ringing(2), "another ring of the same person");
    }
}
