//! Tests that need a browser: `cargo xtask test` runs them in a headless Chromium with a fake camera and microphone.

#![allow(clippy::unwrap_used, clippy::panic, reason = "clippy does not take wasm_bindgen_test for a test")]

mod call_sides;
mod calls;
mod devices;
mod native;
mod page;

use wasm_bindgen_test::wasm_bindgen_test_configure;

wasm_bindgen_test_configure!(run_in_browser);
