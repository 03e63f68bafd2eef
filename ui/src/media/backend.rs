//! The backends that connect the two sides of a call: the browser's own `RTCPeerConnection` ([`browser`]), and the app's native peer
//! for webviews that have none ([`native`]).

use std::rc::Rc;

use hutong_protocol::IceServer;
use yew::Callback;

use super::{
    browser,
    connection::{Connection, ConnectionEvent, Failed},
    native,
};

/// What makes connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// The browser's `RTCPeerConnection`.
    Browser,
    /// The app's native peer.
    Native,
}

impl Backend {
    /// The one that there is where this page runs, if there is one.
    pub fn detect() -> Option<Self> {
        if browser::is_here() { Some(Self::Browser) } else { native::is_here().then_some(Self::Native) }
    }

    /// Begins what the first call would otherwise wait for.
    pub fn prepare(self) {
        match self {
            Self::Browser => {}
            Self::Native => native::prepare(),
        }
    }

    /// Makes a connection with nothing to send yet, which reports its events to the callback.
    pub fn connect(
        self,
        ice_servers: &[IceServer],
        events: Callback<ConnectionEvent>,
    ) -> Result<Rc<dyn Connection>, Failed> {
        match self {
            Self::Browser => browser::connect(ice_servers, events),
            Self::Native => native::connect(ice_servers, events),
        }
    }
}
