//! What Hutong's clients and servers say to each other, and the rules both go by: wire messages, the five user
//! states with their transitions, names and limits.
//!
//! Nothing in here touches a socket, a clock, a thread or a random source, so the same code decides on the server,
//! foresees in the client, and is tested without waiting. The protocol as prose is in `docs/PROTOCOL.md`.

mod code;
#[cfg(feature = "schema")]
mod code_schema;
mod decode;
mod id;
pub mod limits;
mod message;
mod name;
#[cfg(feature = "schema")]
pub mod schema;
mod search;
mod state;

pub use code::{CancelReason, EndReason, ErrorCode, RefusedCode};
pub use decode::{DecodeError, decode_client, decode_server};
pub use id::{CallId, Secret, SecretTooLong, Ticket, Token};
pub use message::{ClientMessage, IceCandidate, IceServer, Limits, MediaKind, SdpKind, ServerMessage, User};
pub use name::{Name, NameError, NameKey};
pub use search::Query;
pub use state::{Denied, StateEvent, UserState};

/// The WebSocket subprotocol that a client asks for and the server confirms (RFC 6455, section 1.9).
///
/// A client of another version asks for another subprotocol, and is told to update ([`RefusedCode::Version`]).
pub const SUBPROTOCOL: &str = "hutong.v1";

/// Where the WebSocket is served.
pub const WS_PATH: &str = "/ws";
