//! Tests that the checker detects injected faults, so that its properties can fail.

use std::collections::BTreeSet;

use hutong_model::{CheckScope, EventBudget, InjectedFault};
use stateright::{Checker, HasDiscoveries, Model};

const NO_EVENTS: EventBudget =
    EventBudget { calls: 0, cuts: 0, restarts: 0, denials: 0, logouts: 0, ended_sessions: 0, late_deadlines: 0 };

/// Expects a counterexample to the property within `depth` actions, and prints it.
fn expect_violation(property: &'static str, scope: CheckScope, depth: usize) {
    let checker = scope.checker().target_max_depth(depth);
    let checker = checker.finish_when(HasDiscoveries::AllOf(BTreeSet::from([property]))).spawn_bfs().join();
    let Some(path) = checker.discovery(property) else {
        panic!("{property}: no violation in {} states", checker.unique_state_count())
    };
    println!("{property}: violated after {:?}", path.into_actions());
}

#[test]
fn a_user_in_two_calls_is_detected() {
    let scope = CheckScope::new(3, EventBudget { calls: 2, ..NO_EVENTS }).with_fault(InjectedFault::OnlineTooEarly);
    expect_violation("no user is in two calls", scope, 13);
}

#[test]
fn a_user_state_that_disagrees_with_the_call_is_detected() {
    expect_violation(
        "user states and calls agree",
        CheckScope::new(2, EventBudget { calls: 1, ..NO_EVENTS }).with_fault(InjectedFault::OnlineTooEarly),
        12,
    );
}

#[test]
fn reordered_messages_are_detected() {
    expect_violation(
        "quiescent states are consistent",
        CheckScope::new(2, EventBudget { calls: 1, ..NO_EVENTS }).with_fault(InjectedFault::ReorderedMessages),
        60,
    );
}

#[test]
fn a_server_that_ignores_its_deadlines_is_detected() {
    let scope =
        CheckScope::new(2, EventBudget { calls: 1, cuts: 1, ..NO_EVENTS }).with_fault(InjectedFault::NoServerDeadlines);
    expect_violation("quiescent states are consistent", scope, 60);
}

#[test]
fn a_call_that_never_ends_is_detected() {
    // After losing its connection in a call, the user logs out instead of reconnecting: only a deadline ends the call.
    let scope = CheckScope::new(2, EventBudget { calls: 1, cuts: 1, logouts: 1, ..NO_EVENTS })
        .with_fault(InjectedFault::NoServerDeadlines);
    expect_violation("all calls end", scope, 60);
}
