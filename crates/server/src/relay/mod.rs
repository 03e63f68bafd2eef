//! Sans-I/O STUN and TURN server (RFC 8489, RFC 8656) with a closed relay: its relayed addresses reach each other only.
//!
//! Both members of a call log in to the same server, so whatever one of them sends through the relay goes to a relayed
//! address of the other. Therefore an allocation needs no socket: its relayed address is virtual, and [`Relay::receive`]
//! passes a packet from one client's allocation to the other's. No port range has to be opened, and nothing else that the
//! server's machine can reach is reachable through the relay. Packets to other addresses are dropped.
//!
//! The caller owns the sockets. It calls [`Relay::receive`] with each packet, sends the one that this returns, and calls
//! [`Relay::expire`] every few seconds. On byte streams it separates packets by [`framing`].
//!
//! Memory is bounded: a client that has not proved its credentials occupies none, because nonces are signed instead of
//! stored, and the number of allocations is limited, for each user, for each address and in all.

mod allocation;
mod allocations;
mod attributes;
mod client;
mod codec;
mod counters;
mod credentials;
pub mod framing;
mod nonce;
mod requests;
mod response;
mod server;
#[cfg(test)]
mod tests;

pub use self::{
    client::{ClientAddress, ClientTransport},
    codec::PacketDecoder,
    counters::RelayCounters,
    credentials::{MAX_CREDENTIAL_LIFETIME, TurnCredential, TurnSecret, TurnSecretError, TurnSecrets},
    server::{Relay, RelayConfig, RelayLimits, Transmit, TransmitPacket},
};
