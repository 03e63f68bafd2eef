//! Tests of the registry, alone and with real clients, in memory and simulated time.

mod call_flow;
mod deadlines;
mod partial_rosters;
mod pressing;
mod random_events;
mod reconnecting;
mod simultaneous_calls;
mod tickets;
mod world;

use super::Registry;

impl Registry {
    /// Asserts the invariants of the module.
    fn check(&self) {
        let snapshot = self.snapshot();
        assert_eq!(snapshot.invariant_violations(), Vec::<String>::new());
        assert!(snapshot.wakes_in_time(self), "next_tick is later than a deadline: {snapshot:?}");
    }
}
