//! The two commands that our own page may call.

use hutong_core::app::{FromUi, ToUi};
use tauri::{State, ipc::Channel};

use crate::controller::Control;

/// The page is there, and hears through this channel from now on: first a snapshot, then the app's own state.
///
/// # Errors
///
/// None; Tauri wants a result of commands that borrow state.
#[tauri::command]
pub async fn attach(channel: Channel<ToUi>, control: State<'_, Control>) -> Result<(), ()> {
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
