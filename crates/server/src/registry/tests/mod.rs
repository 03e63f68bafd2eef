//! The registry alone and with real clients, in memory and in simulated time.

mod crossing;
mod deadlines;
mod flow;
mod random;
mod returning;
mod tickets;
mod watching;
mod world;

use super::Registry;

impl Registry {
    /// Checks what the module promises.
    fn check(&self) {
        let snapshot = self.snapshot();
        assert_eq!(snapshot.faults(), Vec::<String>::new());
        assert!(snapshot.wakes_in_time(self), "it wakes for every deadline: {snapshot:?}");
    }
}
