//! Windows and macOS always have a tray host and single-instance support.

/// Whether a tray host is running.
pub async fn has_tray_host() -> bool {
    true
}

/// Whether a second start reaches this instance.
pub async fn finds_running_app() -> bool {
    true
}
