//! Driver in the app: reaches the client in the host process by Tauri's commands and one channel.
//!
//! It depends only on `window.__TAURI_INTERNALS__`, which Tauri injects into every page, and uses it like `Channel` and
//! `invoke` of `@tauri-apps/api` 2.12.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, VecDeque},
    rc::Rc,
};

use hutong_core::host_messages::{HostToPage, PageToHost};
use js_sys::{Function, Object, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use yew::Callback;

use super::{connection_events, page_driver::PageDriver};
use crate::dom::{self, EventListener};

/// Tauri's injected IPC object.
#[derive(Clone)]
pub struct TauriInternals {
    object: JsValue,
    invoke: Function,
    transform_callback: Function,
}

impl TauriInternals {
    /// Finds the object; `None` outside the app.
    pub fn find() -> Option<Self> {
        let object = dom::property(&JsValue::from(dom::window()?), "__TAURI_INTERNALS__")?;
        let invoke = dom::property(&object, "invoke")?.dyn_into().ok()?;
        let transform_callback = dom::property(&object, "transformCallback")?.dyn_into().ok()?;
        Some(Self { object, invoke, transform_callback })
    }

    /// Invokes a command of the app. The request starts before this returns. The arguments are an object, or raw bytes.
    ///
    /// # Errors
    ///
    /// The exception of Tauri's `invoke`. The future fails with the error of the command.
    pub fn call(&self, command: &str, arguments: &JsValue) -> Result<JsFuture, JsValue> {
        let promise = self.invoke.call2(&self.object, &JsValue::from_str(command), arguments)?;
        Ok(JsFuture::from(promise.dyn_into::<Promise>()?))
    }

    /// Invokes a command with one argument, and waits until it is done.
    async fn invoke(&self, command: &str, argument: &str, value: &JsValue) {
        let arguments = Object::new();
        Reflect::set(&arguments, &JsValue::from_str(argument), value).ok();
        if let Ok(done) = self.call(command, &arguments) {
            // Fails only while the app is exiting.
            drop(done.await);
        }
    }
}

/// Sends requests to the app, and receives its messages on a channel.
pub struct TauriDriver {
    requests: Rc<RequestQueue>,
    on_message: Closure<dyn FnMut(JsValue)>,
    _listeners: Vec<EventListener>,
}

impl TauriDriver {
    /// Creates a driver that is not attached yet.
    pub fn new(internals: TauriInternals, sink: Callback<HostToPage>) -> Self {
        let buffer = Rc::new(RefCell::new(ReorderBuffer::default()));
        let on_message = Closure::<dyn FnMut(JsValue)>::new(move |raw: JsValue| {
            let index = dom::property(&raw, "index").and_then(|index| index.as_f64());
            let (Some(index), Some(message)) = (index, dom::property(&raw, "message")) else { return };
            buffer.borrow_mut().insert(index as u64, message);
            loop {
                let Some(message) = buffer.borrow_mut().pop() else { break };
                if let Some(message) = dom::from_js(&message) {
                    sink.emit(message);
                }
            }
        });
        let requests = Rc::new(RequestQueue { internals, queue: RefCell::default(), sending: Cell::new(false) });
        let check_requests = Rc::clone(&requests);
        let listeners = connection_events::listen(move || check_requests.send(&PageToHost::CheckConnection));
        Self { requests, on_message, _listeners: listeners }
    }
}

impl PageDriver for TauriDriver {
    /// Attaches the channel. The app answers with a snapshot.
    fn start(&self) {
        let internals = &self.requests.internals;
        let id = internals.transform_callback.call2(&internals.object, self.on_message.as_ref(), &JsValue::FALSE);
        if let Some(id) = id.ok().and_then(|id| id.as_f64()) {
            self.requests.push(AppRequest::Attach(JsValue::from_str(&format!("__CHANNEL__:{id}"))));
        }
    }

    fn send(&self, message: PageToHost) {
        self.requests.send(&message);
    }

    fn in_app(&self) -> bool {
        true
    }
}

/// A queued invocation.
enum AppRequest {
    Attach(JsValue),
    PageToHost(JsValue),
}

/// Queue of invocations, sent one after the other. Tauri does not keep the order of concurrent invocations, and a candidate must
/// not overtake its description.
struct RequestQueue {
    internals: TauriInternals,
    queue: RefCell<VecDeque<AppRequest>>,
    sending: Cell<bool>,
}

impl RequestQueue {
    fn send(self: &Rc<Self>, message: &PageToHost) {
        if let Some(value) = dom::to_js(message) {
            self.push(AppRequest::PageToHost(value));
        }
    }

    fn push(self: &Rc<Self>, request: AppRequest) {
        self.queue.borrow_mut().push_back(request);
        if self.sending.replace(true) {
            return;
        }
        let requests = Rc::clone(self);
        spawn_local(async move {
            loop {
                let Some(request) = requests.queue.borrow_mut().pop_front() else { break };
                match request {
                    AppRequest::Attach(channel) => requests.internals.invoke("attach", "channel", &channel).await,
                    AppRequest::PageToHost(input) => requests.internals.invoke("from_ui", "input", &input).await,
                }
            }
            requests.sending.set(false);
        });
    }
}

/// Restores the order of messages by their index: Tauri delivers large messages by a slower transport.
struct ReorderBuffer<T> {
    next: u64,
    early: BTreeMap<u64, T>,
}

impl<T> Default for ReorderBuffer<T> {
    fn default() -> Self {
        Self { next: 0, early: BTreeMap::new() }
    }
}

impl<T> ReorderBuffer<T> {
    fn insert(&mut self, index: u64, message: T) {
        if index >= self.next {
            self.early.insert(index, message);
        }
    }

    fn pop(&mut self) -> Option<T> {
        let message = self.early.remove(&self.next)?;
        self.next += 1;
        Some(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_leave_the_buffer_in_the_order_of_their_index() {
        let mut buffer = ReorderBuffer::default();
        let mut out = Vec::new();
        for index in [1, 0, 0, 3, 4, 2] {
            buffer.insert(index, index);
            while let Some(message) = buffer.pop() {
                out.push(message);
            }
        }
        assert_eq!(out, [0, 1, 2, 3, 4]);
        assert!(buffer.early.is_empty());
    }
}
