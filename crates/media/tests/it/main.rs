//! Two peers on loopback, also over emulated networks.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod addresses;
mod audio;
mod bad_networks;
mod close;
mod common;
mod connects;
mod data_channel;
mod frames;
mod hostile_peers;
mod keyframes;
mod loss;
mod namespace;
mod negotiation;
mod stats;
mod turn;
