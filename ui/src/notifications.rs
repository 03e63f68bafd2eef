//! System notifications of ringing calls, in a browser. The app has its own.
//!
//! They come from the service worker (`static-browser/sw.js`) where the browser allows one: only those can have buttons. Under a
//! self-signed certificate Chromium allows none; then the page shows them, and a click brings it to the front.

use std::{cell::RefCell, rc::Rc};

use js_sys::{Array, Function, Object, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{MessageEvent, MessagePort};
use yew::Callback;

use crate::dom::{self, EventListener};

/// Tag of the notification: a later one replaces it.
const TAG: &str = "hutong-call";

/// Whether this page may show notifications.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// The browser has none for this page.
    Unsupported,
    /// The person has not been asked.
    Default,
    /// It may.
    Granted,
    /// It may not.
    Denied,
}

/// What the person chose on a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotificationChoice {
    /// Answer the call.
    Answer,
    /// Decline it.
    Decline,
    /// Bring the page to the front.
    Open,
}

/// Texts and identity of a notification.
#[derive(Clone, Debug)]
pub struct CallNotice {
    /// Who calls.
    pub title: String,
    /// The kind of call.
    pub body: &'static str,
    /// Caption of the button that answers.
    pub answer: &'static str,
    /// Caption of the button that declines.
    pub decline: &'static str,
    /// Identifies the call, so that a late press answers no other one.
    pub call: String,
}

/// RAII guard: a notification that is closed on drop.
pub struct CallNotification(Rc<RefCell<Shown>>);

enum Shown {
    /// The browser is being asked for it.
    Pending,
    /// It is shown.
    Open { notification: JsValue, _on_click: Option<EventListener> },
    /// It was closed before it was shown.
    Closed,
}

/// Starts the service worker. Without effect where the browser allows none.
pub fn register_worker() {
    let Some(container) = worker_container() else { return };
    let options = Object::new();
    Reflect::set(&options, &"updateViaCache".into(), &"none".into()).ok();
    if let Some(registered) = call(&container, "register", &["sw.js".into(), options.into()]) {
        spawn_local(async move { drop(JsFuture::from(registered).await) });
    }
}

/// Calls `act` with the choices on notifications of the service worker. It returns whether the choice was about a call that rings
/// in this page.
pub fn listen(act: impl Fn(NotificationChoice, &str) -> bool + 'static) -> Option<EventListener> {
    let container = worker_container()?;
    Some(EventListener::new(container.unchecked_ref(), "message", move |event| {
        let Some(event) = event.dyn_ref::<MessageEvent>() else { return };
        let data = event.data();
        let choice = match dom::text_property(&data, "action").as_deref() {
            Some("answer") => NotificationChoice::Answer,
            Some("decline") => NotificationChoice::Decline,
            Some("open") => NotificationChoice::Open,
            _ => return,
        };
        let is_mine = act(choice, &dom::text_property(&data, "call").unwrap_or_default());
        if let (true, Ok(port)) = (is_mine, event.ports().get(0).dyn_into::<MessagePort>()) {
            port.post_message(&JsValue::TRUE).ok();
        }
    }))
}

/// Whether this page may show notifications now.
pub fn permission() -> Permission {
    let Some(class) = class() else { return Permission::Unsupported };
    // Chrome on Android shows those of service workers only.
    let is_android = dom::window()
        .and_then(|window| window.navigator().user_agent().ok())
        .is_some_and(|agent| agent.contains("Android"));
    if is_android && !has_worker() {
        return Permission::Unsupported;
    }
    match dom::text_property(&class, "permission").as_deref() {
        Some("granted") => Permission::Granted,
        Some("denied") => Permission::Denied,
        _ => Permission::Default,
    }
}

/// Asks the person. Browsers do so only after a press.
pub async fn request() -> Permission {
    if let Some(answer) = class().and_then(|class| call(&class, "requestPermission", &[])) {
        drop(JsFuture::from(answer).await);
    }
    permission()
}

/// Whether the person looks at this page: it is visible and its window has the focus.
pub fn is_page_in_front() -> bool {
    let has_focus = dom::window().and_then(|window| window.document()?.has_focus().ok()).unwrap_or(true);
    dom::is_visible() && has_focus
}

