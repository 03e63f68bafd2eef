//! The interface of the media engine: what the client and the views call, and the callbacks that it reports to.

use futures_util::future::LocalBoxFuture;
use hutong_core::{MediaCommand, MediaEvent, PeerId};
use yew::Callback;

use super::{capabilities::MediaCapabilities, device_choice::DeviceKind, view::MediaView};

/// Carries the media of calls.
pub trait MediaEngine {
    /// The features that the interface may offer.
    fn capabilities(&self) -> MediaCapabilities;
    /// Executes a command of the client. Commands for one peer are executed one after the other; `Close` is executed at once.
    fn perform(&self, command: MediaCommand);
    /// Switches a local source on or off during a call. Call it within the person's click: browsers grant screen capture
    /// only there.
    fn switch(&self, peer: PeerId, source: LocalSource, on: bool);
    /// Changes to the [chosen](super::choose) device of this kind during a call.
    fn change_device(&self, peer: PeerId, kind: DeviceKind);
    /// Statistics of a call; see [`CallStats`](super::CallStats).
    fn stats(&self, peer: PeerId) -> StatsFuture;
}

/// `RTCStats` dictionaries, pending. Empty where the peer is unknown.
pub type StatsFuture = LocalBoxFuture<'static, Vec<serde_json::Value>>;

/// A local source of media that the person can switch during a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalSource {
    /// The microphone.
    Microphone,
    /// The camera.
    Camera,
    /// The screen, which replaces the camera's video.
    Screen,
}

/// The callbacks that an engine reports to.
#[derive(Clone)]
pub struct MediaCallbacks {
    /// Events for the client. May be called from within [`MediaEngine::perform`].
    pub events: Callback<MediaEvent>,
    /// The view of a peer, at every change.
    pub views: Callback<MediaView>,
}
