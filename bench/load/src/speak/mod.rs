//! What a client says in each protocol. Without I/O: text comes in, texts go out.
//!
//! Whatever the protocol, a set-up is the same three trips through the server: the caller's wish, the called side's offer, the
//! caller's answer. A server that does more on the way (states, tickets) or less is compared in what it does.

mod echo;
mod hutong;
mod matchbox;
mod old;
mod peerjs;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::world::{Order, World};

/// Which protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// Ours.
    Hutong,
    /// The old design's, over socket.io.
    Old,
    /// PeerJS's.
    PeerJs,
    /// That of matchbox_signaling.
    Matchbox,
    /// Texts that come back.
    Echo,
}

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

impl Protocol {
    /// Where the WebSocket is.
    #[must_use]
    pub fn path(self, number: u32, entry: Entry) -> String {
        match self {
            Self::Hutong => hutong_protocol::WS_PATH.to_owned(),
            Self::Old => "/socket.io/?EIO=4&transport=websocket".to_owned(),
            Self::PeerJs => format!("/peerjs?key=peerjs&id=u{number}&token=t{number}"),
            Self::Matchbox if entry == Entry::Pairs => format!("/pair-{}", crate::world::pair(number)),
            Self::Matchbox => "/everybody".to_owned(),
            Self::Echo => "/".to_owned(),
        }
    }

    /// The subprotocol that is asked for.
    #[must_use]
    pub const fn subprotocol(self) -> Option<&'static str> {
        match self {
            Self::Hutong => Some(hutong_protocol::SUBPROTOCOL),
            _ => None,
        }
    }

    /// A client of this number among so many, who keeps in mind who is there if it is to.
    #[must_use]
    pub fn speaker(self, number: u32, entry: Entry, everybody: u32) -> Box<dyn Speaker> {
        match self {
            Self::Hutong => Box::new(hutong::Hutong::new(number, entry, everybody)),
            Self::Old => Box::new(old::Old::new(number, entry, everybody)),
            Self::PeerJs => Box::new(peerjs::PeerJs::new(number)),
            Self::Matchbox => Box::new(matchbox::Matchbox::new(number, entry)),
            Self::Echo => Box::new(echo::Echo::new(number)),
        }
    }
}
