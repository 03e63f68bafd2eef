//! State machine of a Hutong client without I/O (sans-I/O): session, roster, call and reconnecting.
//!
//! [`Client`] takes inputs (commands of the person, messages from the server, WebSocket events, reports of the media
//! engine, the passing of time) and returns outputs (send a message, update the view, command the media engine, set a
//! timer). It uses no socket, clock, thread or random source. A driver runs it:
//!
//! ```text
//! loop {
//!     client.handle(now, input);
//!     while let Some(output) = client.poll_output() { … }
//! }
//! ```
//!
//! There are two drivers: `ui/src/driver/browser.rs` (web-sys WebSocket, in the browser) and `src-tauri/src/driver.rs`
//! (tokio-tungstenite, in the app).

mod backoff;
mod call;
mod call_flow;
mod call_record;
mod cancels;
mod candidate_types;
mod client;
mod context;
mod heartbeat;
pub mod host_messages;
mod io;
mod media;
pub mod native_peer;
mod outputs;
mod roster_filter;
mod session_flow;
mod view;

pub use call_record::{CallDirection, CallOutcome, CallRecord};
pub use client::{Client, Config, HeartbeatMode};
pub use io::{Command, Input, Output, SavedSession, SocketEvent};
pub use media::{Connectivity, MediaCommand, MediaEvent, MediaProblem, PeerId, WithoutMicrophone};
pub use view::{
    CallAgain, CallFailure, CallPhase, CallView, Notice, PathsTried, RetryReason, SessionView, View, ViewUpdate,
};
