//! Helpers around web-sys: properties, JSON, assets, focus, storage, event listeners.

use js_sys::{JSON, Reflect};
use serde::{Serialize, de::DeserializeOwned};
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use web_sys::{Event, EventTarget, HtmlElement, Storage, VisibilityState, Window};

/// The window; `None` in unit tests on the host.
pub fn window() -> Option<Window> {
    if cfg!(target_arch = "wasm32") { web_sys::window() } else { None }
}

/// A property; `None` if it is `undefined` or `null`, or `object` is no object.
pub fn property(object: &JsValue, name: &str) -> Option<JsValue> {
    let value = Reflect::get(object, &JsValue::from_str(name)).ok()?;
    (!value.is_undefined() && !value.is_null()).then_some(value)
}

/// A string property.
pub fn text_property(object: &JsValue, name: &str) -> Option<String> {
    property(object, name)?.as_string()
}

/// Converts plain data to a JavaScript value.
pub fn to_js(value: &impl Serialize) -> Option<JsValue> {
    JSON::parse(&serde_json::to_string(value).ok()?).ok()
}

/// Converts a JavaScript value to plain data.
pub fn from_js<T: DeserializeOwned>(value: &JsValue) -> Option<T> {
    serde_json::from_str(&JSON::stringify(value).ok()?.as_string()?).ok()
}

/// The URL of a file that is loaded on demand, by the name of its source in `ui/static` or `ui/static-app` without extension.
pub fn asset(name: &str) -> Option<String> {
    let meta = window()?.document()?.query_selector(&format!("meta[name=hutong-{name}]")).ok()??;
    meta.get_attribute("content")
}

/// Monotonic clock (`performance.now()`), in milliseconds.
pub fn now_ms() -> f64 {
    window().and_then(|window| window.performance()).map_or(0.0, |performance| performance.now())
}

/// Whether the page is visible (Page Visibility).
pub fn is_visible() -> bool {
    let document = window().and_then(|window| window.document());
    document.is_none_or(|document| document.visibility_state() == VisibilityState::Visible)
}

/// Whether the browser is Firefox: only it has this class.
pub fn is_firefox() -> bool {
    window().is_some_and(|window| property(&window, "InternalError").is_some())
}

/// The focused element, unless it is the body.
pub fn focused() -> Option<HtmlElement> {
    let element: HtmlElement = window()?.document()?.active_element()?.dyn_into().ok()?;
    (element.tag_name() != "BODY").then_some(element)
}

/// Focuses the element, if there is one.
pub fn focus(element: Option<HtmlElement>) {
    if let Some(element) = element {
        element.focus().ok();
    }
}

/// Storage that survives closing the tab.
pub fn local_storage() -> Option<Storage> {
    window()?.local_storage().ok()?
}

/// Storage that survives a reload, but not closing the tab.
pub fn session_storage() -> Option<Storage> {
    window()?.session_storage().ok()?
}

/// The wire name of a unit variant, for `data-` attributes.
pub fn code(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default().trim_matches('"').to_owned()
}

/// RAII guard: an event listener that is removed on drop.
pub struct EventListener {
    target: EventTarget,
    event: &'static str,
    closure: Closure<dyn FnMut(Event)>,
}

impl EventListener {
    /// Calls `act` for every `event` of `target`.
    pub fn new(target: &EventTarget, event: &'static str, act: impl FnMut(Event) + 'static) -> Self {
        let closure = Closure::<dyn FnMut(Event)>::new(act);
        target.add_event_listener_with_callback(event, closure.as_ref().unchecked_ref()).ok();
        Self { target: target.clone(), event, closure }
    }
}

impl Drop for EventListener {
    fn drop(&mut self) {
        self.target.remove_event_listener_with_callback(self.event, self.closure.as_ref().unchecked_ref()).ok();
    }
}
