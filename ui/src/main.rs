//! Hutong's user interface: one WebAssembly program for the app's webview and for plain browsers.
//!
//! [`app`] holds the state and renders the [`views`]. A [`driver`] connects it to the client; [`media`] owns camera, microphone
//! and peer connection of a call. Both are chosen at startup.

mod actions;
mod app;
#[cfg(all(test, target_arch = "wasm32"))]
mod browser_tests;
mod contacts;
mod dom;
mod driver;
mod i18n;
mod media;
mod page_origin;
mod tones;
mod views;
mod wake_lock;
#[cfg(all(test, target_arch = "wasm32"))]
mod wake_lock_tests;

fn main() {
    yew::Renderer::<app::App>::new().render();
}
