//! What all checks do.

use std::{num::NonZeroUsize, thread::available_parallelism};

use hutong_model::Scope;
use stateright::{Checker, Model};

/// What must hold in every state.
const RULES: [&str; 4] = ["nobody is in two calls", "states and calls agree", "nobody is stuck", "every call ends"];

/// Goes through every order of everything in this scope, and prints how many states that were. With a depth: only through what
/// can be reached in so many steps.
pub fn check(name: &str, scope: Scope, depth: Option<usize>) {
    let scope_is_whole = depth.is_none();
    let threads = available_parallelism().map_or(1, NonZeroUsize::get);
    let checker = scope.checker().threads(threads);
    let checker = match depth {
        Some(depth) => checker.target_max_depth(depth),
        None => checker,
    };
    let checker = checker.spawn_bfs().join();
    let (states, steps, depth) = (checker.unique_state_count(), checker.state_count(), checker.max_depth());
    println!("{name}: {states} states, {steps} steps, {depth} deep");
    for rule in RULES {
        if let Some(path) = checker.discovery(rule) {
            panic!("{name}: {rule} fails in {:#?}\nafter {:?}", path.last_state(), path.clone().into_actions());
        }
    }
    if scope_is_whole {
        // What has to be seen somewhere, too: a call that is on lies deeper than a bound.
        checker.assert_properties();
    }
}
