//! Media of a call: local devices, peer connection and statistics, behind the [`MediaEngine`] trait.
//!
//! The client sends [`MediaCommand`](hutong_core::MediaCommand)s, the engine reports
//! [`MediaEvent`](hutong_core::MediaEvent)s to the client and a [`MediaView`] to the views. [`peer_engine`] is the engine.
//! It runs on one of two [`backend`]s: the browser's `RTCPeerConnection`, or the app's native peer for webviews that have
//! none. Where there is neither, [`unsupported`] stands in.

mod backend;
mod browser;
mod call_path;
mod call_stats;
mod capabilities;
mod capture;
mod connection;
mod device_choice;
mod engine;
mod local_network;
mod mirror;
#[cfg(feature = "app")]
mod native;
mod peer;
mod peer_engine;
mod permission;
mod sdp;
mod status;
mod unsupported;
mod view;

use std::rc::Rc;

#[cfg(all(test, target_arch = "wasm32", feature = "app"))]
pub use browser::connect as connect_browser;
pub use call_path::CallPath;
#[cfg(test)]
pub use call_path::TransportProtocol;
pub use call_stats::{CallStats, DirectionStats, StatsSample};
pub use capabilities::MediaCapabilities;
#[cfg(all(test, target_arch = "wasm32", feature = "app"))]
pub use capture::tracks;
#[cfg(all(test, target_arch = "wasm32", feature = "app"))]
pub use connection::{ConnectionError, ConnectionEvent, TrackKind};
pub use device_choice::{DeviceKind, MediaDevice, available_speaker, choose, chosen, devices, on_device_change};
pub use engine::{LocalSource, MediaCallbacks, MediaEngine, StatsFuture};
pub use mirror::Mirror;
#[cfg(all(test, target_arch = "wasm32", feature = "app"))]
pub use native::connect as connect_native;
pub use view::{CameraFacing, DevicesInUse, LocalMedia, MediaView, RemoteMedia, SourceState, VideoNegotiation};

/// Starts the engine that this page's environment supports.
pub fn start(callbacks: MediaCallbacks) -> Rc<dyn MediaEngine> {
    match backend::Backend::detect() {
        Some(backend) => {
            backend.prepare();
            Rc::new(peer_engine::PeerEngine::new(backend, callbacks))
        }
        None => Rc::new(unsupported::UnsupportedEngine::new(callbacks)),
    }
}
