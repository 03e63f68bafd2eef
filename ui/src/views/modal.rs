//! Modal dialogs.

use js_sys::Function;
use wasm_bindgen::JsCast;
use web_sys::Element;
use yew::{NodeRef, hook, use_effect_with, use_node_ref};

use crate::dom;

/// The reference for a component's `<dialog>`, which is shown as a modal one after the first rendering.
#[hook]
pub fn use_modal() -> NodeRef {
    let dialog = use_node_ref();
    {
        let dialog = dialog.clone();
        use_effect_with((), move |()| {
            let dialog: Option<Element> = dialog.cast();
            let show =
                dialog.as_ref().and_then(|dialog| dom::property(dialog, "showModal")?.dyn_into::<Function>().ok());
            if let (Some(dialog), Some(show)) = (dialog, show) {
                // Fails if the dialog is open already.
                show.call0(&dialog).ok();
            }
        });
    }
    dialog
}
