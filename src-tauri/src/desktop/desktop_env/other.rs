//! Windows and macOS always have a tray host, and find an app that runs.

/// Whether a tray host runs.
pub async fn has_tray_host() -> bool {
    true
}

/// Whether a second start finds this app.
pub async fn finds_running_app() -> bool {
    true
}
