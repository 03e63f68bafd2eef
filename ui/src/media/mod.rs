//! A call's camera, microphone and peer connection, behind one interface.
//!
//! The client says what to do ([`MediaCommand`]), the engine reports ([`MediaEvent`]), and shows the interface what there is
//! to see ([`MediaView`]). There is one engine ([`peers`]) for two ways to connect ([`connection`]): the browser's, and the
//! app's for webviews that have none. Where there is neither, [`Unable`] stands in.

mod abilities;
mod browser;
mod choice;
mod connection;
mod devices;
mod figures;
mod native;
mod peer;
mod peers;
mod status;

pub use abilities::Abilities;
pub use choice::{Device, Sort, choose, chosen, devices, on_change};
#[cfg(all(test, target_arch = "wasm32"))]
pub use devices::tracks;
pub use figures::{Figures, Flow, Totals};

use std::rc::Rc;

use futures_util::future::LocalBoxFuture;
use hutong_core::{MediaCommand, MediaEvent, MediaProblem, PeerId};
use web_sys::MediaStream;
use yew::Callback;

/// What carries a call's media.
pub trait Engine {
    /// What can be offered to the person.
    fn abilities(&self) -> Abilities;
    /// Does what the client says. Commands for one peer are done one after the other, but closing waits for nothing.
    fn perform(&self, command: MediaCommand);
    /// Switches a source of the person's own on or off, in the call that is on. To be called from within the person's click:
    /// browsers give the screen to nobody else.
    fn switch(&self, peer: PeerId, source: Source, on: bool);
    /// Changes to the device that the person has [chosen](choose), in the call that is on.
    fn change(&self, peer: PeerId, sort: Sort);
    /// What is measured of a call; see [`Figures`].
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

/// What there is to see and hear of one peer.
#[derive(Clone, Debug, PartialEq)]
pub struct MediaView {
    /// Which peer.
    pub peer: PeerId,
    /// What is sent: the own voice, and camera or screen.
    pub local: Option<MediaStream>,
    /// What comes from the other side.
    pub remote: Option<MediaStream>,
    /// The own sources.
    pub own: Own,
    /// The devices that they come from.
    pub in_use: InUse,
    /// What the other side sends now.
    pub other: Other,
}

impl MediaView {
    /// Nothing yet.
    pub fn new(peer: PeerId) -> Self {
        Self { peer, local: None, remote: None, own: Own::default(), in_use: InUse::default(), other: Other::default() }
    }
}

/// The person's own sources.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Own {
    /// The microphone.
    pub microphone: Sending,
    /// The camera. While the screen is shared, its picture waits.
    pub camera: Sending,
    /// The screen: lost where it was not to be had.
    pub screen: Sending,
}

/// The devices of the own sources, by [`Device::id`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InUse {
    /// The camera.
    pub camera: Option<String>,
    /// The microphone.
    pub microphone: Option<String>,
}

/// One of the person's own sources.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sending {
    /// Not part of this call.
    #[default]
    Absent,
    /// Sent.
    On,
    /// Switched off by the person.
    Off,
    /// The person wants it sent, and the system keeps it for a while: a telephone call, another app. It comes back by itself.
    Held,
    /// Unplugged, or taken away by the system, in the middle of the call.
    Lost,
}

impl Sending {
    /// Whether the other side gets something.
    pub fn is_on(self) -> bool {
        self == Self::On
    }

    /// Whether the person wants it sent, and nothing has to be done for it.
    pub fn is_wanted(self) -> bool {
        matches!(self, Self::On | Self::Held)
    }
}

/// What the other side sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Other {
    /// Whether a picture is being received.
    pub picture: bool,
    /// Whether the other side has its camera on or shares its screen, as far as it has said.
    pub camera: bool,
    /// Whether its picture is its screen.
    pub screen: bool,
    /// Whether the other side has its microphone on, as far as it has said.
    pub microphone: bool,
}

impl Default for Other {
    fn default() -> Self {
        Self { picture: false, camera: true, screen: false, microphone: true }
    }
}

/// The engine for where this page runs.
pub fn start(reports: Reports) -> Rc<dyn Engine> {
    match connection::Way::here() {
        Some(way) => {
            way.prepare();
            Rc::new(peers::Peers::new(way, reports))
        }
        None => Rc::new(Unable { reports }),
    }
}

/// Stands in where there is no engine: says so, and never leaves the client waiting.
struct Unable {
    reports: Reports,
}

impl Engine for Unable {
    fn abilities(&self) -> Abilities {
        Abilities::default()
    }

    fn perform(&self, command: MediaCommand) {
        let peer = command.peer();
        self.reports.events.emit(match command {
            MediaCommand::Close { .. } => MediaEvent::Closed { peer },
            _ => MediaEvent::Problem { peer, problem: MediaProblem::NotSupported },
        });
    }

    fn switch(&self, _: PeerId, _: Source, _: bool) {}

    fn change(&self, _: PeerId, _: Sort) {}

    fn stats(&self, _: PeerId) -> Stats {
        Box::pin(async { Vec::new() })
    }
}
