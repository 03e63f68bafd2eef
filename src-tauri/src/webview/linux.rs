//! WebKitGTK: what it leaves off unless asked.

use std::{
    cell::RefCell,
    collections::VecDeque,
    ffi::CStr,
    time::{Duration, Instant},
};

use tauri::{AppHandle, Manager, WebviewWindow};
use webkit2gtk::{SettingsExt, WebViewExt};

use crate::{controller::Control, native::Native};

/// Frames of a track in a worker, and tracks made of frames there: they go on while the window is hidden.
const TRACK_PROCESSING: &CStr = c"MediaStreamTrackProcessing";

/// How many heaps a process of the webview has.
const HEAPS: (&str, &str) = ("MALLOC_ARENA_MAX", "2");

/// A page whose process ends so often within so long is not begun again: it would end for ever.
const ENDINGS: (usize, Duration) = (3, Duration::from_secs(60));

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

/// Switches on what a call needs, and sees to it that there is a page.
///
/// # Errors
///
/// Where the window is gone.
pub fn prepare(window: &WebviewWindow) -> tauri::Result<()> {
    let app = window.app_handle().clone();
    window.with_webview(move |webview| {
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
        // A window without its page is empty, and stays so. Who the person is and where is not the page's: a new one is told.
        let endings = RefCell::new(Endings::default());
        webview.inner().connect_web_process_terminated(move |view, reason| {
            leave_call(&app);
            if endings.borrow_mut().bears(Instant::now()) {
                tracing::error!(?reason, "the page's process has ended: the page begins anew");
                view.reload();
            } else {
                tracing::error!(?reason, "the page's process has ended again: the window stays empty");
            }
        });
    })
}

/// The page's call is over, whenever there is another page. Devices went with the page, the connection did not.
fn leave_call(app: &AppHandle) {
    app.state::<Control>().detach();
    let app = app.clone();
    tauri::async_runtime::spawn(async move { app.state::<Native>().close_all().await });
}

/// When the page's process ended, lately.
#[derive(Default)]
struct Endings(VecDeque<Instant>);

impl Endings {
    /// It ends. Whether it is to be begun again.
    fn bears(&mut self, now: Instant) -> bool {
        let (most, within) = ENDINGS;
        self.0.retain(|ended| now.duration_since(*ended) < within);
        let bears = self.0.len() < most;
        if bears {
            self.0.push_back(now);
        }
        bears
    }
}

/// A camera and a microphone that WebKit makes up, for tests; never in a release.
fn wants_mock_devices() -> bool {
    cfg!(debug_assertions) && std::env::var_os("HUTONG_MOCK_DEVICES").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_ends_again_and_again_is_left() {
        let mut endings = Endings::default();
        let begun = Instant::now();
        let bears = |endings: &mut Endings, seconds| endings.bears(begun + Duration::from_secs(seconds));
        assert!((0..3).all(|seconds| bears(&mut endings, seconds)));
        assert!(!bears(&mut endings, 3));
        assert!(!bears(&mut endings, 59));
        assert!(bears(&mut endings, 60));
        assert!(!bears(&mut endings, 60));
        // Now and then is borne for ever.
        assert!((2..9).all(|minutes| bears(&mut endings, 60 * minutes)));
    }
}
