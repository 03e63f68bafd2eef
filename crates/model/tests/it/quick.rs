//! Small worlds, gone through whole.

use hutong_model::{Left, Runs, Scope, all_runs};

use crate::common::check;

const NOTHING: Left = Left { calls: 0, cuts: 0, restarts: 0, refusals: 0, leaves: 0, late: 0 };

#[test]
fn one_call() {
    check("two people, one call", Scope::new(2, Left { calls: 1, ..NOTHING }), None);
}

#[test]
fn one_call_and_a_connection_that_breaks_at_any_moment() {
    check("two people, one call, one break", Scope::new(2, Left { calls: 1, cuts: 1, ..NOTHING }), None);
}

#[test]
fn no_run_goes_in_circles() {
    let runs = all_runs(&Scope::new(2, Left { calls: 1, ..NOTHING }));
    println!("two people, one call: {runs:?}");
    assert!(matches!(runs, Runs::End { .. }), "{runs:?}");
}
