//! Question of the browser before the page is left during a call: by Back, by a reload, or by closing the tab.

use hutong_core::{CallPhase, View};
use js_sys::Reflect;
use wasm_bindgen::JsValue;

use crate::dom::{self, EventListener};

/// RAII guard: the browser asks before the page is left, until this is dropped.
///
/// The listener exists only while it is needed: a page with one is not kept for Back and Forward (bfcache), and some
/// browsers ask without a reason.
pub struct LeaveGuard {
    _listener: EventListener,
}

impl LeaveGuard {
    /// The guard that the view calls for.
    pub fn update(current: Option<Self>, view: &View) -> Option<Self> {
        if view.call.as_ref().is_none_or(|call| !is_guarded(call.phase)) {
            return None;
        }
        current.or_else(Self::new)
    }

    fn new() -> Option<Self> {
        let listener = EventListener::new(&dom::window()?.into(), "beforeunload", |event| {
            event.prevent_default();
            // Safari before 18.2 and Chromium before 119 ask only with this.
            Reflect::set(&event, &"returnValue".into(), &JsValue::TRUE).ok();
        });
        Some(Self { _listener: listener })
    }
}

/// Whether leaving would end a call that the person has started or accepted. A call that only rings here is lost to nobody's
/// surprise.
const fn is_guarded(phase: CallPhase) -> bool {
    match phase {
        CallPhase::Acquiring
        | CallPhase::Offering
        | CallPhase::Ringing
        | CallPhase::Accepting
        | CallPhase::Connecting
        | CallPhase::Connected
        | CallPhase::Reconnecting => true,
        CallPhase::Incoming | CallPhase::Ending => false,
    }
}
