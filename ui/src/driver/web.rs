//! The client in the browser itself: WebSocket, timer and store.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::{Rc, Weak},
    time::Duration,
};

use gloo_timers::callback::Timeout;
use hutong_core::{
    Client, Config, Input, LinkEvent, Output, Saved,
    app::{FromUi, ToUi},
};
use hutong_protocol::{SUBPROTOCOL, decode_server};
use wasm_bindgen::JsCast;
use web_sys::{MessageEvent, WebSocket};
use yew::Callback;

use super::interface::Driver;
use crate::{
    dom::{self, Listener},
    place::Place,
};

/// Where a reloaded page finds its session.
const SAVED: &str = "hutong.session";

/// The longest timer that browsers keep (they count milliseconds in 31 bits).
const LONGEST_TIMER: Duration = Duration::from_millis(i32::MAX as u64);

/// Runs a [`Client`] in this page.
pub struct Web {
    inner: Rc<Inner>,
    _listeners: Vec<Listener>,
}

impl Web {
    /// Makes the client, with what an earlier life of this page saved.
    pub fn new(sink: Callback<ToUi>) -> Self {
        let seed = (js_sys::Math::random() * 9_007_199_254_740_992.0) as u64;
        let client = Client::new(Config { seed, saved: load() }, now());
        let inner = Rc::new_cyclic(|me| Inner {
            me: me.clone(),
            client: RefCell::new(client),
            inputs: RefCell::default(),
            stepping: Cell::new(false),
            socket: RefCell::default(),
            timer: RefCell::default(),
            sink,
        });
        let listeners = dom::window().map_or_else(Vec::new, |window| {
            // Timers stand still while a machine sleeps and while a page lies in the back-forward cache.
            [("online", Input::NetworkBack), ("pageshow", Input::Tick)]
                .into_iter()
                .map(|(event, input)| {
                    let inner = Rc::downgrade(&inner);
                    Listener::new(&window, event, move |_| feed(&inner, input.clone()))
                })
                .collect()
        });
        Self { inner, _listeners: listeners }
    }
}

impl Driver for Web {
    fn begin(&self) {
        let view = self.inner.client.borrow().view().clone();
        self.inner.sink.emit(ToUi::Snapshot(view));
        self.inner.feed(Input::Tick);
    }

    fn send(&self, what: FromUi) {
        match what {
            FromUi::Command(command) => self.inner.feed(Input::Command(command)),
            FromUi::Media(event) => self.inner.feed(Input::Media(event)),
            // There is no app here, and nothing that would offer its commands.
            FromUi::App(_) => {}
        }
    }

    fn in_app(&self) -> bool {
        false
    }
}

struct Inner {
    me: Weak<Self>,
    client: RefCell<Client>,
    inputs: RefCell<VecDeque<Input>>,
    stepping: Cell<bool>,
    socket: RefCell<Option<Socket>>,
    timer: RefCell<Option<Timeout>>,
    sink: Callback<ToUi>,
}

impl Inner {
    /// Steps the client. What comes in from within a step waits for its end.
    fn feed(&self, input: Input) {
        self.inputs.borrow_mut().push_back(input);
        if self.stepping.replace(true) {
            return;
        }
        loop {
            let Some(input) = self.inputs.borrow_mut().pop_front() else { break };
            self.client.borrow_mut().handle(now(), input);
            loop {
                let Some(output) = self.client.borrow_mut().poll_output() else { break };
                self.perform(output);
            }
        }
        self.stepping.set(false);
    }

    fn perform(&self, output: Output) {
        match output {
            Output::Connect => {
                let socket = Socket::open(&self.me);
                if socket.is_none() {
                    self.inputs.borrow_mut().push_back(Input::Link(LinkEvent::Down));
                }
                self.socket.replace(socket);
            }
            Output::Disconnect => {
                self.socket.replace(None);
            }
            Output::Send(message) => {
                let socket = self.socket.borrow();
                if let (Some(socket), Ok(text)) = (&*socket, serde_json::to_string(&message)) {
                    // What cannot be sent is lost with the link; its end is told by the close event.
                    socket.raw.send_with_str(&text).ok();
                }
            }
            Output::Media(command) => self.sink.emit(ToUi::Media(command)),
            Output::Show(update) => self.sink.emit(ToUi::Show(update)),
            Output::Wake(at) => {
                // Rounded up: a timer that fires early would only ask to be woken again.
                let wait = at.saturating_sub(now()).min(LONGEST_TIMER).as_millis() + 1;
                let me = self.me.clone();
                let timer = Timeout::new(u32::try_from(wait).unwrap_or(u32::MAX), move || feed(&me, Input::Tick));
                self.timer.replace(Some(timer));
            }
            Output::Save(saved) => save(saved.as_ref()),
        }
    }
}

fn feed(inner: &Weak<Inner>, input: Input) {
    if let Some(inner) = inner.upgrade() {
        inner.feed(input);
    }
}

/// One WebSocket. Dropping it closes it, and nothing of it is heard any more.
struct Socket {
    raw: WebSocket,
    _listeners: [Listener; 3],
}

impl Socket {
    fn open(inner: &Weak<Inner>) -> Option<Self> {
        let raw = WebSocket::new_with_str(&Place::here().socket(), SUBPROTOCOL).ok()?;
        let (opened, heard, closed) = (inner.clone(), inner.clone(), inner.clone());
        let listeners = [
            Listener::new(&raw, "open", move |_| feed(&opened, Input::Link(LinkEvent::Up))),
            Listener::new(&raw, "message", move |event| {
                let text = event.dyn_ref::<MessageEvent>().and_then(|event| event.data().as_string());
                // A newer server may say what this version does not know; that is passed over.
                if let Some(Ok(message)) = text.map(|text| decode_server(&text)) {
                    feed(&heard, Input::Message(message));
                }
            }),
            Listener::new(&raw, "close", move |_| feed(&closed, Input::Link(LinkEvent::Down))),
        ];
        Some(Self { raw, _listeners: listeners })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.raw.close().ok();
    }
}

fn now() -> Duration {
    Duration::try_from_secs_f64(dom::now_ms() / 1000.0).unwrap_or_default()
}

fn load() -> Option<Saved> {
    let text = dom::session_storage()?.get_item(SAVED).ok()??;
    serde_json::from_str(&text).ok()
}

fn save(saved: Option<&Saved>) {
    let Some(storage) = dom::session_storage() else { return };
    match saved.map(serde_json::to_string) {
        Some(Ok(text)) => storage.set_item(SAVED, &text).ok(),
        Some(Err(_)) | None => storage.remove_item(SAVED).ok(),
    };
}
