//! State machine of a user: five states and their transition table.

use serde::{Deserialize, Serialize};

/// State of a user. A user is in exactly one state at a time, and only the server changes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum UserState {
    /// 在线: the user has a WebSocket, and is in no call.
    Online,
    /// 离线: the user has no WebSocket. Only `presence` reports it; a roster never contains it.
    Offline,
    /// 通话连接中: the user offers a call or is offered one, until `confirm`; or has claimed a call and waits for the
    /// other side.
    Connecting,
    /// 通话中: the user is in a call, from `confirm` on.
    InCall,
    /// 通话结束中: the call is over, and the user has not released its camera and microphone yet.
    Ending,
}

impl UserState {
    /// All states, in the order of the documentation's table.
    pub const ALL: [Self; 5] = [Self::Online, Self::Offline, Self::Connecting, Self::InCall, Self::Ending];

    /// The state after `event`.
    ///
    /// The only definition of the transitions: the server applies it, and the client consults it to offer only possible
    /// actions.
    ///
    /// # Errors
    ///
    /// [`TransitionError`] if the event is not allowed in this state.
    pub const fn after(self, event: StateEvent) -> Result<Self, TransitionError> {
        use StateEvent as E;
        use UserState::{Connecting, Ending, InCall, Offline, Online};
        match (self, event) {
            (Offline, E::LogIn) => Ok(Online),
            (Online | Connecting | InCall | Ending, E::LogIn) => Err(TransitionError::AlreadyOnline),

            (Online, E::Offer | E::Ring | E::Claim) => Ok(Connecting),
            (Connecting | InCall | Ending, E::Offer | E::Ring | E::Claim) => Err(TransitionError::Busy),
            (Offline, E::Offer | E::Ring | E::Claim) => Err(TransitionError::Offline),

            (Connecting, E::Confirm) => Ok(InCall),
            (Online | InCall | Ending, E::Confirm) => Err(TransitionError::NoCall),
            (Offline, E::Confirm) => Err(TransitionError::Offline),

            (Connecting | InCall, E::End) => Ok(Ending),
            (Online | Ending, E::End) => Err(TransitionError::NoCall),
            (Offline, E::End) => Err(TransitionError::Offline),

            (Ending, E::Release) => Ok(Online),
            (Online | Connecting | InCall, E::Release) => Err(TransitionError::NoCall),
            (Offline, E::Release) => Err(TransitionError::Offline),

            (Online | Connecting | InCall | Ending, E::Leave) => Ok(Offline),
            (Offline, E::Leave) => Err(TransitionError::Offline),
        }
    }

    /// Whether a user in this state can be called.
    #[must_use]
    pub const fn can_be_called(self) -> bool {
        self.after(StateEvent::Ring).is_ok()
    }
}

/// Event that changes a user's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StateEvent {
    /// The server accepted the user's `hello`, with or without a ticket.
    LogIn,
    /// The user offers another user a call.
    Offer,
    /// Another user offers this user a call.
    Ring,
    /// The user claims the call that it was in before it lost its WebSocket.
    Claim,
    /// `confirm` was delivered, or both members are back in the call after a claim.
    Confirm,
    /// The call ended or could not be set up.
    End,
    /// The user released its devices after a call, or the deadline for that has passed.
    Release,
    /// The user's WebSocket closed.
    Leave,
}

impl StateEvent {
    /// All events, in the order of the documentation's table.
    pub const ALL: [Self; 8] =
        [Self::LogIn, Self::Offer, Self::Ring, Self::Claim, Self::Confirm, Self::End, Self::Release, Self::Leave];
}

/// Error: the event is not allowed in the user's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum TransitionError {
    /// The user already has a WebSocket.
    #[error("the user is online already")]
    AlreadyOnline,
    /// The user has no WebSocket.
    #[error("the user is offline")]
    Offline,
    /// The user is connecting, in a call or ending one.
    #[error("the user is busy")]
    Busy,
    /// The user has no call in the state that the event needs.
    #[error("the user has no call in a state that permits this event")]
    NoCall,
}

#[cfg(test)]
mod tests {
    use super::*;
    use TransitionError::{AlreadyOnline, Busy, NoCall, Offline as NotOnline};
    use UserState::{Connecting, Ending, InCall, Offline, Online};

    /// The table of `docs/PROTOCOL.md`: one row per state, one column per event. Repeats the match on purpose.
    #[rustfmt::skip]
    const TABLE: [(UserState, [Result<UserState, TransitionError>; 8]); 5] = [
        //            LogIn               Offer            Ring             Claim            Confirm         End             Release         Leave
        (Online,     [Err(AlreadyOnline), Ok(Connecting),  Ok(Connecting),  Ok(Connecting),  Err(NoCall),    Err(NoCall),    Err(NoCall),    Ok(Offline)]),
        (Offline,    [Ok(Online),         Err(NotOnline),  Err(NotOnline),  Err(NotOnline),  Err(NotOnline), Err(NotOnline), Err(NotOnline), Err(NotOnline)]),
        (Connecting, [Err(AlreadyOnline), Err(Busy),       Err(Busy),       Err(Busy),       Ok(InCall),     Ok(Ending),     Err(NoCall),    Ok(Offline)]),
        (InCall,     [Err(AlreadyOnline), Err(Busy),       Err(Busy),       Err(Busy),       Err(NoCall),    Ok(Ending),     Err(NoCall),    Ok(Offline)]),
        (Ending,     [Err(AlreadyOnline), Err(Busy),       Err(Busy),       Err(Busy),       Err(NoCall),    Err(NoCall),    Ok(Online),     Ok(Offline)]),
    ];

    #[test]
    fn every_transition_matches_the_documented_table() {
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
    fn only_online_users_can_be_called() {
        let callable: Vec<_> = UserState::ALL.into_iter().filter(|state| state.can_be_called()).collect();
        assert_eq!(callable, [Online]);
    }

    #[test]
    fn online_and_offline_are_reachable_from_every_state() {
        for start in UserState::ALL {
            let mut reached = vec![start];
            let mut next = 0;
            while let Some(&state) = reached.get(next) {
                next += 1;
                for event in StateEvent::ALL {
                    match state.after(event) {
                        Ok(after) if !reached.contains(&after) => reached.push(after),
                        _ => {}
                    }
                }
            }
            assert!(reached.contains(&Online) && reached.contains(&Offline), "from {start:?} only {reached:?}");
        }
    }

    #[test]
    fn states_serialize_to_their_wire_names() {
        let names: Vec<_> = UserState::ALL.iter().map(|state| serde_json::to_string(state).unwrap()).collect();
        assert_eq!(names, [r#""online""#, r#""offline""#, r#""connecting""#, r#""in_call""#, r#""ending""#]);
    }
}
