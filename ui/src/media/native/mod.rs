//! The backend over the app's native peer, for webviews without `RTCPeerConnection` (`WebKitGTK`).
//!
//! The page captures, encodes, decodes and plays media; `hutong-media` in the app is the peer connection. [`app_peer`] calls
//! the app. [`video`] and [`audio`] each run a worker that encodes and decodes (`WebCodecs`), and turn decoded media into
//! tracks. [`state`] is the state machine of a connection.

mod app_peer;
mod audio;
mod audio_context;
mod codecs;
mod connection;
mod frame_sender;
mod main_thread_video;
mod send_window;
mod state;
mod stats;
mod video;
mod worker;
mod worker_slot;

use std::rc::Rc;

use hutong_protocol::IceServer;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::spawn_local;
use yew::Callback;

use super::connection::{ConnectionError, ConnectionEvent, MediaConnection};
use crate::{dom, driver::TauriInternals};

/// Whether this page runs in the app, and its webview has `WebCodecs` and audio worklets.
pub fn is_supported() -> bool {
    let Some(window) = dom::window() else { return false };
    let window = JsValue::from(window);
    let needed = ["VideoEncoder", "VideoDecoder", "AudioEncoder", "AudioDecoder", "AudioWorkletNode"];
    TauriInternals::find().is_some() && needed.iter().all(|name| dom::property(&window, name).is_some())
}

/// Warms up codecs and audio processing in the background, so that the first call starts as fast as later ones.
pub fn prepare() {
    spawn_local(async {
        // Loads the plugins. The result is not kept: one may be installed before the first call.
        codecs::missing_codec().await;
        audio_context::precompile().await.ok();
    });
}

/// Creates a connection without local tracks.
///
/// # Errors
///
/// Outside the app.
pub fn connect(
    ice_servers: &[IceServer],
    events: Callback<ConnectionEvent>,
) -> Result<Rc<dyn MediaConnection>, ConnectionError> {
    let internals = TauriInternals::find().ok_or(ConnectionError)?;
    Ok(connection::NativeConnection::start(internals, ice_servers, events))
}
