//! Exhaustive checks of small scopes.

use hutong_model::{CheckScope, EventBudget, Termination, check_termination};

use crate::common::check;

const NO_EVENTS: EventBudget =
    EventBudget { calls: 0, cuts: 0, restarts: 0, denials: 0, logouts: 0, ended_sessions: 0, late_deadlines: 0 };

#[test]
fn one_call_holds_the_properties() {
    check("two users, one call", CheckScope::new(2, EventBudget { calls: 1, ..NO_EVENTS }), None);
}

#[test]
fn one_call_with_a_connection_cut_at_any_moment_holds_the_properties() {
    check("two users, one call, one cut", CheckScope::new(2, EventBudget { calls: 1, cuts: 1, ..NO_EVENTS }), None);
}

#[test]
fn two_users_with_one_call_and_one_session_that_the_server_ends() {
    let budget = EventBudget { calls: 1, ended_sessions: 1, ..NO_EVENTS };
    check("two users, one call, one ended session", CheckScope::new(2, budget), None);
}

#[test]
fn every_run_terminates() {
    let result = check_termination(&CheckScope::new(2, EventBudget { calls: 1, ..NO_EVENTS }));
    println!("two users, one call: {result:?}");
    assert!(matches!(result, Termination::AllRunsEnd { .. }), "{result:?}");
}
