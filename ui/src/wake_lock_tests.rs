//! Tests of the wake lock with a fake `navigator.wakeLock`: a headless browser may refuse a real one.

#![allow(clippy::unwrap_used, reason = "clippy does not take wasm_bindgen_test for a test")]

use js_sys::{Array, Function, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::wasm_bindgen_test;
use web_sys::Event;

use crate::{dom, wake_lock::WakeLock};

/// Replaces `navigator.wakeLock`. Returns a log of its calls; `log.answer(granted)` settles the oldest pending request.
const FAKE: &str = r#"
const log = [], pending = [];
const sentinel = () => {
  const sentinel = { released: false, release() { this.released = true; log.push("release"); return Promise.resolve(); } };
  log.sentinel = sentinel;
  return sentinel;
};
const wakeLock = {
  request(type) { log.push(type); return new Promise((resolve, reject) => pending.push({ resolve, reject })); },
};
Object.defineProperty(navigator, "wakeLock", { value: wakeLock, configurable: true });
log.answer = (granted) => {
  const { resolve, reject } = pending.shift();
  granted ? resolve(sentinel()) : reject(new Error("hidden"));
};
return log;
"#;

fn install_fake() -> Array {
    Function::new_no_args(FAKE).call0(&JsValue::NULL).unwrap().dyn_into().unwrap()
}

/// Settles the oldest pending request, and lets the page's tasks run.
async fn answer(log: &Array, granted: bool) {
    let answer: Function = Reflect::get(log, &"answer".into()).unwrap().dyn_into().unwrap();
    answer.call1(&JsValue::NULL, &granted.into()).unwrap();
    // Microtasks run in order: those that await the request run before these resolve.
    for _ in 0..4 {
        JsFuture::from(Promise::resolve(&JsValue::NULL)).await.unwrap();
    }
}

fn calls(log: &Array) -> String {
    log.join(" ").into()
}

fn show_page() {
    let document = dom::window().unwrap().document().unwrap();
    document.dispatch_event(&Event::new("visibilitychange").unwrap()).unwrap();
}

fn release_by_browser(log: &Array) {
    let sentinel = Reflect::get(log, &"sentinel".into()).unwrap();
    Reflect::set(&sentinel, &"released".into(), &true.into()).unwrap();
}

#[wasm_bindgen_test]
async fn the_wake_lock_is_held_until_the_guard_is_dropped() {
    let log = install_fake();
    let lock = WakeLock::acquire();
    answer(&log, true).await;
    show_page();
    assert_eq!(calls(&log), "screen", "a held lock is not requested again");
    drop(lock);
    assert_eq!(calls(&log), "screen release");
    show_page();
    assert_eq!(calls(&log), "screen release", "nothing is requested after the drop");
}

#[wasm_bindgen_test]
async fn a_refused_or_released_lock_is_requested_again_when_the_page_becomes_visible() {
    let log = install_fake();
    let lock = WakeLock::acquire();
    show_page();
    assert_eq!(calls(&log), "screen", "one request at a time");
    answer(&log, false).await;
    show_page();
    answer(&log, true).await;
    assert_eq!(calls(&log), "screen screen");
    release_by_browser(&log);
    show_page();
    answer(&log, true).await;
    drop(lock);
    assert_eq!(calls(&log), "screen screen screen release");
}

#[wasm_bindgen_test]
async fn a_lock_that_is_granted_after_the_drop_is_released_at_once() {
    let log = install_fake();
    drop(WakeLock::acquire());
    answer(&log, true).await;
    assert_eq!(calls(&log), "screen release");
}
