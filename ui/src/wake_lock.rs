//! Screen Wake Lock during a call: a phone whose screen turns off would stop the camera.
//!
//! Browsers and Android's `WebView` grant it without a prompt. Without the API, the system's timeout applies.

use std::{cell::RefCell, rc::Rc};

use js_sys::{Function, Promise};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use yew::{hook, use_effect_with};

use crate::dom::{self, EventListener};

/// Holds a wake lock while the component is mounted.
#[hook]
pub fn use_wake_lock() {
    use_effect_with((), |()| {
        let lock = WakeLock::acquire();
        move || drop(lock)
    });
}

/// RAII guard: holds a wake lock until it is dropped.
pub struct WakeLock {
    state: Rc<RefCell<LockState>>,
    _listener: Option<EventListener>,
}

impl WakeLock {
    /// Requests the lock now, and again whenever the page becomes visible: browsers release it when the page is hidden.
    pub fn acquire() -> Self {
        let state = Rc::new(RefCell::new(LockState::Released));
        request_if_released(&state);
        let document = dom::window().and_then(|window| window.document());
        let listener = document.map(|document| {
            let state = Rc::clone(&state);
            EventListener::new(&document, "visibilitychange", move |_| request_if_released(&state))
        });
        Self { state, _listener: listener }
    }
}

impl Drop for WakeLock {
    fn drop(&mut self) {
        if let LockState::Held(sentinel) = self.state.replace(LockState::Dropped) {
            release(&sentinel);
        }
    }
}

/// State of the lock.
enum LockState {
    /// Not requested yet, or refused.
    Released,
    /// The request is pending.
    Requested,
    /// Granted, as a `WakeLockSentinel`. The browser may have released it since.
    Held(JsValue),
    /// The guard was dropped.
    Dropped,
}

fn request_if_released(state: &Rc<RefCell<LockState>>) {
    match &*state.borrow() {
        LockState::Released => {}
        LockState::Held(sentinel) if is_released(sentinel) => {}
        LockState::Requested | LockState::Held(_) | LockState::Dropped => return,
    }
    let Some(promise) = request() else { return };
    *state.borrow_mut() = LockState::Requested;
    let state = Rc::clone(state);
    spawn_local(async move {
        // Refused while the page is hidden or the battery is low. The next `visibilitychange` requests it again.
        let granted = JsFuture::from(promise).await.ok();
        let is_dropped = matches!(*state.borrow(), LockState::Dropped);
        match granted {
            Some(sentinel) if is_dropped => release(&sentinel),
            Some(sentinel) => *state.borrow_mut() = LockState::Held(sentinel),
            None if is_dropped => {}
            None => *state.borrow_mut() = LockState::Released,
        }
    });
}

fn request() -> Option<Promise> {
    let navigator = JsValue::from(dom::window()?.navigator());
    let wake_lock = dom::property(&navigator, "wakeLock")?;
    method(&wake_lock, "request")?.call1(&wake_lock, &"screen".into()).ok()?.dyn_into().ok()
}

fn is_released(sentinel: &JsValue) -> bool {
    dom::property(sentinel, "released").is_some_and(|released| released.is_truthy())
}

fn release(sentinel: &JsValue) {
    if let Some(release) = method(sentinel, "release") {
        release.call0(sentinel).ok();
    }
}

fn method(object: &JsValue, name: &str) -> Option<Function> {
    dom::property(object, name)?.dyn_into().ok()
}
