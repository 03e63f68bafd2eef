//! Client side of each server's protocol, without I/O: received texts in, texts to send out.
//!
//! In every protocol a call's set-up is the same three trips through the server: the caller's request, the called
//! side's offer, the caller's answer. Servers differ in the rest (states, tickets), and that difference is measured.

mod client;
mod echo;
mod hutong;
mod matchbox;
mod peerjs;
mod protocol;
mod socket_io;

pub use client::{LoginMode, OutgoingTexts, ProtocolClient};
pub use protocol::Protocol;
