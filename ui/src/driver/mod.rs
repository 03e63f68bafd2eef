//! Connects the page to the client: in a plain browser the client runs in this program ([`browser`]), in the app it runs in the
//! host process (`tauri`).
//!
//! Both drivers exchange the same messages, [`PageToHost`](hutong_core::host_messages::PageToHost) and [`HostToPage`], so the
//! rest of the page does not depend on the choice.

mod active_tab;
mod browser;
mod connection_events;
mod page_driver;
#[cfg(feature = "app")]
mod tauri;
mod timer_worker;

pub use active_tab::{TabActivity, TabState};
pub use page_driver::PageDriver;
#[cfg(feature = "app")]
pub use tauri::TauriInternals;

use std::rc::Rc;

use hutong_core::host_messages::HostToPage;
use yew::Callback;

/// Creates the driver for this page's environment. It emits its messages to `sink` and, in a browser, to `on_tab` whether this tab
/// runs the client. In the app, the page always has a client.
pub fn create(sink: Callback<HostToPage>, on_tab: Callback<TabState>) -> Rc<dyn PageDriver> {
    #[cfg(feature = "app")]
    if let Some(internals) = TauriInternals::find() {
        return Rc::new(tauri::TauriDriver::new(internals, sink));
    }
    Rc::new(browser::BrowserDriver::new(sink, on_tab))
}
