//! Client of the app's native-peer commands: sends requests and frames, receives events and frames.

use hutong_core::native_peer::{
    EVENT_TAG, FrameHeader, MessageBatch, NativePeerError, NativePeerId, PeerEvent, PeerRequest, PeerResponse,
};
use hutong_protocol::IceServer;
use js_sys::{ArrayBuffer, DataView, Object, Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};

use super::super::connection::ConnectionError;
use crate::{dom, driver::TauriInternals};

/// Calls the app's `media_*` commands.
#[derive(Clone)]
pub struct AppPeer(TauriInternals);

/// A message of the app's peer.
pub enum PeerMessage {
    /// An event.
    Event(PeerEvent),
    /// A received frame: its header, and the whole message, which begins with that header.
    Frame(FrameHeader, ArrayBuffer),
}

impl AppPeer {
    /// Creates a client over Tauri's IPC.
    pub fn new(internals: TauriInternals) -> Self {
        Self(internals)
    }

    /// Has the app create a peer.
    pub async fn open(&self, ice_servers: &[IceServer]) -> Result<NativePeerId, ConnectionError> {
        let servers = dom::to_js(&ice_servers).ok_or(ConnectionError)?;
        let opened = self.0.call("media_open", &arguments(&[("iceServers", &servers)]))?.await?;
        dom::from_js(&opened).ok_or(ConnectionError)
    }

    /// Sends a request to a peer.
    pub async fn request(
        &self,
        connection: NativePeerId,
        request: &PeerRequest,
    ) -> Result<PeerResponse, ConnectionError> {
        let request = dom::to_js(request).ok_or(ConnectionError)?;
        let arguments = arguments(&[("connection", &connection.0.into()), ("request", &request)]);
        dom::from_js(&self.0.call("media_request", &arguments)?.await?).ok_or(ConnectionError)
    }

    /// Waits for the next messages of a peer; `None` once it is closed. Skips messages that this version does not know.
    pub async fn receive(&self, connection: NativePeerId) -> Option<impl Iterator<Item = PeerMessage> + use<>> {
        let waiting = self.0.call("media_receive", &arguments(&[("connection", &connection.0.into())])).ok()?;
        let batch = match waiting.await.ok()?.dyn_into::<ArrayBuffer>() {
            Ok(batch) => batch,
            // After a failed request, Tauri falls back to a transport that delivers bytes as an array of numbers.
            Err(numbers) => Uint8Array::new(&numbers).buffer(),
        };
        let lengths = DataView::new(&batch, 0, batch.byte_length() as usize);
        let ranges =
            MessageBatch::message_ranges(batch.byte_length() as usize, move |at| lengths.get_uint32_endian(at, true));
        Some(ranges.filter_map(move |range| decode(batch.slice_with_end(range.start as u32, range.end as u32))))
    }

    /// Sends a frame. The request starts before this returns, so that frames keep their order.
    ///
    /// # Errors
    ///
    /// Why the app refused the frame.
    pub fn send_frame(&self, message: &Uint8Array) -> impl Future<Output = Result<(), NativePeerError>> + use<> {
        let sent = self.0.call("media_send_frame", message);
        async move {
            let refused = match sent {
                Ok(sent) => sent.await.err(),
                Err(error) => Some(error),
            };
            refused.map_or(Ok(()), |error| Err(dom::from_js(&error).unwrap_or(NativePeerError::Failed)))
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

fn decode(message: ArrayBuffer) -> Option<PeerMessage> {
    let bytes = Uint8Array::new(&message);
    if bytes.length() > 0 && bytes.get_index(0) == EVENT_TAG {
        return serde_json::from_slice(&bytes.subarray(1, bytes.length()).to_vec()).ok().map(PeerMessage::Event);
    }
    let mut header = [0; FrameHeader::SIZE];
    if (bytes.length() as usize) < header.len() {
        return None;
    }
    bytes.subarray(0, header.len() as u32).copy_to(&mut header);
    let (header, _) = FrameHeader::decode(&header)?;
    Some(PeerMessage::Frame(header, message))
}
