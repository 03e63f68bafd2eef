//! Linux: window managers keep a window behind the one that the person works in, unless it has the token of their click.

use gtk::prelude::GtkWindowExt;
use tauri::{UserAttentionType, WebviewWindow};

use crate::arguments::ActivationToken;

/// Shows the window in front of others with the focus. Without a token that the window manager accepts, the window asks for
/// attention until it gets the focus.
///
/// # Errors
///
/// When the app exits.
pub fn show(window: &WebviewWindow, token: Option<&ActivationToken>) -> tauri::Result<()> {
    if let Some(token) = token.cloned() {
        let activated = window.clone();
        window.run_on_main_thread(move || match activated.gtk_window() {
            Ok(window) => window.set_startup_id(token.as_str()),
            Err(error) => tracing::debug!(%error, "no window for the activation token; it may stay behind others"),
        })?;
    }
    let is_focused = window.is_focused()?;
    window.show()?;
    window.unminimize()?;
    window.set_focus()?;
    // A window that has the focus would not get it, which ends the request.
    if is_focused { Ok(()) } else { window.request_user_attention(Some(UserAttentionType::Informational)) }
}

/// Ends the request for attention: the window has the focus.
pub fn attention_paid(window: &WebviewWindow) {
    if let Err(error) = window.request_user_attention(None) {
        tracing::debug!(%error, "cannot end the request for attention");
    }
}
