//! A call's camera, microphone and peer connection, behind one interface.
//!
//! The client says what to do ([`MediaCommand`](hutong_core::MediaCommand)), the engine reports
//! ([`MediaEvent`](hutong_core::MediaEvent)), and shows the interface what there is to see ([`MediaView`]). There is one engine
//! ([`peers`]) for two backends ([`backend`]): the browser's connection, and the app's for webviews that have none. Where there is
//! neither, [`unable`] stands in.

mod abilities;
mod backend;
mod browser;
mod choice;
mod connection;
mod devices;
mod engine;
mod figures;
mod native;
mod peer;
mod peers;
mod status;
mod unable;
mod view;

use std::rc::Rc;

pub use abilities::Abilities;
pub use choice::{Device, Sort, choose, chosen, devices, on_change};
#[cfg(all(test, target_arch = "wasm32"))]
pub use connection::{ConnectionEvent, Failed, TrackKind};
#[cfg(all(test, target_arch = "wasm32"))]
pub use devices::tracks;
pub use engine::{Engine, Reports, Source, Stats};
pub use figures::{Figures, Flow, Totals};
#[cfg(all(test, target_arch = "wasm32"))]
pub use native::connect as connect_native;
pub use view::{InUse, MediaView, Other, Own, Sending};

/// The engine for where this page runs.
pub fn start(reports: Reports) -> Rc<dyn Engine> {
    match backend::Backend::detect() {
        Some(backend) => {
            backend.prepare();
            Rc::new(peers::Peers::new(backend, reports))
        }
        None => Rc::new(unable::Unable::new(reports)),
    }
}
