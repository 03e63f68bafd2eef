//! WebKitGTK: what it leaves off unless asked.

use std::ffi::CStr;

use tauri::WebviewWindow;
use webkit2gtk::{SettingsExt, WebViewExt};

/// Frames of a track in a worker, and tracks made of frames there: they go on while the window is hidden.
const TRACK_PROCESSING: &CStr = c"MediaStreamTrackProcessing";

/// How many heaps a process of the webview has.
const HEAPS: (&str, &str) = ("MALLOC_ARENA_MAX", "2");

/// Says to the processes of the webview what they are told by their environment alone, where nobody has said something else. To be
/// called while the program has one thread.
pub fn set_up() {
    // glibc gives threads heaps of their own, and what is free in one is of no use to the others. WebKit and GStreamer start a dozen
    // threads for each call: after ten calls that was some 25 MiB, for the same processor time.
    let (name, value) = HEAPS;
    if glib::setenv(name, value, false).is_err() {
        tracing::info!(name, "the environment cannot be changed: calls leave more memory behind");
    }
}

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
