//! Panels beside a call: which are open, and what opens and closes them.

use wasm_bindgen::JsCast;
use web_sys::HtmlElement;
use yew::{Callback, KeyboardEvent, NodeRef, hook, use_state};

use crate::dom;

/// What can be opened beside a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Panel {
    /// The devices.
    Settings,
    /// The call in figures.
    Details,
}

/// Which panels are open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenPanels {
    /// [`Panel::Settings`].
    pub settings: bool,
    /// [`Panel::Details`].
    pub details: bool,
}

impl OpenPanels {
    fn toggled(self, panel: Panel) -> Self {
        match panel {
            Panel::Settings => Self { settings: !self.settings, ..self },
            Panel::Details => Self { details: !self.details, ..self },
        }
    }
}

/// The panels of a call, and how they are switched.
pub struct Panels {
    /// What is open now.
    pub open: OpenPanels,
    /// Opens and closes.
    pub toggle: Callback<Panel>,
    /// For the call's own element: the keys that open and close.
    pub onkeydown: Callback<KeyboardEvent>,
}

/// Holds which panels are open; none is, as long as the call is not set up. `screen` is the call's own element.
#[hook]
pub fn use_panels(screen: &NodeRef, set_up: bool) -> Panels {
    let state = use_state(OpenPanels::default);
    let open = if set_up { *state } else { OpenPanels::default() };
    let toggle = {
        let screen = screen.clone();
        Callback::from(move |panel| {
            let next = state.toggled(panel);
            if state.settings && !next.settings {
                // What had the focus is gone.
                dom::focus(screen.cast::<HtmlElement>().and_then(|screen| more_button(&screen)));
            }
            state.set(next);
        })
    };
    let onkeydown = {
        let toggle = toggle.clone();
        Callback::from(move |event: KeyboardEvent| {
            let Some(panel) = wanted(&event, open.settings, set_up) else { return };
            event.prevent_default();
            toggle.emit(panel);
        })
    };
    Panels { open, toggle, onkeydown }
}

/// Which panel a key opens or closes.
fn wanted(event: &KeyboardEvent, settings: bool, set_up: bool) -> Option<Panel> {
    if event.ctrl_key() || event.meta_key() || event.alt_key() || !set_up {
        return None;
    }
    match event.key().as_str() {
        "Escape" if settings => Some(Panel::Settings),
        // Letters choose within a list.
        "i" | "I" if !settings => Some(Panel::Details),
        _ => None,
    }
}

/// The button that opens the devices, where the focus goes back to.
fn more_button(screen: &HtmlElement) -> Option<HtmlElement> {
    screen.query_selector("[data-testid=more]").ok()??.dyn_into().ok()
}
