//! The media state of a call as plain data for the views.

use hutong_core::PeerId;
use web_sys::MediaStream;

/// The media state of one peer.
#[derive(Clone, Debug, PartialEq)]
pub struct MediaView {
    /// The peer.
    pub peer: PeerId,
    /// The sent tracks: microphone, and camera or screen.
    pub local_stream: Option<MediaStream>,
    /// The remote tracks to play.
    pub remote_stream: Option<MediaStream>,
    /// State of the local sources.
    pub local: LocalMedia,
    /// The devices of the local sources.
    pub in_use: DevicesInUse,
    /// What the remote side sends.
    pub remote: RemoteMedia,
    /// Where the camera of the local video points.
    pub facing: CameraFacing,
    /// Whether the two sides can exchange video.
    pub video: VideoNegotiation,
}

/// Whether the two sides can exchange video.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VideoNegotiation {
    /// They can, as far as is known.
    #[default]
    Possible,
    /// They have no video codec in common.
    NoCommonCodec,
}

/// Where a camera points.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CameraFacing {
    /// To the person, or unknown, as with cameras of computers: people expect a mirror.
    #[default]
    User,
    /// Away from the person: mirrored text could not be read.
    Away,
}

impl MediaView {
    /// The view of a peer that has no media yet.
    pub fn new(peer: PeerId) -> Self {
        Self {
            peer,
            local_stream: None,
            remote_stream: None,
            local: LocalMedia::default(),
            in_use: DevicesInUse::default(),
            remote: RemoteMedia::default(),
            facing: CameraFacing::default(),
            video: VideoNegotiation::default(),
        }
    }
}

/// State of the local sources.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LocalMedia {
    /// The microphone.
    pub microphone: SourceState,
    /// The camera. A shared screen replaces its video, and leaves this state as it is.
    pub camera: SourceState,
    /// The screen; [`SourceState::Lost`] if the last attempt to share it failed.
    pub screen: SourceState,
}

/// The devices of the local sources, as [`MediaDevice::id`](super::MediaDevice::id)s.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DevicesInUse {
    /// The camera.
    pub camera: Option<String>,
    /// The microphone.
    pub microphone: Option<String>,
}

/// State of a local source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SourceState {
    /// Not part of this call.
    #[default]
    Absent,
    /// Sent.
    On,
    /// Switched off by the person.
    Off,
    /// Muted by the system (a phone call, another app), and wanted by the person. It recovers without help.
    Held,
    /// Unplugged, ended by the system, or impossible to open.
    Lost,
}

impl SourceState {
    /// Whether the source is sent.
    pub fn is_on(self) -> bool {
        self == Self::On
    }

    /// Whether the person wants it sent and it has a live track.
    pub fn is_wanted(self) -> bool {
        matches!(self, Self::On | Self::Held)
    }
}

/// What the remote side sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemoteMedia {
    /// Whether video is arriving, and the remote side says that it sends some.
    pub video: bool,
    /// Whether the remote camera is on or the remote screen shared, by the last status message.
    pub camera: bool,
    /// Whether the video is the remote screen.
    pub screen: bool,
    /// Whether the remote microphone is on, by the last status message.
    pub microphone: bool,
    /// Whether the remote side has no microphone.
    pub no_microphone: bool,
}

impl Default for RemoteMedia {
    fn default() -> Self {
        Self { video: false, camera: true, screen: false, microphone: true, no_microphone: false }
    }
}
