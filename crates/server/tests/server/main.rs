//! The server over real sockets: as a library, and the program as a process. One binary, since most of the time for another would
//! be spent on linking it. What runs alone and for long has its own: `pressure` and `soak`.

#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests may fail the test")]

#[path = "../common/mod.rs"]
mod common;

#[cfg(all(target_os = "linux", feature = "acme"))]
mod acme;
mod bad_input;
mod calls;
mod certificates;
mod deadlines;
mod draining;
mod entry;
mod headers;
#[cfg(target_os = "linux")]
mod keys;
#[cfg(target_os = "linux")]
mod logs;
mod metrics;
mod network;
mod opening;
#[cfg(target_os = "linux")]
mod program;
#[cfg(target_os = "linux")]
mod restart;
mod shutdown;
mod slow_reader;
mod tls;
mod watching;
mod web;
