//! Keeps the screen on during a call (Screen Wake Lock): a phone that went dark would stop the camera.
//!
//! Android's WebView grants it without asking, as browsers do. Where there is no such thing the screen does what it does.

use std::{cell::RefCell, rc::Rc};

use js_sys::{Function, Promise};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use yew::{hook, use_effect_with};

use crate::dom::{self, Listener};

/// Keeps the screen on as long as the component that uses it is there.
#[hook]
pub fn use_screen_on() {
    use_effect_with((), |()| {
        let screen = ScreenOn::begin();
        move || drop(screen)
    });
}

/// Keeps the screen on until it is dropped.
pub struct ScreenOn {
    lock: Rc<RefCell<Lock>>,
    _listener: Option<Listener>,
}

impl ScreenOn {
    /// Asks for it, and again whenever the page comes back into view: a page that is hidden loses it.
    pub fn begin() -> Self {
        let lock = Rc::new(RefCell::new(Lock::None));
        ask(&lock);
        let document = dom::window().and_then(|window| window.document());
        let listener = document.map(|document| {
            let lock = Rc::clone(&lock);
            Listener::new(&document, "visibilitychange", move |_| ask(&lock))
        });
        Self { lock, _listener: listener }
    }
}

impl Drop for ScreenOn {
    fn drop(&mut self) {
        if let Lock::Held(sentinel) = self.lock.replace(Lock::Over) {
            release(&sentinel);
        }
    }
}

/// What there is of it.
enum Lock {
    /// None: not yet, or the system did not give it.
    None,
    /// It is asked for.
    Asked,
    /// The `WakeLockSentinel`; the system may have taken it back.
    Held(JsValue),
    /// None any more, and none is wanted.
    Over,
}

fn ask(lock: &Rc<RefCell<Lock>>) {
    match &*lock.borrow() {
        Lock::None => {}
        Lock::Held(sentinel) if is_released(sentinel) => {}
        Lock::Asked | Lock::Held(_) | Lock::Over => return,
    }
    let Some(answer) = request() else { return };
    *lock.borrow_mut() = Lock::Asked;
    let lock = Rc::clone(lock);
    spawn_local(async move {
        // It is refused while the page is hidden or the battery low; the page's coming back is the next occasion.
        let given = JsFuture::from(answer).await.ok();
        let is_over = matches!(*lock.borrow(), Lock::Over);
        match given {
            Some(sentinel) if is_over => release(&sentinel),
            Some(sentinel) => *lock.borrow_mut() = Lock::Held(sentinel),
            None if is_over => {}
            None => *lock.borrow_mut() = Lock::None,
        }
    });
}

fn request() -> Option<Promise> {
    let navigator = JsValue::from(dom::window()?.navigator());
    let locks = dom::property(&navigator, "wakeLock")?;
    method(&locks, "request")?.call1(&locks, &"screen".into()).ok()?.dyn_into().ok()
}

fn is_released(sentinel: &JsValue) -> bool {
    dom::property(sentinel, "released").is_some_and(|released| released.is_truthy())
}

fn release(sentinel: &JsValue) {
    if let Some(release) = method(sentinel, "release") {
        // It answers when it is done, which nobody waits for.
        release.call0(sentinel).ok();
    }
}

fn method(object: &JsValue, name: &str) -> Option<Function> {
    dom::property(object, name)?.dyn_into().ok()
}
