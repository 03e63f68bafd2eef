//! Exhaustive model checks of the call protocol with more users or events than `small_scopes`; they take minutes.

use hutong_model::{CheckScope, EventBudget, Termination, check_termination};

use crate::common::check;

const NO_EVENTS: EventBudget =
    EventBudget { calls: 0, cuts: 0, restarts: 0, denials: 0, logouts: 0, ended_sessions: 0, late_deadlines: 0 };

#[test]
#[ignore = "takes a minute"]
fn two_calls_between_two_users_hold_the_properties() {
    check("two users, two calls", CheckScope::new(2, EventBudget { calls: 2, ..NO_EVENTS }), None);
}

#[test]
#[ignore = "takes a minute"]
fn a_deadline_while_messages_are_in_transit_holds_the_properties() {
    check(
        "two users, one call, one late deadline",
        CheckScope::new(2, EventBudget { calls: 1, late_deadlines: 1, ..NO_EVENTS }),
        None,
    );
}

#[test]
#[ignore = "takes a minute"]
fn a_server_restart_holds_the_properties() {
    check(
        "two users, one call, one restart",
        CheckScope::new(2, EventBudget { calls: 1, restarts: 1, ..NO_EVENTS }),
        None,
    );
}

#[test]
#[ignore = "takes a minute"]
fn denied_devices_and_a_logout_hold_the_properties() {
    let budget = EventBudget { calls: 1, denials: 1, logouts: 1, ..NO_EVENTS };
    check("two users, one call, one denial, one logout", CheckScope::new(2, budget), None);
}

#[test]
#[ignore = "takes a minute"]
fn one_call_among_three_users_holds_the_properties() {
    check("three users, one call", CheckScope::new(3, EventBudget { calls: 1, ..NO_EVENTS }), None);
}

#[test]
#[ignore = "takes minutes"]
fn two_calls_among_three_users_hold_the_properties() {
    check("three users, two calls", CheckScope::new(3, EventBudget { calls: 2, ..NO_EVENTS }), Some(16));
}

#[test]
#[ignore = "takes minutes"]
fn every_run_with_a_broken_connection_terminates() {
    let result = check_termination(&CheckScope::new(2, EventBudget { calls: 1, cuts: 1, ..NO_EVENTS }));
    println!("two users, one call, one cut: {result:?}");
    assert!(matches!(result, Termination::AllRunsEnd { .. }), "{result:?}");
}
