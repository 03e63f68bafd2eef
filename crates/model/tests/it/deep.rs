//! Larger worlds: minutes each. `cargo xtask test --full` runs them.

use hutong_model::{Left, Runs, Scope, all_runs};

use crate::common::check;

const NOTHING: Left = Left { calls: 0, cuts: 0, restarts: 0, refusals: 0, leaves: 0, late: 0 };

#[test]
#[ignore = "takes a minute"]
fn two_calls_that_may_cross() {
    check("two people, two calls", Scope::new(2, Left { calls: 2, ..NOTHING }), None);
}

#[test]
#[ignore = "takes a minute"]
fn a_deadline_that_comes_while_messages_are_under_way() {
    check("two people, one call, one late message", Scope::new(2, Left { calls: 1, late: 1, ..NOTHING }), None);
}

#[test]
#[ignore = "takes a minute"]
fn a_server_that_is_killed_and_started_anew() {
    check("two people, one call, one restart", Scope::new(2, Left { calls: 1, restarts: 1, ..NOTHING }), None);
}

#[test]
#[ignore = "takes a minute"]
fn devices_that_are_refused_and_somebody_who_logs_out() {
    let budget = Left { calls: 1, refusals: 1, leaves: 1, ..NOTHING };
    check("two people, one call, one refusal, one leaves", Scope::new(2, budget), None);
}

#[test]
#[ignore = "takes a minute"]
fn one_call_before_a_third() {
    check("three people, one call", Scope::new(3, Left { calls: 1, ..NOTHING }), None);
}

#[test]
#[ignore = "takes minutes"]
fn two_calls_among_three() {
    check("three people, two calls", Scope::new(3, Left { calls: 2, ..NOTHING }), Some(16));
}

#[test]
#[ignore = "takes minutes"]
fn no_run_with_a_break_goes_in_circles() {
    let runs = all_runs(&Scope::new(2, Left { calls: 1, cuts: 1, ..NOTHING }));
    println!("two people, one call, one break: {runs:?}");
    assert!(matches!(runs, Runs::End { .. }), "{runs:?}");
}
