//! State of the panels of the call screen (device settings, call details), and the keys that toggle them.

use wasm_bindgen::JsCast;
use web_sys::HtmlElement;
use yew::{Callback, KeyboardEvent, NodeRef, hook, use_state};

use crate::dom;

/// A panel of the call screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Panel {
    /// The device settings.
    Settings,
    /// The call statistics.
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

/// State and callbacks of the panels.
pub struct Panels {
    /// The open panels.
    pub open: OpenPanels,
    /// Opens or closes a panel.
    pub toggle: Callback<Panel>,
    /// Keyboard handler for the call screen.
    pub onkeydown: Callback<KeyboardEvent>,
}

/// Holds which panels are open; none is before the call is answered. `screen` is the call screen's element.
#[hook]
pub fn use_panels(screen: &NodeRef, answered: bool) -> Panels {
    let state = use_state(OpenPanels::default);
    let open = if answered { *state } else { OpenPanels::default() };
    let toggle = {
        let screen = screen.clone();
        Callback::from(move |panel| {
            let next = state.toggled(panel);
            if state.settings && !next.settings {
                // The focused element is about to be removed.
                dom::focus(screen.cast::<HtmlElement>().and_then(|screen| settings_button(&screen)));
            }
            state.set(next);
        })
    };
    let onkeydown = {
        let toggle = toggle.clone();
        Callback::from(move |event: KeyboardEvent| {
            let Some(panel) = panel_for_key(&event, open.settings, answered) else { return };
            event.prevent_default();
            toggle.emit(panel);
        })
    };
    Panels { open, toggle, onkeydown }
}

/// The panel that a key toggles.
fn panel_for_key(event: &KeyboardEvent, settings: bool, answered: bool) -> Option<Panel> {
    if event.ctrl_key() || event.meta_key() || event.alt_key() || !answered {
        return None;
    }
    match event.key().as_str() {
        "Escape" if settings => Some(Panel::Settings),
        // While the settings are open, letters select an entry of a list.
        "i" | "I" if !settings => Some(Panel::Details),
        _ => None,
    }
}

/// The button that opens the device settings, which gets the focus back.
fn settings_button(screen: &HtmlElement) -> Option<HtmlElement> {
    screen.query_selector("[data-testid=more]").ok()??.dyn_into().ok()
}
