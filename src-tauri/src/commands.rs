//! The commands that our own page may call: two for all that the client is about, and four of the native media engine.

use hutong_core::{
    app::{FromUi, ToUi},
    native::{NativeId, NativeProblem, Order, Reply},
};
use hutong_protocol::IceServer;
use serde::Deserialize;
use tauri::{
    State,
    ipc::{Channel, InvokeBody, Request, Response},
};

use crate::{controller::Control, native::Native};

/// The page is there, and hears through this channel from now on: first a snapshot, then the app's own state.
///
/// # Errors
///
/// None; Tauri wants a result of commands that borrow state.
#[tauri::command]
pub async fn attach(channel: Channel<ToUi>, control: State<'_, Control>, native: State<'_, Native>) -> Result<(), ()> {
    // A page before this one has left its connections behind.
    native.close_all().await;
    control.attach(Box::new(move |what| channel.send(what).is_ok())).await;
    Ok(())
}

/// What the person did, or the page's media engine reports.
///
/// # Errors
///
/// None; Tauri wants a result of commands that borrow state.
#[tauri::command]
pub async fn from_ui(input: FromUi, control: State<'_, Control>) -> Result<(), ()> {
    control.hear(input).await;
    Ok(())
}

/// Makes a connection of the native media engine.
///
/// # Errors
///
/// [`NativeProblem::NotHere`], [`NativeProblem::TooMany`], [`NativeProblem::Failed`].
#[tauri::command]
pub async fn media_open(ice_servers: Vec<IceServer>, native: State<'_, Native>) -> Result<NativeId, NativeProblem> {
    native.open(ice_servers).await
}

/// Has a connection do something.
///
/// # Errors
///
/// [`NativeProblem::Closed`], [`NativeProblem::Failed`].
#[tauri::command]
pub async fn media_order(
    connection: NativeId,
    order: Order,
    native: State<'_, Native>,
) -> Result<Reply, NativeProblem> {
    native.order(connection, order).await
}

/// Waits until there are messages of a connection, frames or something told, and answers with all of them (see
/// [`hutong_core::native::Batch`]). The page asks again when it has them, so that what it has not taken yet waits in queues that
/// are bounded.
///
/// # Errors
///
/// [`NativeProblem::Closed`] when none will come any more, [`NativeProblem::Busy`] when the page waits already.
#[tauri::command]
pub async fn media_next(connection: NativeId, native: State<'_, Native>) -> Result<Response, NativeProblem> {
    native.next(connection).await.map(|batch| Response::new(batch.into_bytes()))
}

/// Sends a frame: the raw body of the invocation. Not asynchronous, because frames must not overtake each other.
///
/// # Errors
///
/// [`NativeProblem::Invalid`], [`NativeProblem::Closed`], [`NativeProblem::NotSending`], [`NativeProblem::KeyframeNeeded`],
/// [`NativeProblem::Busy`].
#[tauri::command]
pub fn media_frame(request: Request<'_>, native: State<'_, Native>) -> Result<(), NativeProblem> {
    match request.body() {
        InvokeBody::Raw(message) => native.send(message),
        // Once a request of the page's has failed, Tauri sends by a way that has no bytes.
        InvokeBody::Json(numbers) => {
            let message: Vec<u8> = Deserialize::deserialize(numbers).map_err(|_| NativeProblem::Invalid)?;
            native.send(&message)
        }
    }
}
