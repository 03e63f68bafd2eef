//! Hutong's user interface: a WebAssembly program, built twice. The build for browsers lacks the feature `app`, which adds what
//! only the app's webview uses.
//!
//! [`app`] holds the state and renders the [`views`]. A [`driver`] connects it to the client; [`media`] owns camera, microphone
//! and peer connection of a call. Both are chosen at startup.

mod actions;
mod app;
#[cfg(all(test, target_arch = "wasm32", feature = "app"))]
mod browser_tests;
mod call_history;
mod contacts;
mod dom;
mod driver;
mod i18n;
mod leave_guard;
mod media;
mod notifications;
mod page_link;
mod page_origin;
mod personal_storage;
mod tones;
mod update_check;
mod views;
mod wake_lock;
#[cfg(all(test, target_arch = "wasm32"))]
mod wake_lock_tests;

fn main() {
    yew::Renderer::<app::App>::new().render();
}
