//! Android: records the URL when a page loads.
//!
//! Android requests a permission on the UI thread and blocks it until the decision. Querying the webview's URL also needs
//! the UI thread, so a query at that time would deadlock until wry's timeout (10 s in 0.57), and the permission would be
//! denied.

use std::sync::{Mutex, PoisonError};

use tauri::{
    Manager, Url, Webview,
    webview::{PageLoadEvent, PageLoadPayload},
};

/// The URL of the page that was loaded last.
#[derive(Debug, Default)]
pub struct PageUrl(Mutex<Option<Url>>);

/// Records the URL of a page that starts to load.
pub fn on_load(webview: &Webview, load: &PageLoadPayload<'_>) {
    if load.event() == PageLoadEvent::Started
        && let Some(page) = webview.try_state::<PageUrl>()
    {
        *page.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(load.url().clone());
    }
}

/// The URL of the current page; `None` before the first load.
pub fn current(webview: &Webview) -> Option<Url> {
    webview.try_state::<PageUrl>()?.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
}
