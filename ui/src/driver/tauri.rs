//! The client in the app around this page, reached by Tauri's commands and one channel.
//!
//! Only what Tauri injects into every page is used (`window.__TAURI_INTERNALS__`), in the way that `Channel` and `invoke` of
//! `@tauri-apps/api` 2.12 use it.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, VecDeque},
    rc::Rc,
};

use hutong_core::app::{FromUi, ToUi};
use js_sys::{Function, Object, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use yew::Callback;

use super::interface::Driver;
use crate::dom;

/// What Tauri gives every page of the app.
#[derive(Clone)]
pub struct Internals {
    object: JsValue,
    invoke: Function,
    transform_callback: Function,
}

impl Internals {
    /// Finds it, in the app.
    pub fn find() -> Option<Self> {
        let object = dom::property(&JsValue::from(dom::window()?), "__TAURI_INTERNALS__")?;
        let invoke = dom::property(&object, "invoke")?.dyn_into().ok()?;
        let transform_callback = dom::property(&object, "transformCallback")?.dyn_into().ok()?;
        Some(Self { object, invoke, transform_callback })
    }

    /// Calls a command of the app, which begins before this returns. The arguments are an object, or, as they are, bytes.
    ///
    /// # Errors
    ///
    /// What the command failed with.
    pub fn call(&self, command: &str, arguments: &JsValue) -> Result<JsFuture, JsValue> {
        let promise = self.invoke.call2(&self.object, &JsValue::from_str(command), arguments)?;
        Ok(JsFuture::from(promise.dyn_into::<Promise>()?))
    }

    /// Calls a command of the app with one argument, and waits for its end.
    async fn invoke(&self, command: &str, argument: &str, value: &JsValue) {
        let arguments = Object::new();
        Reflect::set(&arguments, &JsValue::from_str(argument), value).ok();
        if let Ok(done) = self.call(command, &arguments) {
            // A rejection says that the app is going away; there is nobody left to tell.
            drop(done.await);
        }
    }
}

/// Speaks to the app's client.
pub struct Tauri {
    outbox: Rc<Outbox>,
    hear: Closure<dyn FnMut(JsValue)>,
}

impl Tauri {
    /// Nothing is said to the app yet.
    pub fn new(internals: Internals, sink: Callback<ToUi>) -> Self {
        let order = Rc::new(RefCell::new(InOrder::default()));
        let hear = Closure::<dyn FnMut(JsValue)>::new(move |raw: JsValue| {
            let index = dom::property(&raw, "index").and_then(|index| index.as_f64());
            let (Some(index), Some(message)) = (index, dom::property(&raw, "message")) else { return };
            order.borrow_mut().put(index as u64, message);
            loop {
                let Some(message) = order.borrow_mut().take() else { break };
                if let Some(message) = dom::from_js(&message) {
                    sink.emit(message);
                }
            }
        });
        let outbox = Rc::new(Outbox { internals, waiting: RefCell::default(), sending: Cell::new(false) });
        Self { outbox, hear }
    }
}

impl Driver for Tauri {
    /// Opens the channel. The app answers with a snapshot.
    fn begin(&self) {
        let internals = &self.outbox.internals;
        let id = internals.transform_callback.call2(&internals.object, self.hear.as_ref(), &JsValue::FALSE);
        if let Some(id) = id.ok().and_then(|id| id.as_f64()) {
            self.outbox.put(Request::Attach(JsValue::from_str(&format!("__CHANNEL__:{id}"))));
        }
    }

    fn send(&self, what: FromUi) {
        if let Some(value) = dom::to_js(&what) {
            self.outbox.put(Request::FromUi(value));
        }
    }

    fn in_app(&self) -> bool {
        true
    }
}

enum Request {
    Attach(JsValue),
    FromUi(JsValue),
}

/// Sends one request after the other: a candidate must not overtake the description it belongs to, and each invocation
/// is a request of its own to the app.
struct Outbox {
    internals: Internals,
    waiting: RefCell<VecDeque<Request>>,
    sending: Cell<bool>,
}

impl Outbox {
    fn put(self: &Rc<Self>, request: Request) {
        self.waiting.borrow_mut().push_back(request);
        if self.sending.replace(true) {
            return;
        }
        let outbox = Rc::clone(self);
        spawn_local(async move {
            loop {
                let Some(request) = outbox.waiting.borrow_mut().pop_front() else { break };
                match request {
                    Request::Attach(channel) => outbox.internals.invoke("attach", "channel", &channel).await,
                    Request::FromUi(input) => outbox.internals.invoke("from_ui", "input", &input).await,
                }
            }
            outbox.sending.set(false);
        });
    }
}

/// Puts messages back into the order in which they were sent: Tauri delivers large ones by another way than small ones.
struct InOrder<T> {
    next: u64,
    early: BTreeMap<u64, T>,
}

impl<T> Default for InOrder<T> {
    fn default() -> Self {
        Self { next: 0, early: BTreeMap::new() }
    }
}

impl<T> InOrder<T> {
    fn put(&mut self, index: u64, message: T) {
        if index >= self.next {
            self.early.insert(index, message);
        }
    }

    fn take(&mut self) -> Option<T> {
        let message = self.early.remove(&self.next)?;
        self.next += 1;
        Some(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_out_in_the_order_they_were_sent() {
        let mut order = InOrder::default();
        let mut out = Vec::new();
        for index in [1, 0, 0, 3, 4, 2] {
            order.put(index, index);
            while let Some(message) = order.take() {
                out.push(message);
            }
        }
        assert_eq!(out, [0, 1, 2, 3, 4]);
        assert!(order.early.is_empty());
    }
}
