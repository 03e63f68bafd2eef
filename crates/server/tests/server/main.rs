//! Tests of the server over real sockets, as a library and as a process.
//!
//! One binary for all, to save link time. Tests that must run alone have their own: `pressure` and `soak`.

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, reason = "test helpers may fail the test")]

#[path = "../common/mod.rs"]
mod common;

#[cfg(all(target_os = "linux", feature = "acme"))]
mod acme;
mod admission;
mod calls;
mod certificates;
#[cfg(target_os = "linux")]
mod coturn_recipe;
mod deadlines;
mod draining;
mod full_server;
mod headers;
mod host_names;
mod invalid_input;
#[cfg(target_os = "linux")]
mod logs;
mod metrics;
mod network_sharing;
mod pressing_others;
#[cfg(target_os = "linux")]
mod process;
#[cfg(target_os = "linux")]
mod restart;
mod roster_subscription;
#[cfg(target_os = "linux")]
mod scoreboard;
mod sessions;
mod shutdown;
#[cfg(target_os = "linux")]
mod ticket_keys;
mod tls;
#[cfg(target_os = "linux")]
mod turn;
mod web;
mod websocket_upgrade;
#[cfg(target_os = "linux")]
mod wrong_clock;
