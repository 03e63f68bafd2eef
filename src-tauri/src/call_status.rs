//! The call status for tray and notifications: idle, ringing or in a call, derived from the client's view.

use hutong_core::{CallPhase, View};
use hutong_protocol::{MediaKind, Name, Token};
use tokio::sync::watch;

/// The number of a ring, so that a notification of an earlier ring cannot answer a later one.
pub type RingId = i32;

/// The state of the current call as the desktop shell needs it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CallStatus {
    /// No call.
    #[default]
    Idle,
    /// An incoming call rings.
    Ringing {
        /// The ring's number.
        ring: RingId,
        /// The caller's name.
        name: Name,
        /// The kind of call.
        media: MediaKind,
    },
    /// A call is established or being set up.
    InCall {
        /// The peer's name.
        name: Name,
    },
}

impl CallStatus {
    /// Derives the status from the client's view.
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
            // The call is over: quitting the app would end nothing.
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

/// Assigns ring numbers. It must see every change of the view, or two rings of one caller count as one.
#[derive(Clone, Copy, Debug, Default)]
pub struct RingCounter {
    last: RingId,
    caller: Option<Token>,
}

impl RingCounter {
    /// The number of this caller's ring; unchanged while the same caller rings.
    fn number(&mut self, caller: Token) -> RingId {
        if self.caller != Some(caller) {
            self.caller = Some(caller);
            self.last = self.last.wrapping_add(1);
        }
        self.last
    }
}

/// Publishes changes of the call status on a watch channel.
#[derive(Debug, Default)]
pub struct CallStatusPublisher {
    status: watch::Sender<CallStatus>,
    rings: RingCounter,
}

impl CallStatusPublisher {
    /// Returns a receiver of the status.
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
    fn the_status_follows_the_phase_of_the_call() {
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
        assert_eq!(of(CallPhase::Incoming), ringing(2), "another ring of the same caller");
    }
}
