//! Driver in a plain browser: runs the client in this page, with a WebSocket and a timer worker, while this is the active tab.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::{Rc, Weak},
    time::Duration,
};

use hutong_core::{
    Client, Command, Config, Input, Output, SavedSession, SessionView, SocketEvent, View,
    host_messages::{HostToPage, PageToHost},
};
use hutong_protocol::{SUBPROTOCOL, Secret, decode_server};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{MessageEvent, WebSocket};
use yew::Callback;

use super::{
    active_tab::{ActiveTab, TabActivity, TabState},
    connection_events,
    page_driver::PageDriver,
    timer_worker::{TimerEvent, TimerWorker},
};
use crate::{
    dom::{self, EventListener},
    page_origin::PageOrigin,
    personal_storage::{self, Entry, Scope},
};

/// Runs a [`Client`] in this page while it is the active tab.
pub struct BrowserDriver {
    host: Rc<ClientHost>,
    _listeners: Vec<EventListener>,
}

/// The client of this page, and what decides whether there is one.
struct ClientHost {
    me: Weak<Self>,
    sink: Callback<HostToPage>,
    on_tab: Callback<TabState>,
    client: RefCell<Option<Rc<BrowserClient>>>,
    active_tab: ActiveTab,
    /// The access key of the invitation by which the person came.
    access_key: RefCell<Option<Secret>>,
    /// A login that was sent while another tab may have been active.
    login: RefCell<Option<Command>>,
}

impl BrowserDriver {
    /// Creates the driver. It emits the client's messages to `sink`, and to `on_tab` whether there is a client.
    pub fn new(sink: Callback<HostToPage>, on_tab: Callback<TabState>) -> Self {
        let host = Rc::new_cyclic(|me: &Weak<ClientHost>| {
            let weak = me.clone();
            let active_tab = ActiveTab::new(move |state| {
                if let Some(host) = weak.upgrade() {
                    host.tab_changed(state);
                }
            });
            ClientHost {
                me: me.clone(),
                sink,
                on_tab,
                client: RefCell::default(),
                active_tab,
                access_key: RefCell::new(take_access_key()),
                login: RefCell::default(),
            }
        });
        let weak = Rc::downgrade(&host);
        let listeners = connection_events::listen(move || {
            if let Some(host) = weak.upgrade() {
                host.feed(Input::CheckConnection);
            }
        });
        Self { host, _listeners: listeners }
    }
}

impl PageDriver for BrowserDriver {
    fn start(&self) {
        self.host.on_tab.emit(TabState::Starting);
        self.host.active_tab.start(Scope::current());
    }

    fn send(&self, message: PageToHost) {
        match message {
            PageToHost::Command(command) => self.host.command(command),
            PageToHost::Media(event) => self.host.feed(Input::Media(event)),
            PageToHost::CheckConnection => self.host.feed(Input::CheckConnection),
            // Without an app, no view offers its commands.
            PageToHost::App(_) => {}
        }
    }

    fn in_app(&self) -> bool {
        false
    }

    fn set_remembered(&self, is_remembered: bool) {
        match (Scope::current(), is_remembered) {
            (Scope::Device, false) => self.host.active_tab.change_scope(Scope::begin_tab()),
            (Scope::Tab(_), true) => self.host.restart(Scope::begin_device()),
            (Scope::Device, true) | (Scope::Tab(_), false) => {}
        }
    }

    fn move_here(&self) {
        self.host.active_tab.move_here();
    }

    fn use_tab_alone(&self) {
        self.host.restart(Scope::begin_tab());
    }
}

impl ClientHost {
    fn tab_changed(&self, state: &TabState) {
        match state {
            TabState::Active => {
                let me = self.me.clone();
                let client = BrowserClient::new(self.sink.clone(), move |activity| {
                    if let Some(host) = me.upgrade() {
                        host.active_tab.set_activity(activity);
                    }
                });
                self.client.replace(Some(Rc::clone(&client)));
                client.start(self.access_key.borrow().clone());
                if let Some(login) = self.login.take() {
                    client.feed(Input::Command(login));
                }
            }
            // The session stays stored: the active tab resumes it.
            TabState::Starting | TabState::Elsewhere(_) => drop(self.client.take()),
        }
        self.on_tab.emit(state.clone());
    }

    fn restart(&self, scope: Scope) {
        self.client.take();
        self.active_tab.start(scope);
    }

    fn command(&self, command: Command) {
        if self.client.borrow().is_some() {
            self.feed(Input::Command(command));
        } else if matches!(command, Command::LogIn { .. }) {
            self.login.replace(Some(command));
        }
    }

    fn feed(&self, input: Input) {
        let client = self.client.borrow().clone();
        if let Some(client) = client {
            client.feed(input);
        }
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
    on_activity: Box<dyn Fn(TabActivity)>,
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
    /// Creates the client, with the session that this browser has stored. `on_activity` is called with what the client does,
    /// after each input.
    fn new(sink: Callback<HostToPage>, on_activity: impl Fn(TabActivity) + 'static) -> Rc<Self> {
        let seed = (js_sys::Math::random() * 9_007_199_254_740_992.0) as u64;
        let client = Client::new(Config { seed, saved: load(), ..Config::default() }, now());
        Rc::new_cyclic(|me: &Weak<Self>| Self {
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
            on_activity: Box::new(on_activity),
        })
    }

    /// Emits the first message, and runs the client.
    fn start(&self, access_key: Option<Secret>) {
        let view = self.client.borrow().view().clone();
        self.sink.emit(HostToPage::Snapshot(view));
        self.feed(Input::InvitationKey(access_key));
    }

    fn activity(&self) -> TabActivity {
        let client = self.client.borrow();
        let View { session, call, .. } = client.view();
        let name = match session {
            SessionView::LoggingIn { name, .. } => Some(name.clone()),
            SessionView::LoggedIn { me } | SessionView::Reconnecting { me } => Some(me.name.to_string()),
            SessionView::LoggedOut
            | SessionView::Refused { .. }
            | SessionView::InvitationOutdated { .. }
            | SessionView::Replaced { .. } => None,
        };
        TabActivity { name, in_call: call.is_some() }
    }

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
        (self.on_activity)(self.activity());
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
            Output::Record(record) => self.sink.emit(HostToPage::Record(record)),
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
    serde_json::from_str(&personal_storage::read(Entry::Session)?).ok()
}

fn save(saved: Option<&SavedSession>) {
    match saved.map(serde_json::to_string) {
        Some(Ok(text)) => personal_storage::write(Entry::Session, &text),
        Some(Err(_)) | None => personal_storage::remove(Entry::Session),
    }
}
