//! Selects the backend that makes peer connections: [`browser`] (`RTCPeerConnection`), or `native` (the app's native peer) for
//! the app's webviews that have none.

use std::rc::Rc;

use hutong_protocol::IceServer;
use yew::Callback;

#[cfg(feature = "app")]
use super::native;
use super::{
    browser,
    connection::{ConnectionError, ConnectionEvent, MediaConnection},
};

/// An implementation of [`MediaConnection`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// The browser's `RTCPeerConnection`.
    Browser,
    /// The app's native peer.
    #[cfg(feature = "app")]
    Native,
}

impl Backend {
    /// The backend that works in this page, if any.
    pub fn detect() -> Option<Self> {
        if browser::is_supported() {
            return Some(Self::Browser);
        }
        #[cfg(feature = "app")]
        if native::is_supported() {
            return Some(Self::Native);
        }
        None
    }

    /// Prepares in the background what the first call would otherwise wait for.
    pub fn prepare(self) {
        match self {
            Self::Browser => {}
            #[cfg(feature = "app")]
            Self::Native => native::prepare(),
        }
    }

    /// Creates a connection without local tracks. It reports its events to the callback.
    ///
    /// # Errors
    ///
    /// When the browser or the app refuses to create it.
    pub fn connect(
        self,
        ice_servers: &[IceServer],
        events: Callback<ConnectionEvent>,
    ) -> Result<Rc<dyn MediaConnection>, ConnectionError> {
        match self {
            Self::Browser => browser::connect(ice_servers, events),
            #[cfg(feature = "app")]
            Self::Native => native::connect(ice_servers, events),
        }
    }
}
