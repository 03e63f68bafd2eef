//! Tests of the relay with messages that a client sends.

mod client;
mod requests;
mod traffic;
