//! The interface of a media engine: what the client and the person have it do, and where it reports to.

use futures_util::future::LocalBoxFuture;
use hutong_core::{MediaCommand, MediaEvent, PeerId};
use yew::Callback;

use super::{abilities::Abilities, choice::Sort, view::MediaView};

/// What carries a call's media.
pub trait Engine {
    /// What can be offered to the person.
    fn abilities(&self) -> Abilities;
    /// Does what the client says. Commands for one peer are done one after the other, but closing waits for nothing.
    fn perform(&self, command: MediaCommand);
    /// Switches a source of the person's own on or off, in the call that is on. To be called from within the person's click:
    /// browsers give the screen to nobody else.
    fn switch(&self, peer: PeerId, source: Source, on: bool);
    /// Changes to the device that the person has [chosen](super::choose), in the call that is on.
    fn change(&self, peer: PeerId, sort: Sort);
    /// What is measured of a call; see [`Figures`](super::Figures).
    fn stats(&self, peer: PeerId) -> Stats;
}

/// A measurement under way. It gives nothing where there is no such call.
pub type Stats = LocalBoxFuture<'static, Vec<serde_json::Value>>;

/// What the person can switch off in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The own voice.
    Microphone,
    /// The own picture.
    Camera,
    /// The own screen, in place of the camera's picture.
    Screen,
}

/// Where an engine reports to.
#[derive(Clone)]
pub struct Reports {
    /// For the client. May be called from within [`Engine::perform`].
    pub events: Callback<MediaEvent>,
    /// For the interface: at every change.
    pub views: Callback<MediaView>,
}
