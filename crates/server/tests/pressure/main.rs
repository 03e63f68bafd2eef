//! What becomes of the real program, and of people who call each other there, while others stop reading, never finish what they
//! begin, vanish, come and go by the thousand, flood it, or take all descriptors that it may have.
//!
//! Memory and descriptors are the system's own numbers of the process. Each attack has a smaller version for every test run, and
//! one of the size that a server on the internet meets, for `cargo xtask test --full`.

#![cfg(target_os = "linux")]
#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests may fail the test")]

#[path = "../common/mod.rs"]
mod common;

mod coming_and_going;
mod descriptors;
mod flood;
mod not_reading;
mod others;
mod slow;
mod sockets;

/// Memory that a process may take however many attack it: what its allocator keeps of the memory that was in use, the log, the
/// tasks of the runtime. In KiB.
const SLACK: usize = 12 * 1024;
