//! Where what is shown comes from, and where what the person does goes.
//!
//! In a plain browser the client runs in this very program ([`web`]); in the app it runs in the app ([`tauri`]). Both speak
//! the same two types, [`FromUi`] and [`ToUi`], so the rest of the interface does not know which one it has.

mod tauri;
mod web;

pub use tauri::Internals;

use std::rc::Rc;

use hutong_core::app::{FromUi, ToUi};
use yew::Callback;

/// Runs the client, or speaks to who runs it.
pub trait Driver {
    /// Begins. Nothing is sent to the sink before.
    fn begin(&self);
    /// Hands on what the person or the media engine did. May be called from within the sink.
    fn send(&self, what: FromUi);
    /// Whether an app is around this page, with a choice of servers.
    fn in_app(&self) -> bool;
}

/// The driver for where this page runs. Everything to show or do goes into `sink`.
pub fn make(sink: Callback<ToUi>) -> Rc<dyn Driver> {
    match tauri::Internals::find() {
        Some(internals) => Rc::new(tauri::Tauri::new(internals, sink)),
        None => Rc::new(web::Web::new(sink)),
    }
}
