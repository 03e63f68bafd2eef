//! WebKitGTK: what it leaves off unless asked.

use std::ffi::CStr;

use tauri::WebviewWindow;
use webkit2gtk::{SettingsExt, WebViewExt};

/// Frames of a track in a worker, and tracks made of frames there: they go on while the window is hidden.
const TRACK_PROCESSING: &CStr = c"MediaStreamTrackProcessing";

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
            settings.set_enable_mock_capture_devices(wants_mock_devices());
            // What goes wrong in the page is read beside what goes wrong around it.
            settings.set_enable_write_console_messages_to_stdout(cfg!(debug_assertions));
            if !hutong_webkit_features::enable(&settings, TRACK_PROCESSING) {
                tracing::info!("this WebKitGTK hands frames to the page alone: calls cost more, and stop while hidden");
            }
        }
    })
}

/// A camera and a microphone that WebKit makes up, for tests; never in a release.
fn wants_mock_devices() -> bool {
    cfg!(debug_assertions) && std::env::var_os("HUTONG_MOCK_DEVICES").is_some()
}
