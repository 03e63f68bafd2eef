//! Windows and macOS: the system itself marks a window that may not come to the front, and needs no token.

use tauri::WebviewWindow;

use crate::arguments::ActivationToken;

/// Shows the window in front of others with the focus.
///
/// # Errors
///
/// When the app exits.
pub fn show(window: &WebviewWindow, _token: Option<&ActivationToken>) -> tauri::Result<()> {
    window.show()?;
    window.unminimize()?;
    window.set_focus()
}

/// Does nothing: the system ends its mark.
pub fn attention_paid(_window: &WebviewWindow) {}
