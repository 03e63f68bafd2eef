//! Hutong's interface: one wasm, for the app's webview and for plain browsers.
//!
//! [`app`] holds what is shown and hands it to [`views`]. What there is to show comes from a [`driver`], and a call's camera,
//! microphone and peer connection live in [`media`]. Both are chosen when the page starts; nothing else knows which they are.

mod actions;
mod app;
mod awake;
#[cfg(all(test, target_arch = "wasm32"))]
mod awake_tests;
#[cfg(all(test, target_arch = "wasm32"))]
mod browser_tests;
mod dom;
mod driver;
mod i18n;
mod media;
mod people;
mod place;
mod sound;
mod views;

fn main() {
    yew::Renderer::<app::App>::new().render();
}
