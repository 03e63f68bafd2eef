//! Keeping the screen on, with a made-up wake lock: whether a browser without a screen gives a real one is its own affair.

#![allow(clippy::unwrap_used, reason = "clippy does not take wasm_bindgen_test for a test")]

use js_sys::{Array, Function, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::wasm_bindgen_test;
use web_sys::Event;

use crate::{awake::ScreenOn, dom};

/// Puts a wake lock in the browser's place. Gives the list of what is asked of it; each `answer` answers the oldest wish.
const FAKE: &str = r#"
const log = [], waiting = [];
const give = () => {
  const sentinel = { released: false, release() { this.released = true; log.push("release"); return Promise.resolve(); } };
  log.sentinel = sentinel;
  return sentinel;
};
const wakeLock = { request(what) { log.push(what); return new Promise((yes, no) => waiting.push({ yes, no })); } };
Object.defineProperty(navigator, "wakeLock", { value: wakeLock, configurable: true });
log.answer = (yes) => { const wish = waiting.shift(); yes ? wish.yes(give()) : wish.no(new Error("hidden")); };
return log;
"#;

fn fake() -> Array {
    Function::new_no_args(FAKE).call0(&JsValue::NULL).unwrap().dyn_into().unwrap()
}

/// Answers the oldest wish, and lets the page take notice.
async fn answer(log: &Array, yes: bool) {
    let answer: Function = Reflect::get(log, &"answer".into()).unwrap().dyn_into().unwrap();
    answer.call1(&JsValue::NULL, &yes.into()).unwrap();
    // What waits for the answer is done before what is asked for after it.
    for _ in 0..4 {
        JsFuture::from(Promise::resolve(&JsValue::NULL)).await.unwrap();
    }
}

fn said(log: &Array) -> String {
    log.join(" ").into()
}

fn comes_into_view() {
    let document = dom::window().unwrap().document().unwrap();
    document.dispatch_event(&Event::new("visibilitychange").unwrap()).unwrap();
}

fn taken_back(log: &Array) {
    let sentinel = Reflect::get(log, &"sentinel".into()).unwrap();
    Reflect::set(&sentinel, &"released".into(), &true.into()).unwrap();
}

#[wasm_bindgen_test]
async fn the_screen_is_kept_on_and_let_go() {
    let log = fake();
    let screen = ScreenOn::begin();
    answer(&log, true).await;
    comes_into_view();
    assert_eq!(said(&log), "screen", "what is held is not asked for again");
    drop(screen);
    assert_eq!(said(&log), "screen release");
    comes_into_view();
    assert_eq!(said(&log), "screen release", "nothing goes on");
}

#[wasm_bindgen_test]
async fn what_was_refused_or_taken_back_is_asked_for_when_the_page_comes_back() {
    let log = fake();
    let screen = ScreenOn::begin();
    comes_into_view();
    assert_eq!(said(&log), "screen", "one wish at a time");
    answer(&log, false).await;
    comes_into_view();
    answer(&log, true).await;
    assert_eq!(said(&log), "screen screen");
    taken_back(&log);
    comes_into_view();
    answer(&log, true).await;
    drop(screen);
    assert_eq!(said(&log), "screen screen screen release");
}

#[wasm_bindgen_test]
async fn what_comes_too_late_is_let_go_at_once() {
    let log = fake();
    drop(ScreenOn::begin());
    answer(&log, true).await;
    assert_eq!(said(&log), "screen release");
}
