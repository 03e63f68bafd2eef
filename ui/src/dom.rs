//! The little of the browser that several modules need.

use js_sys::{JSON, Reflect};
use serde::{Serialize, de::DeserializeOwned};
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use web_sys::{Event, EventTarget, HtmlElement, Storage, VisibilityState, Window};

/// The window. There is one wherever this program runs as a program; unit tests on the host have none.
pub fn window() -> Option<Window> {
    if cfg!(target_arch = "wasm32") { web_sys::window() } else { None }
}

/// A property of an object that may not have it, or not be an object.
pub fn property(object: &JsValue, name: &str) -> Option<JsValue> {
    let value = Reflect::get(object, &JsValue::from_str(name)).ok()?;
    (!value.is_undefined() && !value.is_null()).then_some(value)
}

/// A property that is a string.
pub fn text_property(object: &JsValue, name: &str) -> Option<String> {
    property(object, name)?.as_string()
}

/// Plain data as a JavaScript value.
pub fn to_js(value: &impl Serialize) -> Option<JsValue> {
    JSON::parse(&serde_json::to_string(value).ok()?).ok()
}

/// Plain data from a JavaScript value.
pub fn from_js<T: DeserializeOwned>(value: &JsValue) -> Option<T> {
    serde_json::from_str(&JSON::stringify(value).ok()?.as_string()?).ok()
}

/// The address of a file that is loaded only when it is needed, by the name of its source in `ui/static`, without ending.
pub fn asset(name: &str) -> Option<String> {
    let meta = window()?.document()?.query_selector(&format!("meta[name=hutong-{name}]")).ok()??;
    meta.get_attribute("content")
}

/// A clock that never goes back, in milliseconds.
pub fn now_ms() -> f64 {
    window().and_then(|window| window.performance()).map_or(0.0, |performance| performance.now())
}

/// Whether the page is before the person, and not behind another tab or app.
pub fn is_visible() -> bool {
    let document = window().and_then(|window| window.document());
    document.is_none_or(|document| document.visibility_state() == VisibilityState::Visible)
}

/// What has the focus, unless nothing in particular has.
pub fn focused() -> Option<HtmlElement> {
    let element: HtmlElement = window()?.document()?.active_element()?.dyn_into().ok()?;
    (element.tag_name() != "BODY").then_some(element)
}

/// Moves the focus, where the element is there.
pub fn focus(element: Option<HtmlElement>) {
    if let Some(element) = element {
        element.focus().ok();
    }
}

/// What outlives a closed tab.
pub fn local_storage() -> Option<Storage> {
    window()?.local_storage().ok()?
}

/// What outlives a reload, and not a closed tab.
pub fn session_storage() -> Option<Storage> {
    window()?.session_storage().ok()?
}

/// A code as it stands on the wire and in `data-` attributes.
pub fn code(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default().trim_matches('"').to_owned()
}

/// Listens to an event until it is dropped.
pub struct Listener {
    target: EventTarget,
    event: &'static str,
    closure: Closure<dyn FnMut(Event)>,
}

impl Listener {
    /// Calls `act` at every `event` of `target`.
    pub fn new(target: &EventTarget, event: &'static str, act: impl FnMut(Event) + 'static) -> Self {
        let closure = Closure::<dyn FnMut(Event)>::new(act);
        target.add_event_listener_with_callback(event, closure.as_ref().unchecked_ref()).ok();
        Self { target: target.clone(), event, closure }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.target.remove_event_listener_with_callback(self.event, self.closure.as_ref().unchecked_ref()).ok();
    }
}
