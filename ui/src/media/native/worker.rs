//! Workers of our own, and the messages that they are sent and send.

use hutong_core::native::FrameHeader;
use js_sys::{Array, ArrayBuffer, Object, Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::Worker;

use super::super::connection::Failed;
use crate::dom;

/// A frame as a worker made it: room for the header, and the data.
pub struct Made {
    buffer: ArrayBuffer,
    /// Whether it needs none before it.
    pub keyframe: bool,
    /// Its moment, in microseconds.
    pub timestamp: u64,
    /// When it was captured, where `timestamp` does not say it.
    pub captured: Option<u64>,
}

impl Made {
    /// From a worker's message.
    pub fn from(message: &JsValue) -> Option<Self> {
        let buffer: ArrayBuffer = dom::property(message, "buffer")?.dyn_into().ok()?;
        let keyframe = dom::property(message, "keyframe")?.as_bool()?;
        // Microseconds since 1970 at most: below what a double holds exactly.
        let moment = |name: &str| Some(dom::property(message, name)?.as_f64()?.max(0.0) as u64);
        Some(Self { buffer, keyframe, timestamp: moment("timestamp")?, captured: moment("captured") })
    }

    /// With its header in place, without copying the data.
    pub fn message(self, header: FrameHeader) -> Uint8Array {
        let whole = Uint8Array::new(&self.buffer);
        if whole.length() as usize >= FrameHeader::SIZE {
            whole.subarray(0, FrameHeader::SIZE as u32).copy_from(&header.encode());
        }
        whole
    }
}

/// A worker of our own, by the name of its script in `ui/static`.
pub fn worker(name: &str) -> Result<Worker, Failed> {
    Ok(Worker::new(&dom::asset(name).ok_or(Failed)?)?)
}

/// A message for a worker: its type and what else there is.
pub fn message(kind: &str, members: &[(&str, &JsValue)]) -> Object {
    let message = Object::new();
    Reflect::set(&message, &"type".into(), &kind.into()).ok();
    for (name, value) in members {
        Reflect::set(&message, &JsValue::from_str(name), value).ok();
    }
    message
}

/// Tells a worker something, and gives it what is to be its own.
pub fn post(worker: &Worker, message: &Object, transfer: &[&JsValue]) -> Result<(), Failed> {
    let own: Array = transfer.iter().collect();
    Ok(worker.post_message_with_transfer(message, &own)?)
}

/// Gives a received frame to the worker that decodes it.
pub fn pass(worker: &Worker, header: &FrameHeader, buffer: &ArrayBuffer) {
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
pub fn kind(message: &JsValue) -> String {
    dom::text_property(message, "type").unwrap_or_default()
}
