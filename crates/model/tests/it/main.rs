//! The call protocol, model-checked and simulated.

#![allow(clippy::panic, reason = "helpers of tests may fail the test")]

mod broken;
mod common;
mod deep;
mod quick;
mod simulation;
