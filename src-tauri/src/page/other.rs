//! Which page the webview shows: it says so itself, at any time.

use tauri::{Url, Webview, webview::PageLoadPayload};

/// Keeps nothing.
#[derive(Debug, Default)]
pub struct Page {}

/// Nothing to remember.
pub fn loads(_webview: &Webview, _load: &PageLoadPayload<'_>) {}

/// The page that is shown; `None` where the window is gone.
pub fn address(webview: &Webview) -> Option<Url> {
    webview.url().ok()
}
