//! Driver in a plain browser: runs the client in this page, with a WebSocket, a timer and `sessionStorage`.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::{Rc, Weak},
    time::Duration,
};

use gloo_timers::callback::Timeout;
use hutong_core::{
    Client, Config, Input, Output, SavedSession, SocketEvent,
    host_messages::{HostToPage, PageToHost},
};
use hutong_protocol::{SUBPROTOCOL, decode_server};
use wasm_bindgen::JsCast;
use web_sys::{MessageEvent, WebSocket};
use yew::Callback;

use super::page_driver::PageDriver;
use crate::{
    dom::{self, EventListener},
    page_origin::PageOrigin,
};

/// `sessionStorage` key of the session, which a reloaded page resumes.
const SESSION_KEY: &str = "hutong.session";

/// Longest timeout that browsers support: they store milliseconds in 31 bits.
const MAX_TIMEOUT: Duration = Duration::from_millis(i32::MAX as u64);

/// Runs a [`Client`] in this page.
pub struct BrowserDriver {
    client: Rc<BrowserClient>,
    _listeners: Vec<EventListener>,
}

impl BrowserDriver {
    /// Creates the client, with the session that this page saved before a reload.
    pub fn new(sink: Callback<HostToPage>) -> Self {
        let seed = (js_sys::Math::random() * 9_007_199_254_740_992.0) as u64;
        let client = Client::new(Config { seed, saved: load() }, now());
        let client = Rc::new_cyclic(|me| BrowserClient {
            me: me.clone(),
            client: RefCell::new(client),
            inputs: RefCell::default(),
            stepping: Cell::new(false),
            socket: RefCell::default(),
            timer: RefCell::default(),
            sink,
        });
        let listeners = dom::window().map_or_else(Vec::new, |window| {
            // Timers do not run while the machine sleeps or the page is in the back/forward cache.
            [("online", Input::NetworkRestored), ("pageshow", Input::Tick)]
                .into_iter()
                .map(|(event, input)| {
                    let client = Rc::downgrade(&client);
                    EventListener::new(&window, event, move |_| feed(&client, input.clone()))
                })
                .collect()
        });
        Self { client, _listeners: listeners }
    }
}

impl PageDriver for BrowserDriver {
    fn start(&self) {
        let view = self.client.client.borrow().view().clone();
        self.client.sink.emit(HostToPage::Snapshot(view));
        self.client.feed(Input::Tick);
    }

    fn send(&self, message: PageToHost) {
        match message {
            PageToHost::Command(command) => self.client.feed(Input::Command(command)),
            PageToHost::Media(event) => self.client.feed(Input::Media(event)),
            // Without an app, no view offers its commands.
            PageToHost::App(_) => {}
        }
    }

    fn in_app(&self) -> bool {
        false
    }
}

/// The client and its I/O.
struct BrowserClient {
    me: Weak<Self>,
    client: RefCell<Client>,
    inputs: RefCell<VecDeque<Input>>,
    stepping: Cell<bool>,
    socket: RefCell<Option<ClientSocket>>,
    timer: RefCell<Option<Timeout>>,
    sink: Callback<HostToPage>,
}

impl BrowserClient {
    /// Passes an input to the client, and performs its outputs. Inputs that arrive meanwhile are queued.
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
                let socket = ClientSocket::open(&self.me);
                if socket.is_none() {
                    self.inputs.borrow_mut().push_back(Input::Socket(SocketEvent::Closed));
                }
                self.socket.replace(socket);
            }
            Output::Disconnect => {
                self.socket.replace(None);
            }
            Output::Send(message) => {
                let socket = self.socket.borrow();
                if let (Some(socket), Ok(text)) = (&*socket, serde_json::to_string(&message)) {
                    // Fails only on a socket that is closing; the close event follows.
                    socket.raw.send_with_str(&text).ok();
                }
            }
            Output::Media(command) => self.sink.emit(HostToPage::Media(command)),
            Output::Show(update) => self.sink.emit(HostToPage::Show(update)),
            Output::Wake(at) => {
                // Rounded up: a timer that fires early would only be set again.
                let wait = at.saturating_sub(now()).min(MAX_TIMEOUT).as_millis() + 1;
                let me = self.me.clone();
                let timer = Timeout::new(u32::try_from(wait).unwrap_or(u32::MAX), move || feed(&me, Input::Tick));
                self.timer.replace(Some(timer));
            }
            Output::Save(saved) => save(saved.as_ref()),
        }
    }
}

fn feed(client: &Weak<BrowserClient>, input: Input) {
    if let Some(client) = client.upgrade() {
        client.feed(input);
    }
}

/// RAII guard: a WebSocket that is closed on drop, and then delivers no more events.
struct ClientSocket {
    raw: WebSocket,
    _listeners: [EventListener; 3],
}

impl ClientSocket {
    fn open(client: &Weak<BrowserClient>) -> Option<Self> {
        let raw = WebSocket::new_with_str(&PageOrigin::current().websocket_url(), SUBPROTOCOL).ok()?;
        let (on_open, on_message, on_close) = (client.clone(), client.clone(), client.clone());
        let listeners = [
            EventListener::new(&raw, "open", move |_| feed(&on_open, Input::Socket(SocketEvent::Opened))),
            EventListener::new(&raw, "message", move |event| {
                let text = event.dyn_ref::<MessageEvent>().and_then(|event| event.data().as_string());
                // Messages of a newer server that this version does not know are ignored.
                if let Some(Ok(message)) = text.map(|text| decode_server(&text)) {
                    feed(&on_message, Input::Message(message));
                }
            }),
            EventListener::new(&raw, "close", move |_| feed(&on_close, Input::Socket(SocketEvent::Closed))),
        ];
        Some(Self { raw, _listeners: listeners })
    }
}

impl Drop for ClientSocket {
    fn drop(&mut self) {
        self.raw.close().ok();
    }
}

fn now() -> Duration {
    Duration::try_from_secs_f64(dom::now_ms() / 1000.0).unwrap_or_default()
}

fn load() -> Option<SavedSession> {
    let text = dom::session_storage()?.get_item(SESSION_KEY).ok()??;
    serde_json::from_str(&text).ok()
}

fn save(saved: Option<&SavedSession>) {
    let Some(storage) = dom::session_storage() else { return };
    match saved.map(serde_json::to_string) {
        Some(Ok(text)) => storage.set_item(SESSION_KEY, &text).ok(),
        Some(Err(_)) | None => storage.remove_item(SESSION_KEY).ok(),
    };
}
