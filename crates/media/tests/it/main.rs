//! Peers on loopback, over networks good and bad.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod addresses;
mod close;
mod common;
mod connects;
mod frames;
mod keyframes;
mod loss;
mod messages;
mod negotiation;
mod network;
mod relay;
mod stats;
mod voice;
