//! The way to connect on webviews without `RTCPeerConnection`: the app's native peer.
//!
//! The page captures, encodes, decodes and shows; `hutong-media` in the app is the connection. [`app`] speaks to it;
//! [`picture`] and [`voice`] each have a worker that encodes and decodes (WebCodecs), and make tracks of what comes.

mod app;
mod codecs;
mod connection;
mod gate;
mod hall;
mod picture;
mod picture_page;
mod stats;
mod voice;

use std::rc::Rc;

use hutong_core::native::FrameHeader;
use hutong_protocol::IceServer;
use js_sys::{Array, ArrayBuffer, Object, Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::spawn_local;
use web_sys::Worker;
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

/// A frame as a worker made it: room for the header, and the data.
struct Made {
    buffer: ArrayBuffer,
    keyframe: bool,
    timestamp: u64,
    /// When it was captured, where `timestamp` does not say it.
    captured: Option<u64>,
}

impl Made {
    fn from(message: &JsValue) -> Option<Self> {
        let buffer: ArrayBuffer = dom::property(message, "buffer")?.dyn_into().ok()?;
        let keyframe = dom::property(message, "keyframe")?.as_bool()?;
        // Microseconds since 1970 at most: below what a double holds exactly.
        let moment = |name: &str| Some(dom::property(message, name)?.as_f64()?.max(0.0) as u64);
        Some(Self { buffer, keyframe, timestamp: moment("timestamp")?, captured: moment("captured") })
    }

    /// With its header in place, without copying the data.
    fn message(self, header: FrameHeader) -> Uint8Array {
        let whole = Uint8Array::new(&self.buffer);
        if whole.length() as usize >= FrameHeader::SIZE {
            whole.subarray(0, FrameHeader::SIZE as u32).copy_from(&header.encode());
        }
        whole
    }
}

/// A worker of our own, by the name of its script in `ui/static`.
fn worker(name: &str) -> Result<Worker, Failed> {
    Ok(Worker::new(&dom::asset(name).ok_or(Failed)?)?)
}

/// A message for a worker: its type and what else there is.
fn message(kind: &str, members: &[(&str, &JsValue)]) -> Object {
    let message = Object::new();
    Reflect::set(&message, &"type".into(), &kind.into()).ok();
    for (name, value) in members {
        Reflect::set(&message, &JsValue::from_str(name), value).ok();
    }
    message
}

/// Tells a worker something, and gives it what is to be its own.
fn post(worker: &Worker, message: &Object, transfer: &[&JsValue]) -> Result<(), Failed> {
    let own: Array = transfer.iter().collect();
    Ok(worker.post_message_with_transfer(message, &own)?)
}

/// Gives a received frame to the worker that decodes it.
fn pass(worker: &Worker, header: &FrameHeader, buffer: &ArrayBuffer) {
    let captured = header.captured.map_or(JsValue::NULL, |captured| JsValue::from_f64(captured as f64));
    let members: [(&str, &JsValue); 4] = [
        ("buffer", buffer),
        ("keyframe", &header.keyframe.into()),
        ("timestamp", &JsValue::from_f64(header.timestamp as f64)),
        ("captured", &captured),
    ];
    // A worker that has ended takes nothing more.
    post(worker, &message("frame", &members), &[buffer]).ok();
}

/// The type of a worker's message.
fn kind(message: &JsValue) -> String {
    dom::text_property(message, "type").unwrap_or_default()
}
