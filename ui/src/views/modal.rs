//! Modal dialogs.

use js_sys::Function;
use wasm_bindgen::JsCast;
use web_sys::Element;

use crate::dom;

/// Shows a `<dialog>` as a modal one.
pub fn show_modal(dialog: &Element) {
    if let Some(show) = dom::property(dialog, "showModal").and_then(|show| show.dyn_into::<Function>().ok()) {
        // Fails if the dialog is open already.
        show.call0(dialog).ok();
    }
}
