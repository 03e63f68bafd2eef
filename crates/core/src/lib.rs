//! The brain of a Hutong client: session, roster, call and reconnection, as a value that is stepped.
//!
//! [`Client`] takes inputs (a command from the person, a message from the server, the link going up or down, what the media
//! engine reports, the passing of time) and gives outputs (send this, show this, do this with the peer connection, wake me
//! then). It touches no socket, clock, thread or random source. A driver runs it:
//!
//! ```text
//! loop {
//!     client.handle(now, input);
//!     while let Some(output) = client.poll_output() { … }
//! }
//! ```
//!
//! The two drivers are `ui/src/driver/web.rs` (web-sys WebSocket, in the browser) and `src-tauri/src/driver.rs`
//! (tokio-tungstenite, in the app).

pub mod app;
mod call;
mod call_flow;
mod cancels;
mod client;
mod context;
mod io;
mod media;
pub mod native;
mod outputs;
mod roster_filter;
mod session_flow;
mod view;

pub use client::{Client, Config};
pub use io::{Command, Input, LinkEvent, Output, Saved};
pub use media::{Connectivity, MediaCommand, MediaEvent, MediaProblem, PeerId};
pub use view::{CallPhase, CallView, Notice, RetryReason, Session, Update, View};
