//! Events of the page after which a connection may be lost: no network or another, and the end of a sleep, of a freeze (Page
//! Lifecycle) and of the back/forward cache. No timer runs while these last.

use std::rc::Rc;

use web_sys::EventTarget;

use crate::dom::{self, EventListener};

/// Calls `on_event` at each event, until the listeners are dropped.
pub fn listen(on_event: impl Fn() + 'static) -> Vec<EventListener> {
    let Some(window) = dom::window() else { return Vec::new() };
    let on_event = Rc::new(on_event);
    let listen = |target: &EventTarget, event: &'static str| {
        let on_event = Rc::clone(&on_event);
        // A page that has just been hidden reports this event too, and needs no check.
        let is_relevant = move || dom::is_visible() || event != "visibilitychange";
        EventListener::new(target, event, move |_| {
            if is_relevant() {
                on_event();
            }
        })
    };
    let mut listeners = vec![listen(&window, "online"), listen(&window, "offline"), listen(&window, "pageshow")];
    if let Some(document) = window.document() {
        listeners.extend([listen(&document, "visibilitychange"), listen(&document, "resume")]);
    }
    listeners
}
