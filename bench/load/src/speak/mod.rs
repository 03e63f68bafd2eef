//! What a client says in each protocol. Without I/O: text comes in, texts go out.
//!
//! Whatever the protocol, a set-up is the same three trips through the server: the caller's wish, the called side's offer, the
//! caller's answer. A server that does more on the way (states, tickets) or less is compared in what it does.

mod echo;
mod hutong;
mod matchbox;
mod old;
mod peerjs;
mod protocol;
mod speaker;

pub use protocol::Protocol;
pub use speaker::{Entry, Say, Speaker};
