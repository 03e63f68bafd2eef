//! That the checker finds a rule that is broken on purpose: so the rules can fail.

use std::collections::BTreeSet;

use hutong_model::{Fault, Left, Scope};
use stateright::{Checker, HasDiscoveries, Model};

const NOTHING: Left = Left { calls: 0, cuts: 0, restarts: 0, refusals: 0, leaves: 0, late: 0 };

/// Breaks something, and gives the steps after which the rule was seen to be broken.
fn finds(rule: &'static str, scope: Scope, depth: usize) {
    let checker = scope.checker().target_max_depth(depth);
    let checker = checker.finish_when(HasDiscoveries::AllOf(BTreeSet::from([rule]))).spawn_bfs().join();
    let Some(path) = checker.discovery(rule) else {
        panic!("{rule}: not found among {}", checker.unique_state_count())
    };
    println!("{rule}: broken after {:?}", path.into_actions());
}

#[test]
fn somebody_in_two_calls_is_found() {
    let scope = Scope::new(3, Left { calls: 2, ..NOTHING }).with(Fault::OnlineTooEarly);
    finds("nobody is in two calls", scope, 13);
}

#[test]
fn a_state_that_does_not_go_with_the_call_is_found() {
    finds("states and calls agree", Scope::new(2, Left { calls: 1, ..NOTHING }).with(Fault::OnlineTooEarly), 12);
}

#[test]
fn messages_that_overtake_each_other_are_found() {
    finds("nobody is stuck", Scope::new(2, Left { calls: 1, ..NOTHING }).with(Fault::Overtaking), 60);
}

#[test]
fn a_server_that_keeps_no_deadlines_is_found() {
    let scope = Scope::new(2, Left { calls: 1, cuts: 1, ..NOTHING }).with(Fault::Timeless);
    finds("nobody is stuck", scope, 60);
}

#[test]
fn a_call_that_is_kept_for_ever_is_found() {
    // Who lost the connection in a call logs out instead of coming back: only a deadline ends what the server keeps for it.
    let scope = Scope::new(2, Left { calls: 1, cuts: 1, leaves: 1, ..NOTHING }).with(Fault::Timeless);
    finds("every call ends", scope, 60);
}
