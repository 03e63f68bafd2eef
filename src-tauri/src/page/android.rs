//! Which page the webview shows, on Android: kept, because it cannot be asked for when it is needed.
//!
//! Android asks for a permission on the thread of its interface and waits for the answer. The webview's address is told on the
//! same thread alone: asking for it then would wait for itself, until it gives up (wry 0.57: ten seconds) and the camera stays
//! shut.

use std::sync::{Mutex, PoisonError};

use tauri::{
    Manager, Url, Webview,
    webview::{PageLoadEvent, PageLoadPayload},
};

/// The page that was loaded last.
#[derive(Debug, Default)]
pub struct Page(Mutex<Option<Url>>);

/// Remembers a page that begins to load.
pub fn loads(webview: &Webview, load: &PageLoadPayload<'_>) {
    if load.event() == PageLoadEvent::Started
        && let Some(page) = webview.try_state::<Page>()
    {
        *page.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(load.url().clone());
    }
}

/// The page that is shown; `None` before the first one.
pub fn address(webview: &Webview) -> Option<Url> {
    webview.try_state::<Page>()?.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
}
