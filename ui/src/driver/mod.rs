//! Connects the page to the client: in a plain browser the client runs in this program ([`browser`]), in the app it runs in the
//! host process (`tauri`).
//!
//! Both drivers exchange the same messages, [`PageToHost`](hutong_core::host_messages::PageToHost) and [`HostToPage`], so the
//! rest of the page does not depend on the choice.

mod browser;
mod connection_events;
mod page_driver;
#[cfg(feature = "app")]
mod tauri;
mod timer_worker;

pub use page_driver::PageDriver;
#[cfg(feature = "app")]
pub use tauri::TauriInternals;

use std::rc::Rc;

use hutong_core::host_messages::HostToPage;
use yew::Callback;

/// Creates the driver for this page's environment. It emits its messages to `sink`.
pub fn create(sink: Callback<HostToPage>) -> Rc<dyn PageDriver> {
    #[cfg(feature = "app")]
    if let Some(internals) = TauriInternals::find() {
        return Rc::new(tauri::TauriDriver::new(internals, sink));
    }
    Rc::new(browser::BrowserDriver::new(sink))
}
