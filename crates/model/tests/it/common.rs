//! Runs a model check and asserts its properties.

use std::{num::NonZeroUsize, thread::available_parallelism};

use hutong_model::CheckScope;
use stateright::{Checker, Model};

/// Properties that must hold in every state.
const INVARIANTS: [&str; 4] =
    ["no user is in two calls", "user states and calls agree", "quiescent states are consistent", "all calls end"];

/// Explores every order of events in the scope, up to `depth` actions if given, and prints the number of states.
pub fn check(name: &str, scope: CheckScope, depth: Option<usize>) {
    let is_exhaustive = depth.is_none();
    let threads = available_parallelism().map_or(1, NonZeroUsize::get);
    let checker = scope.checker().threads(threads);
    let checker = match depth {
        Some(depth) => checker.target_max_depth(depth),
        None => checker,
    };
    let checker = checker.spawn_bfs().join();
    let (states, steps, depth) = (checker.unique_state_count(), checker.state_count(), checker.max_depth());
    println!("{name}: {states} states, {steps} steps, {depth} deep");
    for property in INVARIANTS {
        if let Some(path) = checker.discovery(property) {
            panic!("{name}: {property} fails in {:#?}\nafter {:?}", path.last_state(), path.clone().into_actions());
        }
    }
    if is_exhaustive {
        // Includes the reachability properties; an established call lies beyond a depth limit.
        checker.assert_properties();
    }
}
