//! `WebKitGTK`: enables the features that calls need, and reloads a crashed page.

use std::{
    cell::RefCell,
    collections::VecDeque,
    ffi::CStr,
    time::{Duration, Instant},
};

use tauri::{AppHandle, Manager, WebviewWindow};
use webkit2gtk::{SettingsExt, WebViewExt};

use crate::{controller::ControllerHandle, native_peers::NativePeers};

/// The `WebKit` feature for `MediaStreamTrackProcessor` and generators in workers, which also run while the window is hidden.
const TRACK_PROCESSING: &CStr = c"MediaStreamTrackProcessing";

/// glibc's limit of malloc arenas for the webview's processes, as an environment variable.
const MALLOC_ARENAS: (&str, &str) = ("MALLOC_ARENA_MAX", "2");

/// The maximum number of reloads within a duration. A page that crashes more often would crash forever.
const MAX_RESTARTS: (usize, Duration) = (3, Duration::from_secs(60));

/// Sets environment variables for the webview's processes, unless they are set already. Must be called while the program
/// has one thread.
pub fn set_environment() {
    // By default each thread gets a separate arena, and memory freed in one is not reused in another. WebKit and
    // GStreamer start a dozen threads per call: ten calls cost about 25 MiB more, for the same processor time.
    let (name, value) = MALLOC_ARENAS;
    if glib::setenv(name, value, false).is_err() {
        tracing::info!(name, "cannot set an environment variable for the webview; it keeps more memory after calls");
    }
}

/// Enables the features for calls, and reloads the page when its process crashes.
///
/// # Errors
///
/// When the window is closed.
pub fn configure(window: &WebviewWindow) -> tauri::Result<()> {
    let app = window.app_handle().clone();
    window.with_webview(move |webview| {
        if let Some(settings) = webview.inner().settings() {
            settings.set_enable_media_stream(true);
            // Remote media starts without a click.
            settings.set_media_playback_requires_user_gesture(false);
            settings.set_enable_mock_capture_devices(uses_mock_devices());
            // Debug builds print the page's console beside the app's log.
            settings.set_enable_write_console_messages_to_stdout(cfg!(debug_assertions));
            if !hutong_webkit_features::enable(&settings, TRACK_PROCESSING) {
                tracing::info!(
                    "WebKitGTK lacks MediaStreamTrackProcessor; calls use more CPU, and video stops in a hidden window"
                );
            }
        }
        // Without a reload the window stays empty. The session is the controller's, so a new page continues it.
        let restarts = RefCell::new(RestartLimiter::default());
        webview.inner().connect_web_process_terminated(move |view, reason| {
            detach_page(&app);
            if restarts.borrow_mut().allow(Instant::now()) {
                tracing::error!(?reason, "web process terminated; reloading the page");
                view.reload();
            } else {
                tracing::error!(?reason, "web process terminated too often; the window stays empty");
            }
        });
    })
}

/// Detaches the page, which ends its call, and closes its native peers: they run in this process and outlive the page.
fn detach_page(app: &AppHandle) {
    app.state::<ControllerHandle>().detach();
    let app = app.clone();
    tauri::async_runtime::spawn(async move { app.state::<NativePeers>().close_all().await });
}

/// Rate limiter of page reloads: the times of the last ones.
#[derive(Default)]
struct RestartLimiter(VecDeque<Instant>);

impl RestartLimiter {
    /// Returns whether a restart is allowed now, and counts it if so.
    fn allow(&mut self, now: Instant) -> bool {
        let (max, period) = MAX_RESTARTS;
        self.0.retain(|restarted| now.duration_since(*restarted) < period);
        let allowed = self.0.len() < max;
        if allowed {
            self.0.push_back(now);
        }
        allowed
    }
}

/// Whether to use `WebKit`'s mock camera and microphone, for tests. Never in a release.
fn uses_mock_devices() -> bool {
    cfg!(debug_assertions) && std::env::var_os("HUTONG_MOCK_DEVICES").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restarts_are_limited_per_period() {
        let mut limiter = RestartLimiter::default();
        let start = Instant::now();
        let allow = |limiter: &mut RestartLimiter, seconds| limiter.allow(start + Duration::from_secs(seconds));
        assert!((0..3).all(|seconds| allow(&mut limiter, seconds)));
        assert!(!allow(&mut limiter, 3));
        assert!(!allow(&mut limiter, 59));
        assert!(allow(&mut limiter, 60));
        assert!(!allow(&mut limiter, 60));
        // One a minute is allowed forever.
        assert!((2..9).all(|minutes| allow(&mut limiter, 60 * minutes)));
    }
}
