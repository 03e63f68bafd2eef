//! Election of the active tab: of all tabs of a browser that share the person's session, one runs the client.
//!
//! The active tab holds a Web Lock, so that the browser elects the next one when it closes or crashes. By a `BroadcastChannel`
//! the tabs learn what the active one does, and ask it to step back. Without a secure context there is no Web Lock: there a
//! tab is active if nobody answers on the channel.

use std::{
    cell::{Cell, RefCell},
    rc::{Rc, Weak},
};

use gloo_timers::callback::Timeout;
use js_sys::{Function, Object, Promise, Reflect};
use serde::{Deserialize, Serialize};
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{BroadcastChannel, MessageEvent};

use crate::{
    dom::{self, EventListener},
    personal_storage::Scope,
};

/// How long a tab waits for an answer of the active one, in milliseconds. A frozen tab does not answer.
const ANSWER_TIMEOUT: u32 = 1_000;

/// The same where only an answer shows that there is another tab: short, because each page waits for it.
const ANSWER_TIMEOUT_WITHOUT_LOCK: u32 = 300;

/// Whether this tab is the active one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TabState {
    /// Not known yet, for some milliseconds.
    Starting,
    /// It is: it runs the client.
    Active,
    /// Another tab is.
    Elsewhere(TabActivity),
}

/// What the active tab does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TabActivity {
    /// The name of its user, while logged in or logging in.
    pub name: Option<String>,
    /// Whether it is in a call, which would end with its connection.
    pub in_call: bool,
}

/// Message between tabs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "tab", rename_all = "snake_case")]
enum TabMessage {
    /// To the active tab: report your activity.
    Ask,
    /// Of the active tab: its activity, after [`Ask`](Self::Ask) and after each change.
    Active(TabActivity),
    /// To the active tab: step back, unless you are in a call.
    Move,
    /// Of the active tab: it has stepped back.
    Free,
}

/// This tab's part in the election.
pub struct ActiveTab(Rc<Election>);

struct Election {
    me: Weak<Self>,
    scope: RefCell<Scope>,
    channel: RefCell<Option<(BroadcastChannel, EventListener)>>,
    state: RefCell<TabState>,
    activity: RefCell<TabActivity>,
    /// Counts the starts, so that answers to earlier requests are recognized.
    generation: Cell<u32>,
    /// Releases the lock when called.
    release: RefCell<Option<Function>>,
    /// Whether this tab has asked the active one to step back.
    is_moving: Cell<bool>,
    timeout: RefCell<Option<Timeout>>,
    on_change: Box<dyn Fn(&TabState)>,
}

impl ActiveTab {
    /// A tab that takes no part yet. `on_change` is called with each new state.
    pub fn new(on_change: impl Fn(&TabState) + 'static) -> Self {
        Self(Rc::new_cyclic(|me| Election {
            me: me.clone(),
            scope: RefCell::new(Scope::Device),
            channel: RefCell::default(),
            state: RefCell::new(TabState::Starting),
            activity: RefCell::default(),
            generation: Cell::new(0),
            release: RefCell::default(),
            is_moving: Cell::new(false),
            timeout: RefCell::default(),
            on_change: Box::new(on_change),
        }))
    }

    /// Takes part among the tabs that share this scope.
    pub fn start(&self, scope: Scope) {
        self.0.open(scope);
        self.0.set(TabState::Starting);
        self.0.request_lock(LockMode::Queued);
        self.0.post(&TabMessage::Ask);
        let timeout = if locks().is_some() { ANSWER_TIMEOUT } else { ANSWER_TIMEOUT_WITHOUT_LOCK };
        self.0.after(timeout, Election::unanswered);
    }

    /// Takes part among the tabs of a scope that is new, so that this tab stays active.
    pub fn change_scope(&self, scope: Scope) {
        self.0.open(scope);
        self.0.request_lock(LockMode::Queued);
    }

    /// Makes this tab the active one, unless the active one is in a call.
    pub fn move_here(&self) {
        self.0.move_here();
    }

    /// Sets what this tab does, for the others.
    pub fn set_activity(&self, activity: TabActivity) {
        if *self.0.activity.borrow() != activity {
            self.0.activity.replace(activity);
            self.0.post_activity();
        }
    }
}

/// How a lock is requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LockMode {
    /// Granted when all who requested it earlier have released it.
    Queued,
    /// Granted at once; its holder loses it.
    Steal,
}

impl Election {
    fn open(&self, scope: Scope) {
        self.generation.set(self.generation.get() + 1);
        self.release_lock();
        self.timeout.take();
        self.is_moving.set(false);
        if let Some((old, _)) = self.channel.take() {
            old.close();
        }
        let me = self.me.clone();
        let channel = BroadcastChannel::new(&scope.channel_name()).ok().map(|channel| {
            let listener = EventListener::new(&channel, "message", move |event| {
                let message = event.dyn_ref::<MessageEvent>().and_then(|event| dom::from_js(&event.data()));
                if let Some((me, message)) = me.upgrade().zip(message) {
                    me.received(message);
                }
            });
            (channel, listener)
        });
        self.channel.replace(channel);
        self.scope.replace(scope);
    }

