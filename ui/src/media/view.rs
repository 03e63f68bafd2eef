//! What there is to see and hear of a call, as plain data for the views.

use hutong_core::PeerId;
use web_sys::MediaStream;

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

/// The devices of the own sources, by [`Device::id`](super::Device::id).
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
