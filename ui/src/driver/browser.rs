//! Driver in a plain browser: runs the client in this page, with a WebSocket, a timer worker and `sessionStorage`.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::{Rc, Weak},
    time::Duration,
};

use hutong_core::{
    Client, Config, Input, Output, SavedSession, SocketEvent,
    host_messages::{HostToPage, PageToHost},
};
use hutong_protocol::{SUBPROTOCOL, Secret, decode_server};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{MessageEvent, WebSocket};
use yew::Callback;

use super::{
    connection_events,
    page_driver::PageDriver,
    timer_worker::{TimerEvent, TimerWorker},
};
use crate::{
    dom::{self, EventListener},
    page_origin::PageOrigin,
};

/// `sessionStorage` key of the session, which a reloaded page resumes.
const SESSION_KEY: &str = "hutong.session";

/// Runs a [`Client`] in this page.
pub struct BrowserDriver {
    client: Rc<BrowserClient>,
    _listeners: Vec<EventListener>,
}

impl BrowserDriver {
    /// Creates the client, with the session that this page saved before a reload.
    pub fn new(sink: Callback<HostToPage>) -> Self {
        let seed = (js_sys::Math::random() * 9_007_199_254_740_992.0) as u64;
        let client = Client::new(Config { seed, saved: load(), ..Config::default() }, now());
        let client = Rc::new_cyclic(|me| BrowserClient {
            me: me.clone(),
            client: RefCell::new(client),
            inputs: RefCell::default(),
            stepping: Cell::new(false),
            link: RefCell::default(),
            last_failure: Cell::default(),
            timer: TimerWorker::start({
                let me = me.clone();
                move |event| {
                    if let Some(client) = me.upgrade() {
                        client.timer_event(event);
                    }
                }
            }),
            sink,
        });
        if let Some(key) = take_access_key() {
            client.feed(Input::InvitationKey(Some(key)));
        }
        let weak = Rc::downgrade(&client);
        let listeners = connection_events::listen(move || feed(&weak, Input::CheckConnection));
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
            PageToHost::CheckConnection => self.client.feed(Input::CheckConnection),
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
    link: RefCell<Link>,
    last_failure: Cell<Failure>,
    timer: TimerWorker,
    sink: Callback<HostToPage>,
}

/// The connection to the server.
#[derive(Default)]
enum Link {
    #[default]
    Closed,
    /// A request checks whether the server answers; then the WebSocket is opened.
    Checking,
    /// The WebSocket is being opened.
    Opening {
        socket: ClientSocket,
        /// The server has just answered a request.
        is_server_up: bool,
    },
    /// The WebSocket is open.
    Open(ClientSocket),
}

/// How the last attempt to open a WebSocket failed, if it did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Failure {
    #[default]
    None,
    /// At once: the server is away, or refuses this page.
    Closed,
    /// By the client's timeout: packets are lost.
    TimedOut,
}

impl Failure {
    /// Whether the next attempt checks with a request first whether the server answers.
    ///
    /// When an attempt fails at once, the answer distinguishes a stopped server from one that refuses the page. Firefox delays
    /// a WebSocket to a server that it could not reach by up to a minute, but not requests. Chromium must not request
    /// while packets are lost: each abandoned request leaves a connection attempt, and six of them block the next ones.
    fn calls_for_check(self) -> bool {
        match self {
            Self::None => false,
            Self::Closed => true,
            Self::TimedOut => dom::is_firefox(),
        }
    }
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
                if self.last_failure.get().calls_for_check() && self.timer.check(&PageOrigin::current().health_url()) {
                    self.link.replace(Link::Checking);
                } else {
                    self.open_socket(false);
                }
            }
            Output::Disconnect => {
                let link = self.link.take();
                if matches!(link, Link::Checking) {
                    self.timer.cancel_check();
                }
                if matches!(link, Link::Checking | Link::Opening { .. }) {
                    self.last_failure.set(Failure::TimedOut);
                }
            }
            Output::Send(message) => {
                let link = self.link.borrow();
                if let (Link::Open(socket), Ok(text)) = (&*link, serde_json::to_string(&message)) {
                    // Fails only on a socket that is closing; the close event follows.
                    socket.raw.send_with_str(&text).ok();
                }
            }
            Output::Media(command) => self.sink.emit(HostToPage::Media(command)),
            Output::Show(update) => self.sink.emit(HostToPage::Show(update)),
            Output::Wake(at) => self.timer.wake_after(at.saturating_sub(now())),
            Output::Save(saved) => save(saved.as_ref()),
        }
    }

    fn timer_event(&self, event: TimerEvent) {
        let is_checking = matches!(*self.link.borrow(), Link::Checking);
        match event {
            TimerEvent::Tick => self.feed(Input::Tick),
            TimerEvent::Answered if is_checking => self.open_socket(true),
            TimerEvent::Unanswered if is_checking => {
                self.link.take();
                self.last_failure.set(Failure::Closed);
                self.feed(Input::Socket(SocketEvent::Closed));
            }
            TimerEvent::Answered | TimerEvent::Unanswered => {}
        }
    }

    fn open_socket(&self, is_server_up: bool) {
        match ClientSocket::open(&self.me) {
            Some(socket) => {
                self.link.replace(Link::Opening { socket, is_server_up });
            }
            None => {
                self.link.replace(Link::Closed);
                self.feed(Input::Socket(SocketEvent::Closed));
            }
        }
    }

    fn socket_opened(&self) {
        let link = self.link.take();
        self.link.replace(if let Link::Opening { socket, .. } = link { Link::Open(socket) } else { link });
        self.last_failure.set(Failure::None);
        self.feed(Input::Socket(SocketEvent::Opened));
    }

    fn socket_closed(&self) {
        let (failure, event) = match &*self.link.borrow() {
            Link::Opening { is_server_up: true, .. } => (Failure::Closed, SocketEvent::Refused),
            Link::Opening { is_server_up: false, .. } => (Failure::Closed, SocketEvent::Closed),
            Link::Closed | Link::Checking | Link::Open(_) => (Failure::None, SocketEvent::Closed),
        };
        self.last_failure.set(failure);
        self.feed(Input::Socket(event));
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
            EventListener::new(&raw, "open", move |_| {
                if let Some(client) = on_open.upgrade() {
                    client.socket_opened();
                }
            }),
            EventListener::new(&raw, "message", move |event| {
                let text = event.dyn_ref::<MessageEvent>().and_then(|event| event.data().as_string());
                // Messages of a newer server that this version does not know are ignored.
                if let Some(Ok(message)) = text.map(|text| decode_server(&text)) {
                    feed(&on_message, Input::Message(message));
                }
            }),
            EventListener::new(&raw, "close", move |_| {
                if let Some(client) = on_close.upgrade() {
                    client.socket_closed();
                }
            }),
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

/// The access key of the link that opened this page, which `invitation.js` has taken out of the address. An unusable one is
/// empty, which no server accepts, so that the person learns of it.
fn take_access_key() -> Option<Secret> {
    const VARIABLE: &str = "hutongAccessKey";
    let window: JsValue = dom::window()?.into();
    let key = dom::text_property(&window, VARIABLE)?;
    js_sys::Reflect::delete_property(window.unchecked_ref::<js_sys::Object>(), &VARIABLE.into()).ok();
    Some(Secret::new(&key).unwrap_or_else(|_| Secret::default()))
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
