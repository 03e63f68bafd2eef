//! Tests of the registry, alone and with real clients, in memory and simulated time.

mod call_flow;
mod deadlines;
mod partial_rosters;
mod pressing;
mod random_events;
mod reconnecting;
mod sessions;
mod simultaneous_calls;
mod tickets;
mod world;
mod wrong_clock;

use hutong_protocol::Token;

use super::{ConnId, Registry, Revocation, RevokedSessions};

impl Registry {
    /// Asserts the invariants of the module.
    fn check(&self) {
        let snapshot = self.snapshot();
        assert_eq!(snapshot.invariant_violations(), Vec::<String>::new());
        assert!(snapshot.wakes_in_time(self), "next_tick is later than a deadline: {snapshot:?}");
    }
    /// The connection of this user.
    fn user_conn(&self, user: Token) -> Option<ConnId> {
        self.state.users.get(user)?.conn
    }
}

impl Revocation {
    /// The user whose session it names.
    const fn user(&self) -> Option<Token> {
        match self.revoked {
            RevokedSessions::One { user, .. } => Some(user),
            RevokedSessions::OfName { .. } | RevokedSessions::All { .. } => None,
        }
    }
}
