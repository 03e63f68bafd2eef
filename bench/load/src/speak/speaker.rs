//! One client's side of a protocol, as a trait: text comes in, texts go out.

use serde::{Deserialize, Serialize};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::world::{Order, World};

/// How far clients go by themselves once they are connected, and with whom they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    /// They stay without a name, where the protocol has names.
    Connect,
    /// They log in, all in one place.
    LogIn,
    /// They log in, and each pair is in a room of its own where the protocol has rooms.
    Pairs,
}

/// What is to be sent.
pub type Say = Vec<Utf8Bytes>;

/// One client's side of a protocol.
pub trait Speaker {
    /// The WebSocket is open.
    fn opened(&mut self, world: &mut World, say: &mut Say);
    /// A text came.
    fn received(&mut self, text: &str, world: &mut World, say: &mut Say);
    /// It is to do something.
    fn ordered(&mut self, order: Order, world: &mut World, say: &mut Say);
    /// The connection is gone.
    fn closed(&mut self, _world: &mut World) {}
}
