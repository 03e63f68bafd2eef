//! Permissions of the page (W3C Permissions).

use js_sys::{Object, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{PermissionState, PermissionStatus};

use crate::dom;

/// The state of a permission; `None` in browsers that cannot be asked for it.
pub async fn state(name: &str) -> Option<PermissionState> {
    let navigator = dom::window()?.navigator();
    dom::property(&JsValue::from(navigator.clone()), "permissions")?;
    let descriptor = Object::new();
    Reflect::set(&descriptor, &"name".into(), &name.into()).ok()?;
    let promise = navigator.permissions().ok()?.query(&descriptor).ok()?;
    let status: PermissionStatus = JsFuture::from(promise).await.ok()?.dyn_into().ok()?;
    Some(status.state())
}
