//! What the client asks of the media engine, and what the engine reports.

use hutong_protocol::{IceCandidate, IceServer, MediaKind, SdpKind};
use serde::{Deserialize, Serialize};

/// One peer connection with its devices, from asking for them to letting them go. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PeerId(pub u32);

/// What the media engine is to do. It does these one after the other; each may take time.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum MediaCommand {
    /// Ask for microphone, and camera with [`MediaKind::Video`], and make the peer connection meanwhile. Answered by
    /// [`MediaEvent::Acquired`] or [`MediaEvent::Problem`]. The first command for a peer.
    Acquire {
        /// Which peer.
        peer: PeerId,
        /// What to ask for.
        media: MediaKind,
        /// From the server's welcome.
        ice_servers: Vec<IceServer>,
    },
    /// Make the first offer. Answered by [`MediaEvent::LocalDescription`].
    Offer {
        /// Which peer.
        peer: PeerId,
    },
    /// Make the answer to the other side's first offer. Answered by [`MediaEvent::LocalDescription`].
    Answer {
        /// Which peer.
        peer: PeerId,
        /// The other side's offer.
        sdp: String,
    },
    /// Set a remote description: the answer to the first offer, or a later offer or answer. An offer is answered by
    /// [`MediaEvent::LocalDescription`], unless it collides with an own one and this side is not the polite one
    /// (W3C WebRTC, "perfect negotiation").
    Remote {
        /// Which peer.
        peer: PeerId,
        /// Offer or answer.
        kind: SdpKind,
        /// The description.
        sdp: String,
        /// Whether this side gives way when two offers collide.
        polite: bool,
    },
    /// Add the other side's candidate. Comes only once a remote description was given.
    AddCandidate {
        /// Which peer.
        peer: PeerId,
        /// The candidate.
        candidate: IceCandidate,
    },
    /// Make an offer with fresh ICE credentials. Answered by [`MediaEvent::LocalDescription`].
    RestartIce {
        /// Which peer.
        peer: PeerId,
    },
    /// Let go of peer connection and devices. Answered by [`MediaEvent::Closed`]. The last command for a peer; an engine
    /// that does not know the peer answers just the same.
    Close {
        /// Which peer.
        peer: PeerId,
    },
}

impl MediaCommand {
    /// Which peer the command is for.
    #[must_use]
    pub const fn peer(&self) -> PeerId {
        match self {
            Self::Acquire { peer, .. }
            | Self::Offer { peer }
            | Self::Answer { peer, .. }
            | Self::Remote { peer, .. }
            | Self::AddCandidate { peer, .. }
            | Self::RestartIce { peer }
            | Self::Close { peer } => *peer,
        }
    }
}

/// What the media engine reports. Reports about a peer that the client has closed are passed over.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum MediaEvent {
    /// The devices are there.
    Acquired {
        /// Which peer.
        peer: PeerId,
    },
    /// The devices are not to be had, or a step failed for good.
    Problem {
        /// Which peer.
        peer: PeerId,
        /// Why.
        problem: MediaProblem,
    },
    /// A description was made and set as the local one: send it.
    LocalDescription {
        /// Which peer.
        peer: PeerId,
        /// Offer or answer.
        kind: SdpKind,
        /// The description.
        sdp: String,
    },
    /// A local candidate was gathered, or all were.
    LocalCandidate {
        /// Which peer.
        peer: PeerId,
        /// The candidate.
        candidate: IceCandidate,
    },
    /// The connection's state changed (W3C `RTCPeerConnectionState`).
    Connectivity {
        /// Which peer.
        peer: PeerId,
        /// The new state.
        state: Connectivity,
    },
    /// The devices are let go.
    Closed {
        /// Which peer.
        peer: PeerId,
    },
}

impl MediaEvent {
    /// Which peer the report is about.
    #[must_use]
    pub const fn peer(&self) -> PeerId {
        match self {
            Self::Acquired { peer }
            | Self::Problem { peer, .. }
            | Self::LocalDescription { peer, .. }
            | Self::LocalCandidate { peer, .. }
            | Self::Connectivity { peer, .. }
            | Self::Closed { peer } => *peer,
        }
    }
}

/// Whether media can flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Connectivity {
    /// It flows.
    Connected,
    /// It stopped, and may come back by itself.
    Disconnected,
    /// It will not come back without an ICE restart.
    Failed,
}

/// Why there is no media. Each has a sentence that says what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaProblem {
    /// The person, the browser or the system refused the camera.
    CameraDenied,
    /// The person, the browser or the system refused the microphone.
    MicrophoneDenied,
    /// There is no camera.
    CameraMissing,
    /// There is no microphone.
    MicrophoneMissing,
    /// Another program has the camera, or it broke.
    CameraInUse,
    /// Another program has the microphone, or it broke.
    MicrophoneInUse,
    /// The page is not secure (plain http), so that the browser offers no devices.
    NotSecure,
    /// The webview can make no calls (no `RTCPeerConnection`).
    NotSupported,
    /// This computer lacks what encodes and decodes pictures for the app's own media engine (a `GStreamer` plugin).
    PictureCodecMissing,
    /// The same for voice.
    VoiceCodecMissing,
    /// The peer connection failed in a way that the person can do nothing about.
    Engine,
}

impl MediaProblem {
    /// Whether a call by voice alone would do without what is missing.
    #[must_use]
    pub const fn voice_would_do(self) -> bool {
        matches!(self, Self::CameraDenied | Self::CameraMissing | Self::CameraInUse)
    }
}
