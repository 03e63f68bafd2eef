//! Attacks on the program: stalled readers, slow senders, connection churn, floods, and exhausted file descriptors.
//!
//! Each test measures the memory and descriptors of the process, and the set-up delay of two users who call each other meanwhile.
//! Each attack has a small version for every test run, and one of realistic size for `cargo xtask test --full`.

#![cfg(target_os = "linux")]
#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, reason = "test helpers may fail the test")]

#[path = "../common/mod.rs"]
mod common;

mod bystanders;
mod connection_churn;
mod file_descriptors;
mod flood;
mod raw_sockets;
mod slow_senders;
mod stalled_readers;

/// Memory growth in KiB that does not depend on the number of attackers: memory that the allocator keeps, and the runtime.
const BASE_GROWTH_KIB: usize = 12 * 1024;
