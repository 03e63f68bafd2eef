//! The way to connect on webviews without `RTCPeerConnection`: the app's native peer.

use std::rc::Rc;

use hutong_protocol::IceServer;
use yew::Callback;

use super::connection::{Connection, ConnectionEvent, Failed};

/// Whether the app around this page has a native peer, and this webview what it needs of it.
pub fn is_here() -> bool {
    false
}

/// Makes a connection with nothing to send yet.
pub fn connect(_: &[IceServer], _: Callback<ConnectionEvent>) -> Result<Rc<dyn Connection>, Failed> {
    Err(Failed)
}
