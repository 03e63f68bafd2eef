//! Windows and macOS have a place for trays, and a way to find an app that runs.

/// Whether somebody shows trays.
pub async fn shows_trays() -> bool {
    true
}

/// Whether this app is found when it is started again.
pub async fn is_found() -> bool {
    true
}
