//! Orders to the app's native peer, and what it tells.

use hutong_core::native::{Batch, FrameHeader, NativeId, NativeProblem, Order, Reply, TOLD, Told};
use hutong_protocol::IceServer;
use js_sys::{ArrayBuffer, DataView, Object, Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};

use super::super::connection::Failed;
use crate::{dom, driver::Internals};

/// The app's side of the connections.
#[derive(Clone)]
pub struct App(Internals);

/// What the app had for this page.
pub enum Heard {
    /// Something told.
    Told(Told),
    /// A frame: its header, and the message that begins with it.
    Frame(FrameHeader, ArrayBuffer),
}

impl App {
    /// Speaks by what Tauri gives every page.
    pub fn new(internals: Internals) -> Self {
        Self(internals)
    }

    /// Makes a connection.
    pub async fn open(&self, ice_servers: &[IceServer]) -> Result<NativeId, Failed> {
        let servers = dom::to_js(&ice_servers).ok_or(Failed)?;
        let opened = self.0.call("media_open", &arguments(&[("iceServers", &servers)]))?.await?;
        dom::from_js(&opened).ok_or(Failed)
    }

    /// Has a connection do something.
    pub async fn order(&self, connection: NativeId, order: &Order) -> Result<Reply, Failed> {
        let order = dom::to_js(order).ok_or(Failed)?;
        let arguments = arguments(&[("connection", &connection.0.into()), ("order", &order)]);
        dom::from_js(&self.0.call("media_order", &arguments)?.await?).ok_or(Failed)
    }

    /// Waits for the next messages of a connection; none when it is closed. What a newer app says beyond what is known here is
    /// passed over.
    pub async fn next(&self, connection: NativeId) -> Option<impl Iterator<Item = Heard> + use<>> {
        let waiting = self.0.call("media_next", &arguments(&[("connection", &connection.0.into())])).ok()?;
        let batch = match waiting.await.ok()?.dyn_into::<ArrayBuffer>() {
            Ok(batch) => batch,
            // Once a request has failed, Tauri answers by a way that has no bytes.
            Err(numbers) => Uint8Array::new(&numbers).buffer(),
        };
        let lengths = DataView::new(&batch, 0, batch.byte_length() as usize);
        let places = Batch::places(batch.byte_length() as usize, move |at| lengths.get_uint32_endian(at, true));
        Some(places.filter_map(move |place| heard(batch.slice_with_end(place.start as u32, place.end as u32))))
    }

    /// Sends a frame, which begins before this returns.
    ///
    /// # Errors
    ///
    /// Why it was not taken.
    pub fn send(&self, message: &Uint8Array) -> impl Future<Output = Result<(), NativeProblem>> + use<> {
        let sent = self.0.call("media_frame", message);
        async move {
            let refused = match sent {
                Ok(sent) => sent.await.err(),
                Err(error) => Some(error),
            };
            refused.map_or(Ok(()), |error| Err(dom::from_js(&error).unwrap_or(NativeProblem::Failed)))
        }
    }
}

fn arguments(members: &[(&str, &JsValue)]) -> Object {
    let arguments = Object::new();
    for (name, value) in members {
        Reflect::set(&arguments, &JsValue::from_str(name), value).ok();
    }
    arguments
}

fn heard(message: ArrayBuffer) -> Option<Heard> {
    let whole = Uint8Array::new(&message);
    if whole.length() > 0 && whole.get_index(0) == TOLD {
        return serde_json::from_slice(&whole.subarray(1, whole.length()).to_vec()).ok().map(Heard::Told);
    }
    let mut header = [0; FrameHeader::SIZE];
    if (whole.length() as usize) < header.len() {
        return None;
    }
    whole.subarray(0, header.len() as u32).copy_to(&mut header);
    let (header, _) = FrameHeader::decode(&header)?;
    Some(Heard::Frame(header, message))
}
