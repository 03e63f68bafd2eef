//! Integration tests of the client state machine, without I/O.

mod call_failures;
mod call_flow;
mod candidates;
#[allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]
mod common;
mod ice_servers;
mod roster_filter;
mod session;
