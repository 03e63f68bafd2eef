//! Model checks and simulations of the call protocol.

#![allow(clippy::panic, reason = "helpers of tests may fail the test")]

mod common;
mod injected_faults;
mod large_scopes;
mod simulation;
mod small_scopes;
