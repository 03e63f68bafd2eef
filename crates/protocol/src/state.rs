//! The five states of a user, and the one table of their transitions.

use serde::{Deserialize, Serialize};

/// What a user is doing. A user is in exactly one state at a time, and the server decides which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum UserState {
    /// 在线: has a WebSocket, and is in no call.
    Online,
    /// 离线: has no WebSocket. Never shown in a roster; only told as a change.
    Offline,
    /// 通话连接中: offers a call, is being rung, or is coming back into a call that it has claimed.
    Connecting,
    /// 通话中: in a call, from CONFIRM on.
    InCall,
    /// 通话结束中: the call is over, and this user has not let go of its camera and microphone yet.
    Ending,
}

impl UserState {
    /// All states, in the order of the documentation's table.
    pub const ALL: [Self; 5] = [Self::Online, Self::Offline, Self::Connecting, Self::InCall, Self::Ending];

    /// The state after `event`, or why there is none.
    ///
    /// This is the only place where a transition is defined. The server applies it to decide; the client asks it
    /// beforehand, so as not to offer what would be refused.
    ///
    /// # Errors
    ///
    /// [`Denied`] when a user in this state cannot take part in the event.
    pub const fn after(self, event: StateEvent) -> Result<Self, Denied> {
        use StateEvent as E;
        use UserState::{Connecting, Ending, InCall, Offline, Online};
        match (self, event) {
            (Offline, E::LogIn) => Ok(Online),
            (Online | Connecting | InCall | Ending, E::LogIn) => Err(Denied::AlreadyOnline),

            (Online, E::Offer | E::Ring | E::Claim) => Ok(Connecting),
            (Connecting | InCall | Ending, E::Offer | E::Ring | E::Claim) => Err(Denied::Busy),
            (Offline, E::Offer | E::Ring | E::Claim) => Err(Denied::Offline),

            (Connecting, E::Confirm) => Ok(InCall),
            (Online | InCall | Ending, E::Confirm) => Err(Denied::NoCall),
            (Offline, E::Confirm) => Err(Denied::Offline),

            (Connecting | InCall, E::End) => Ok(Ending),
            (Online | Ending, E::End) => Err(Denied::NoCall),
            (Offline, E::End) => Err(Denied::Offline),

            (Ending, E::Release) => Ok(Online),
            (Online | Connecting | InCall, E::Release) => Err(Denied::NoCall),
            (Offline, E::Release) => Err(Denied::Offline),

            (Online | Connecting | InCall | Ending, E::Leave) => Ok(Offline),
            (Offline, E::Leave) => Err(Denied::Offline),
        }
    }

    /// Whether a user in this state can be called.
    #[must_use]
    pub const fn can_be_called(self) -> bool {
        self.after(StateEvent::Ring).is_ok()
    }
}

/// What can happen to a user's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StateEvent {
    /// The user's hello was accepted, for the first time or with a ticket.
    LogIn,
    /// The user offers a call to somebody.
    Offer,
    /// Somebody offers this user a call.
    Ring,
    /// The user claims the call that it was in before its WebSocket was lost.
    Claim,
    /// The call was confirmed, or a claim of it was met.
    Confirm,
    /// The call is over or could not be set up.
    End,
    /// The user has let go of the call, or the time to do so has passed.
    Release,
    /// The user's WebSocket is gone.
    Leave,
}

impl StateEvent {
    /// All events, in the order of the documentation's table.
    pub const ALL: [Self; 8] =
        [Self::LogIn, Self::Offer, Self::Ring, Self::Claim, Self::Confirm, Self::End, Self::Release, Self::Leave];
}

/// Why a transition does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Denied {
    /// The user already has a WebSocket.
    #[error("the user is online already")]
    AlreadyOnline,
    /// The user has no WebSocket.
    #[error("the user is offline")]
    Offline,
    /// The user is connecting, in a call or ending one.
    #[error("the user is busy")]
    Busy,
    /// The user is in no call that this could apply to.
    #[error("the user is in no such call")]
    NoCall,
}

#[cfg(test)]
mod tests {
    use super::*;
    use Denied::{AlreadyOnline, Busy, NoCall, Offline as Gone};
    use UserState::{Connecting, Ending, InCall, Offline, Online};

    /// The table of `docs/PROTOCOL.md`, a row a state and a column an event, written out a second time on purpose.
    #[rustfmt::skip]
    const TABLE: [(UserState, [Result<UserState, Denied>; 8]); 5] = [
        //            LogIn               Offer            Ring             Claim            Confirm      End          Release      Leave
        (Online,     [Err(AlreadyOnline), Ok(Connecting),  Ok(Connecting),  Ok(Connecting),  Err(NoCall), Err(NoCall), Err(NoCall), Ok(Offline)]),
        (Offline,    [Ok(Online),         Err(Gone),       Err(Gone),       Err(Gone),       Err(Gone),   Err(Gone),   Err(Gone),   Err(Gone)]),
        (Connecting, [Err(AlreadyOnline), Err(Busy),       Err(Busy),       Err(Busy),       Ok(InCall),  Ok(Ending),  Err(NoCall), Ok(Offline)]),
        (InCall,     [Err(AlreadyOnline), Err(Busy),       Err(Busy),       Err(Busy),       Err(NoCall), Ok(Ending),  Err(NoCall), Ok(Offline)]),
        (Ending,     [Err(AlreadyOnline), Err(Busy),       Err(Busy),       Err(Busy),       Err(NoCall), Err(NoCall), Ok(Online),  Ok(Offline)]),
    ];

    #[test]
    fn every_state_and_event_pair_goes_by_the_table() {
        let mut pairs = 0;
        for (state, row) in TABLE {
            for (event, expected) in StateEvent::ALL.into_iter().zip(row) {
                assert_eq!(state.after(event), expected, "{state:?} after {event:?}");
                pairs += 1;
            }
        }
        assert_eq!(pairs, UserState::ALL.len() * StateEvent::ALL.len());
    }

    #[test]
    fn only_an_online_user_can_be_called() {
        let callable: Vec<_> = UserState::ALL.into_iter().filter(|state| state.can_be_called()).collect();
        assert_eq!(callable, [Online]);
    }

    #[test]
    fn every_state_can_be_left_for_online_or_offline() {
        for start in UserState::ALL {
            let mut seen = vec![start];
            let mut next = 0;
            while let Some(&state) = seen.get(next) {
                next += 1;
                for event in StateEvent::ALL {
                    match state.after(event) {
                        Ok(after) if !seen.contains(&after) => seen.push(after),
                        _ => {}
                    }
                }
            }
            assert!(seen.contains(&Online) && seen.contains(&Offline), "{start:?} is stuck: {seen:?}");
        }
    }

    #[test]
    fn the_wire_names_are_the_plans_own() {
        let names: Vec<_> = UserState::ALL.iter().map(|state| serde_json::to_string(state).unwrap()).collect();
        assert_eq!(names, [r#""online""#, r#""offline""#, r#""connecting""#, r#""in_call""#, r#""ending""#]);
    }
}
