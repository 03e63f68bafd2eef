//! Hutong's signalling server.

pub mod registry;
