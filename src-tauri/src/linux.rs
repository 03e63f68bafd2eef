//! WebKitGTK: what it leaves off unless asked.

use tauri::WebviewWindow;
use webkit2gtk::{SettingsExt, WebViewExt};

/// Switches on what a call needs.
///
/// # Errors
///
/// Where the window is gone.
pub fn prepare(window: &WebviewWindow) -> tauri::Result<()> {
    window.with_webview(|webview| {
        if let Some(settings) = webview.inner().settings() {
            settings.set_enable_media_stream(true);
            // The other side's picture and sound begin when the call does, which is a person's doing but not a click.
            settings.set_media_playback_requires_user_gesture(false);
        }
    })
}
