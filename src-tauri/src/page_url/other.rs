//! Other systems: queries the webview for its URL.

use tauri::{Url, Webview, webview::PageLoadPayload};

/// Empty: nothing needs to be recorded.
#[derive(Debug, Default)]
pub struct PageUrl {}

/// Does nothing.
pub fn on_load(_webview: &Webview, _load: &PageLoadPayload<'_>) {}

/// The URL of the current page; `None` when the window is closed.
pub fn current(webview: &Webview) -> Option<Url> {
    webview.url().ok()
}
