//! Helpers for the native backend's web workers: spawning, messages, and frames.

use hutong_core::native_peer::FrameHeader;
use js_sys::{Array, ArrayBuffer, Object, Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::Worker;

use super::super::connection::ConnectionError;
use crate::dom;

/// An encoded frame of a worker: a buffer with room for the header, followed by the data.
pub struct WorkerFrame {
    buffer: ArrayBuffer,
    /// Whether it is a keyframe.
    pub keyframe: bool,
    /// Media timestamp, in microseconds.
    pub timestamp: u64,
    /// Time of capture in microseconds, where `timestamp` is on another clock.
    pub captured: Option<u64>,
}

impl WorkerFrame {
    /// Parses a worker's message.
    pub fn parse(message: &JsValue) -> Option<Self> {
        let buffer: ArrayBuffer = dom::property(message, "buffer")?.dyn_into().ok()?;
        let keyframe = dom::property(message, "keyframe")?.as_bool()?;
        // Microseconds since 1970 fit into a double exactly.
        let time = |name: &str| Some(dom::property(message, name)?.as_f64()?.max(0.0) as u64);
        Some(Self { buffer, keyframe, timestamp: time("timestamp")?, captured: time("captured") })
    }

    /// Writes the header into the buffer, without copying the data.
    pub fn into_message(self, header: FrameHeader) -> Uint8Array {
        let bytes = Uint8Array::new(&self.buffer);
        if bytes.length() as usize >= FrameHeader::SIZE {
            bytes.subarray(0, FrameHeader::SIZE as u32).copy_from(&header.encode());
        }
        bytes
    }
}

/// Starts a worker, by the name of its script in `ui/static-app`.
pub fn spawn_worker(name: &str) -> Result<Worker, ConnectionError> {
    Ok(Worker::new(&dom::asset(name).ok_or(ConnectionError)?)?)
}

/// Builds a message object: its type and further members.
pub fn message(message_type: &str, members: &[(&str, &JsValue)]) -> Object {
    let message = Object::new();
    Reflect::set(&message, &"type".into(), &message_type.into()).ok();
    for (name, value) in members {
        Reflect::set(&message, &JsValue::from_str(name), value).ok();
    }
    message
}

/// Posts a message to a worker, and transfers these objects to it.
pub fn post(worker: &Worker, message: &Object, transfer: &[&JsValue]) -> Result<(), ConnectionError> {
    let transfer: Array = transfer.iter().collect();
    Ok(worker.post_message_with_transfer(message, &transfer)?)
}

/// Posts a received frame to the worker that decodes it.
pub fn post_frame(worker: &Worker, header: &FrameHeader, buffer: &ArrayBuffer) {
    let captured = header.captured.map_or(JsValue::NULL, |captured| JsValue::from_f64(captured as f64));
    let members: [(&str, &JsValue); 4] = [
        ("buffer", buffer),
        ("keyframe", &header.keyframe.into()),
        ("timestamp", &JsValue::from_f64(header.timestamp as f64)),
        ("captured", &captured),
    ];
    // Fails only after the worker has ended.
    post(worker, &message("frame", &members), &[buffer]).ok();
}

/// The type of a worker's message.
pub fn message_type(message: &JsValue) -> String {
    dom::text_property(message, "type").unwrap_or_default()
}
