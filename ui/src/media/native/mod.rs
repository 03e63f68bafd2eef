//! The backend for webviews without `RTCPeerConnection`: the app's native peer.
//!
//! The page captures, encodes, decodes and shows; `hutong-media` in the app is the connection. [`app`] speaks to it;
//! [`picture`] and [`voice`] each have a worker that encodes and decodes (WebCodecs), and make tracks of what comes.
//! [`state`] says how far a connection is.

mod app;
mod codecs;
mod connection;
mod frame_sender;
mod gate;
mod hall;
mod picture;
mod picture_page;
mod state;
mod stats;
mod voice;
mod worker;
mod worker_slot;

use std::rc::Rc;

use hutong_protocol::IceServer;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::spawn_local;
use yew::Callback;

use super::connection::{Connection, ConnectionEvent, Failed};
use crate::{dom, driver::Internals};

/// Whether the app around this page has a native peer, and this webview what it needs of it.
pub fn is_here() -> bool {
    let Some(window) = dom::window() else { return false };
    let window = JsValue::from(window);
    let needed = ["VideoEncoder", "VideoDecoder", "AudioEncoder", "AudioDecoder", "AudioWorkletNode"];
    Internals::find().is_some() && needed.iter().all(|name| dom::property(&window, name).is_some())
}

/// What makes the first call begin as well as later ones. Takes some seconds, besides everything else.
pub fn prepare() {
    spawn_local(async {
        // Its answer counts when it is asked at a call: a plugin may be installed meanwhile.
        codecs::missing().await;
        hall::warm().await.ok();
    });
}

/// Makes a connection with nothing to send yet.
pub fn connect(ice_servers: &[IceServer], events: Callback<ConnectionEvent>) -> Result<Rc<dyn Connection>, Failed> {
    connection::Native::begin(Internals::find().ok_or(Failed)?, ice_servers, events)
}