    fn received(&self, message: TabMessage) {
        let is_active = self.is_active();
        match message {
            TabMessage::Ask => self.post_activity(),
            TabMessage::Move if is_active && self.activity.borrow().in_call => self.post_activity(),
            TabMessage::Move if is_active => {
                // The lock stays with this tab until the other takes it, so that no third one gets it.
                self.set(TabState::Elsewhere(TabActivity { in_call: false, ..self.activity.borrow().clone() }));
                self.post(&TabMessage::Free);
            }
            TabMessage::Active(activity) if !is_active => {
                let is_free = activity.name.is_none() && !activity.in_call;
                let is_first = *self.state.borrow() == TabState::Starting;
                if activity.in_call {
                    self.is_moving.set(false);
                }
                if is_free && is_first {
                    // Nobody is logged in there, so nothing is lost.
                    self.move_here();
                } else if !self.is_moving.get() {
                    self.timeout.take();
                    self.set(TabState::Elsewhere(activity));
                }
            }
            TabMessage::Free if self.is_moving.get() => self.take_over(),
            TabMessage::Free if !is_active && locks().is_none() => {
                // The tab that asked answers from now on; if it closed instead, nobody does.
                self.post(&TabMessage::Ask);
                self.after(ANSWER_TIMEOUT, Self::unanswered);
            }
            TabMessage::Move | TabMessage::Active(_) | TabMessage::Free => {}
        }
    }

    fn move_here(&self) {
        if self.is_active() {
            return;
        }
        self.is_moving.set(true);
        self.post(&TabMessage::Move);
        self.after(ANSWER_TIMEOUT, Self::unanswered);
    }

    /// The active tab did not answer: it is frozen, or there is none.
    fn unanswered(&self) {
        if self.is_active() {
            return;
        }
        if self.is_moving.get() {
            self.take_over();
        } else if locks().is_none() {
            self.activate();
        } else {
            self.set(TabState::Elsewhere(TabActivity::default()));
        }
    }

    fn take_over(&self) {
        self.is_moving.set(false);
        if locks().is_some() {
            self.request_lock(LockMode::Steal);
        } else {
            self.activate();
        }
    }

    fn activate(&self) {
        self.timeout.take();
        self.is_moving.set(false);
        self.activity.take();
        self.set(TabState::Active);
        self.post_activity();
    }

    fn is_active(&self) -> bool {
        *self.state.borrow() == TabState::Active
    }

    fn set(&self, state: TabState) {
        if *self.state.borrow() != state {
            self.state.replace(state.clone());
            (self.on_change)(&state);
        }
    }

    fn post_activity(&self) {
        if self.is_active() {
            self.post(&TabMessage::Active(self.activity.borrow().clone()));
        }
    }

    fn post(&self, message: &TabMessage) {
        if let (Some((channel, _)), Some(message)) = (&*self.channel.borrow(), dom::to_js(message)) {
            channel.post_message(&message).ok();
        }
    }

    fn after(&self, milliseconds: u32, act: fn(&Self)) {
        let me = self.me.clone();
        self.timeout.replace(Some(Timeout::new(milliseconds, move || {
            if let Some(me) = me.upgrade() {
                act(&me);
            }
        })));
    }

    fn release_lock(&self) {
        if let Some(release) = self.release.take() {
            release.call0(&JsValue::UNDEFINED).ok();
        }
    }

    /// Requests the lock, and becomes active when it is granted.
    fn request_lock(&self, mode: LockMode) {
        let Some(locks) = locks() else { return };
        let Some(request) = dom::property(&locks, "request").and_then(|it| it.dyn_into::<Function>().ok()) else {
            return;
        };
        let generation = self.generation.get();
        let options = Object::new();
        if mode == LockMode::Steal {
            Reflect::set(&options, &"steal".into(), &JsValue::TRUE).ok();
        }
        let me = self.me.clone();
        let granted = Closure::once_into_js(move |_lock: JsValue| -> JsValue {
            match me.upgrade().filter(|me| me.generation.get() == generation) {
                Some(me) => me.lock_granted(),
                // Releases it.
                None => JsValue::UNDEFINED,
            }
        });
        let name = JsValue::from_str(&self.scope.borrow().channel_name());
        let done = request.call3(&locks, &name, &options, &granted);
        let Some(done) = done.ok().and_then(|done| done.dyn_into::<Promise>().ok()) else { return };
        let me = self.me.clone();
        spawn_local(async move {
            let is_stolen = JsFuture::from(done).await.is_err();
            if let Some(me) = me.upgrade().filter(|me| is_stolen && me.generation.get() == generation) {
                me.lock_lost();
            }
        });
    }

    /// Returns the promise that holds the lock until it is resolved.
    fn lock_granted(&self) -> JsValue {
        let held = Promise::new(&mut |resolve, _| {
            self.release.replace(Some(resolve));
        });
        if !self.is_active() {
            self.activate();
        }
        held.into()
    }

    /// Another tab has taken the lock over.
    fn lock_lost(&self) {
        self.release.take();
        if self.is_active() {
            self.set(TabState::Elsewhere(TabActivity::default()));
        }
        self.request_lock(LockMode::Queued);
        self.post(&TabMessage::Ask);
    }
}

impl Drop for ActiveTab {
    fn drop(&mut self) {
        self.0.release_lock();
    }
}

/// `navigator.locks`, in a secure context.
fn locks() -> Option<JsValue> {
    dom::property(&JsValue::from(dom::window()?.navigator()), "locks")
}
