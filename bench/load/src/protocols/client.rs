//! Client side of a protocol as a trait, and how far clients log in by themselves.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::worker_state::{ClientAction, WorkerState};

/// How far clients log in by themselves after connecting, and into which room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoginMode {
    /// Connect only, without a name where the protocol has names.
    ConnectOnly,
    /// Log in, all in one room.
    LogIn,
    /// Log in, each pair in its own room where the protocol has rooms.
    PairRooms,
}

/// Text messages to send.
pub type OutgoingTexts = Vec<Utf8Bytes>;

/// Client side of a protocol, without I/O.
pub trait ProtocolClient {
    /// Called when the WebSocket is open.
    fn on_open(&mut self, state: &mut WorkerState, out: &mut OutgoingTexts);
    /// Called for each received text message.
    fn on_text(&mut self, text: &str, state: &mut WorkerState, out: &mut OutgoingTexts);
    /// Called when the client is to perform an action.
    fn on_action(&mut self, action: ClientAction, state: &mut WorkerState, out: &mut OutgoingTexts);
    /// Heartbeat: the text to send, and the server's silence before it. None by default.
    fn heartbeat(&self) -> Option<(Duration, Utf8Bytes)> {
        None
    }
    /// Called when the connection has closed.
    fn on_close(&mut self, _state: &mut WorkerState) {}
}
