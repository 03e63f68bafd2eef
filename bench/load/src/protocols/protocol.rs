//! The protocols: `WebSocket` path, subprotocol and client of each.

use serde::{Deserialize, Serialize};

use super::{
    client::{LoginMode, ProtocolClient},
    echo::EchoClient,
    hutong::HutongClient,
    matchbox::MatchboxClient,
    peerjs::PeerJsClient,
    socket_io::SocketIoClient,
};
use crate::worker_state::pair_of;

/// Protocol of a server under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// Hutong's.
    Hutong,
    /// The socket.io server's.
    SocketIo,
    /// `PeerJS`'s.
    PeerJs,
    /// `matchbox_signaling`'s.
    Matchbox,
    /// Texts that the server sends back.
    Echo,
}

impl Protocol {
    /// Path of the `WebSocket`.
    #[must_use]
    pub fn path(self, number: u32, mode: LoginMode) -> String {
        match self {
            Self::Hutong => hutong_protocol::WS_PATH.to_owned(),
            Self::SocketIo => "/socket.io/?EIO=4&transport=websocket".to_owned(),
            Self::PeerJs => format!("/peerjs?key=peerjs&id=u{number}&token=t{number}"),
            Self::Matchbox if mode == LoginMode::PairRooms => format!("/pair-{}", pair_of(number)),
            Self::Matchbox => "/everybody".to_owned(),
            Self::Echo => "/".to_owned(),
        }
    }

    /// The requested `WebSocket` subprotocol.
    #[must_use]
    pub const fn subprotocol(self) -> Option<&'static str> {
        match self {
            Self::Hutong => Some(hutong_protocol::SUBPROTOCOL),
            _ => None,
        }
    }

    /// Creates the client with this number; it tracks the roster if `total_clients` is not 0.
    #[must_use]
    pub fn client(self, number: u32, mode: LoginMode, total_clients: u32) -> Box<dyn ProtocolClient> {
        match self {
            Self::Hutong => Box::new(HutongClient::new(number, mode, total_clients)),
            Self::SocketIo => Box::new(SocketIoClient::new(number, mode, total_clients)),
            Self::PeerJs => Box::new(PeerJsClient::new(number)),
            Self::Matchbox => Box::new(MatchboxClient::new(number, mode)),
            Self::Echo => Box::new(EchoClient::new(number)),
        }
    }
}
