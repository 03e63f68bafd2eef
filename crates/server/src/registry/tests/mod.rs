//! The registry alone and with real clients, in memory and in simulated time.

mod crossing;
mod deadlines;
mod flow;
mod random;
mod returning;
mod world;

use hutong_protocol::UserState;

use super::{Registry, calls::Whereabouts};

impl Registry {
    /// Checks what the module promises.
    fn check(&self) {
        for record in self.users.all() {
            let state = record.user.state;
            assert_eq!(record.conn.is_some(), state != UserState::Offline, "{record:?}");
            let busy = matches!(state, UserState::Connecting | UserState::InCall | UserState::Ending);
            assert_eq!(record.call.is_some(), busy, "{record:?}");
            let here_in: Vec<_> = self
                .calls
                .iter()
                .filter(|(_, call)| call.at(record.user.token) == Some(Whereabouts::Here))
                .map(|(id, _)| *id)
                .collect();
            assert_eq!(here_in, record.call.into_iter().collect::<Vec<_>>(), "{record:?} is in its own call alone");
        }
        for call in self.calls.values() {
            let states: Vec<_> = call
                .members
                .iter()
                .filter(|member| member.at == Whereabouts::Here)
                .filter_map(|member| self.users.get(member.token))
                .map(|record| record.user.state)
                .collect();
            let allowed: &[UserState] = if call.step.is_over() {
                &[UserState::Ending]
            } else if call.step.is_confirmed() {
                &[UserState::InCall, UserState::Connecting]
            } else {
                &[UserState::Connecting]
            };
            assert!(states.iter().all(|state| allowed.contains(state)), "{call:?}: {states:?}");
            if call.step.is_confirmed() && call.all_here() {
                assert_eq!(states, [UserState::InCall; 2], "both sides agree: {call:?}");
            }
            let settled = call.all_here() && matches!(call.step, super::calls::Step::Set);
            assert!(settled || call.deadline().is_some(), "nothing waits for ever: {call:?}");
            assert!(
                call.step.is_over() || call.members.iter().any(|member| member.at != Whereabouts::Left),
                "somebody could still want it: {call:?}"
            );
        }
    }
}
