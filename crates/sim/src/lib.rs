//! Hutong without sockets and clocks, for tests.
//!
//! [`fuzz`] has what is fed with any bytes: by libFuzzer (`fuzz/`), and by ordinary tests with the committed corpus and with bytes
//! drawn by [`Chance`].

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "only tests are made of this")]

mod chance;
pub mod fuzz;

pub use chance::Chance;
