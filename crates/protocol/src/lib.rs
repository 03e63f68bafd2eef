//! Wire protocol of Hutong: messages, user states with their transitions, names, limits and error codes.
//!
//! The crate does no I/O, reads no clock and draws no random numbers. Server and client share it, so that both apply
//! the same rules. `docs/PROTOCOL.md` describes the protocol in prose.

mod code;
#[cfg(feature = "schema")]
mod code_schema;
mod decode;
mod id;
mod joiners;
pub mod limits;
mod message;
mod name;
#[cfg(feature = "schema")]
pub mod schema;
mod search;
mod state;
mod unicode_ranges;

pub use code::{CancelReason, EndReason, ErrorCode, RefusedCode};
pub use decode::{DecodeError, decode_client, decode_server};
pub use id::{CallId, CallTicket, Secret, SecretTooLong, SessionTicket, Token};
pub use joiners::seen_characters;
pub use message::{ClientMessage, IceCandidate, IceServer, Limits, MediaKind, SdpKind, ServerMessage, User};
pub use name::{Name, NameError, NameKey};
pub use search::NameQuery;
pub use state::{StateEvent, TransitionError, UserState};

/// The WebSocket subprotocol that a client requests and the server confirms (RFC 6455, section 1.9).
///
/// A client of another protocol version requests another subprotocol, and the server refuses it with
/// [`RefusedCode::Version`].
pub const SUBPROTOCOL: &str = "hutong.v1";

/// URL path of the WebSocket.
pub const WS_PATH: &str = "/ws";
