//! Tauri commands that the app's page may invoke: attaching, messages to the controller, and the native WebRTC peers.

use hutong_core::{
    host_messages::{HostToPage, PageToHost},
    native_peer::{NativePeerError, NativePeerId, PeerRequest, PeerResponse},
};
use hutong_protocol::IceServer;
use serde::Deserialize;
use tauri::{
    State,
    ipc::{Channel, InvokeBody, Request, Response},
};

use crate::{controller::ControllerHandle, native_peers::NativePeers};

/// Attaches the page: the controller sends a snapshot, the app's state, and then all updates over the channel.
///
/// # Errors
///
/// None; Tauri requires a `Result` of async commands that borrow state.
#[tauri::command]
pub async fn attach(
    channel: Channel<HostToPage>,
    control: State<'_, ControllerHandle>,
    native: State<'_, NativePeers>,
) -> Result<(), ()> {
    // The last page has left its peers open.
    native.close_all().await;
    control.attach(Box::new(move |message| channel.send(message).is_ok())).await;
    Ok(())
}

/// Passes a message of the page to the controller.
///
/// # Errors
///
/// None; Tauri requires a `Result` of async commands that borrow state.
#[tauri::command]
pub async fn from_ui(input: PageToHost, control: State<'_, ControllerHandle>) -> Result<(), ()> {
    control.page_message(input).await;
    Ok(())
}

/// Opens a native peer.
///
/// # Errors
///
/// [`NativePeerError::Unsupported`], [`NativePeerError::TooMany`], [`NativePeerError::Failed`].
#[tauri::command]
pub async fn media_open(
    ice_servers: Vec<IceServer>,
    native: State<'_, NativePeers>,
) -> Result<NativePeerId, NativePeerError> {
    native.open(ice_servers).await
}

/// Performs a request on a native peer.
///
/// # Errors
///
/// [`NativePeerError::Closed`], [`NativePeerError::Failed`].
#[tauri::command]
pub async fn media_request(
    connection: NativePeerId,
    request: PeerRequest,
    native: State<'_, NativePeers>,
) -> Result<PeerResponse, NativePeerError> {
    native.request(connection, request).await
}

/// Long poll: waits for events and frames of a native peer, and returns them as a [`hutong_core::native_peer::MessageBatch`].
///
/// The page polls again after it has processed a batch, so the app's bounded queues apply back-pressure.
///
/// # Errors
///
/// [`NativePeerError::Closed`] when there will be no more messages, [`NativePeerError::Busy`] when a poll is pending already.
#[tauri::command]
pub async fn media_receive(
    connection: NativePeerId,
    native: State<'_, NativePeers>,
) -> Result<Response, NativePeerError> {
    native.receive(connection).await.map(|batch| Response::new(batch.into_bytes()))
}

/// Sends a frame: the raw body of the invocation. Synchronous, so that frames keep their order.
///
/// # Errors
///
/// [`NativePeerError::Invalid`], [`NativePeerError::Closed`], [`NativePeerError::NotSending`],
/// [`NativePeerError::KeyframeNeeded`], [`NativePeerError::Busy`].
#[tauri::command]
pub fn media_send_frame(request: Request<'_>, native: State<'_, NativePeers>) -> Result<(), NativePeerError> {
    match request.body() {
        InvokeBody::Raw(message) => native.send_frame(message),
        // After a failed request Tauri's page script falls back to `postMessage`, which sends bytes as a JSON array.
        InvokeBody::Json(numbers) => {
            let message: Vec<u8> = Deserialize::deserialize(numbers).map_err(|_| NativePeerError::Invalid)?;
            native.send_frame(&message)
        }
    }
}
