//! The app without its window, against real servers on loopback. One program: each would link all of Tauri.

// Clippy's exception for tests covers the test functions, not their helpers.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod common;
mod controller;
mod keys;
mod own_network;
