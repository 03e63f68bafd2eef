//! Integration tests of the app without its window, against real servers on loopback. One binary, because each links all
//! of Tauri.

// Clippy's exception for tests does not cover helper functions.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod access_key;
mod common;
mod controller;
mod keys;
mod own_network;
mod session;