impl CallNotification {
    /// Shows the notification, if that is permitted. `open` is called on a click on a notification of the page.
    pub fn show(notice: CallNotice, open: Callback<()>) -> Option<Self> {
        if permission() != Permission::Granted {
            return None;
        }
        let shown = Rc::new(RefCell::new(Shown::Pending));
        let me = Rc::clone(&shown);
        spawn_local(async move {
            let new = match registration().await {
                Some(registration) => show_by_worker(&registration, &notice).await,
                None => show_by_page(&notice, open),
            };
            let Some(new) = new else { return };
            if matches!(*me.borrow(), Shown::Closed) {
                return close(&new);
            }
            me.replace(new);
        });
        Some(Self(shown))
    }
}

impl Drop for CallNotification {
    fn drop(&mut self) {
        close(&self.0.replace(Shown::Closed));
    }
}

fn close(shown: &Shown) {
    if let Shown::Open { notification, .. } = shown
        && let Some(close) = method(notification, "close")
    {
        close.call0(notification).ok();
    }
}

async fn show_by_worker(registration: &JsValue, notice: &CallNotice) -> Option<Shown> {
    let options = options(notice)?;
    if most_actions() >= 2 {
        let actions: Array = [("answer", notice.answer), ("decline", notice.decline)]
            .into_iter()
            .filter_map(|(action, title)| dom::to_js(&serde_json::json!({ "action": action, "title": title })))
            .collect();
        Reflect::set(&options, &"actions".into(), &actions).ok();
    }
    let title = JsValue::from_str(&notice.title);
    JsFuture::from(call(registration, "showNotification", &[title, options])?).await.ok()?;
    let filter = dom::to_js(&serde_json::json!({ "tag": TAG }))?;
    let all: Array = JsFuture::from(call(registration, "getNotifications", &[filter])?).await.ok()?.dyn_into().ok()?;
    let notification = all.get(0);
    (!notification.is_undefined()).then_some(Shown::Open { notification, _on_click: None })
}

fn show_by_page(notice: &CallNotice, open: Callback<()>) -> Option<Shown> {
    let class: Function = class()?.dyn_into().ok()?;
    let arguments = Array::of2(&JsValue::from_str(&notice.title), &options(notice)?);
    let notification = Reflect::construct(&class, &arguments).ok()?;
    let on_click = EventListener::new(notification.unchecked_ref(), "click", move |_| {
        if let Some(window) = dom::window() {
            window.focus().ok();
        }
        open.emit(());
    });
    Some(Shown::Open { notification, _on_click: Some(on_click) })
}

fn options(notice: &CallNotice) -> Option<JsValue> {
    dom::to_js(&serde_json::json!({
        "body": notice.body,
        "tag": TAG,
        "icon": "icon-512.png",
        "renotify": true,
        "requireInteraction": true,
        "data": { "call": notice.call },
    }))
}

/// The service worker's registration, if it is active.
async fn registration() -> Option<JsValue> {
    let registration = JsFuture::from(call(&worker_container()?, "getRegistration", &[])?).await.ok()?;
    dom::property(&registration, "active").map(|_| registration)
}

/// Whether a service worker controls this page, or will after a reload.
fn has_worker() -> bool {
    worker_container().is_some_and(|container| dom::property(&container, "controller").is_some())
}

/// How many buttons a notification may have (`Notification.maxActions`).
fn most_actions() -> u32 {
    class().and_then(|class| dom::property(&class, "maxActions")?.as_f64()).map_or(0, |actions| actions as u32)
}

fn class() -> Option<JsValue> {
    let window = dom::window().filter(web_sys::Window::is_secure_context)?;
    dom::property(&window.into(), "Notification")
}

fn worker_container() -> Option<JsValue> {
    dom::property(&JsValue::from(dom::window()?.navigator()), "serviceWorker")
}

fn method(object: &JsValue, name: &str) -> Option<Function> {
    dom::property(object, name)?.dyn_into().ok()
}

/// Calls a method that returns a promise.
fn call(object: &JsValue, name: &str, arguments: &[JsValue]) -> Option<Promise> {
    let arguments: Array = arguments.iter().collect();
    Reflect::apply(&method(object, name)?, object, &arguments).ok()?.dyn_into().ok()
}
