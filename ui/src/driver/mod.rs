//! Where what is shown comes from, and where what the person does goes.
//!
//! In a plain browser the client runs in this very program ([`web`]); in the app it runs in the app ([`tauri`]). Both speak
//! the same two types, [`FromUi`](hutong_core::app::FromUi) and [`ToUi`], so the rest of the interface does not know which one it has.

mod interface;
mod tauri;
mod web;

pub use interface::Driver;
pub use tauri::Internals;

use std::rc::Rc;

use hutong_core::app::ToUi;
use yew::Callback;

/// The driver for where this page runs. Everything to show or do goes into `sink`.
pub fn make(sink: Callback<ToUi>) -> Rc<dyn Driver> {
    match tauri::Internals::find() {
        Some(internals) => Rc::new(tauri::Tauri::new(internals, sink)),
        None => Rc::new(web::Web::new(sink)),
    }
}
