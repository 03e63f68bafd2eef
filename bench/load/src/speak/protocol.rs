//! The protocols that are spoken: where each one's WebSocket is, and its client.

use serde::{Deserialize, Serialize};

use super::{
    echo::Echo,
    hutong::Hutong,
    matchbox::Matchbox,
    old::Old,
    peerjs::PeerJs,
    speaker::{Entry, Speaker},
};
use crate::world::pair;

/// Which protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

impl Protocol {
    /// Where the WebSocket is.
    #[must_use]
    pub fn path(self, number: u32, entry: Entry) -> String {
        match self {
            Self::Hutong => hutong_protocol::WS_PATH.to_owned(),
            Self::Old => "/socket.io/?EIO=4&transport=websocket".to_owned(),
            Self::PeerJs => format!("/peerjs?key=peerjs&id=u{number}&token=t{number}"),
            Self::Matchbox if entry == Entry::Pairs => format!("/pair-{}", pair(number)),
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
            Self::Hutong => Box::new(Hutong::new(number, entry, everybody)),
            Self::Old => Box::new(Old::new(number, entry, everybody)),
            Self::PeerJs => Box::new(PeerJs::new(number)),
            Self::Matchbox => Box::new(Matchbox::new(number, entry)),
            Self::Echo => Box::new(Echo::new(number)),
        }
    }
}
