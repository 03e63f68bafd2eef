//! Commands to the media engine, and its reports.

use hutong_protocol::{IceCandidate, IceServer, MediaKind, SdpKind};
use serde::{Deserialize, Serialize};

/// ID of a peer connection with its devices, from acquiring them to releasing them. Never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PeerId(pub u32);

/// Command to the media engine. The engine executes commands sequentially; each may take time.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum MediaCommand {
    /// Acquire the microphone, and the camera for [`MediaKind::Video`], and create the peer connection. Answered by
    /// [`MediaEvent::Acquired`] or [`MediaEvent::Problem`]. First command of a peer.
    Acquire {
        /// The peer.
        peer: PeerId,
        /// The devices to acquire.
        media: MediaKind,
        /// What to do without a microphone.
        without_microphone: WithoutMicrophone,
        /// STUN and TURN servers from the server's `welcome` or its last `ice_servers`.
        ice_servers: Vec<IceServer>,
    },
    /// Create and set the first offer. Answered by [`MediaEvent::LocalDescription`].
    CreateOffer {
        /// The peer.
        peer: PeerId,
    },
    /// Set the other side's first offer, create the answer and set it. Answered by [`MediaEvent::LocalDescription`].
    CreateAnswer {
        /// The peer.
        peer: PeerId,
        /// The other side's offer.
        sdp: String,
    },
    /// Set a remote description: the answer to the first offer, or a later offer or answer. An offer is answered by
    /// [`MediaEvent::LocalDescription`], unless it collides with a local offer and this side is the impolite one
    /// (W3C WebRTC, "perfect negotiation").
    SetRemoteDescription {
        /// The peer.
        peer: PeerId,
        /// Offer or answer.
        kind: SdpKind,
        /// The session description.
        sdp: String,
        /// Whether this side rolls back its own offer when two offers collide.
        polite: bool,
    },
    /// Add a remote candidate. Sent only after a remote description.
    AddCandidate {
        /// The peer.
        peer: PeerId,
        /// The candidate.
        candidate: IceCandidate,
    },
    /// Replace the STUN and TURN servers. Takes effect with the next ICE restart of either side; media goes on meanwhile.
    /// Not answered. Sent only after `Acquire`.
    SetIceServers {
        /// The peer.
        peer: PeerId,
        /// The new servers.
        ice_servers: Vec<IceServer>,
    },
    /// Restart ICE: create and set an offer with new ICE credentials. Answered by [`MediaEvent::LocalDescription`].
    RestartIce {
        /// The peer.
        peer: PeerId,
    },
    /// Close the peer connection and release the devices. Answered by [`MediaEvent::Closed`], even for an unknown peer.
    /// Last command of a peer.
    Close {
        /// The peer.
        peer: PeerId,
    },
}

/// What a peer does where there is no microphone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WithoutMicrophone {
    /// It reports [`MediaProblem::MicrophoneMissing`]: a caller wants to be heard.
    Fail,
    /// It receives only, apart from a camera: a callee can watch and listen.
    Receive,
}

impl MediaCommand {
    /// The peer that the command concerns.
    #[must_use]
    pub const fn peer(&self) -> PeerId {
        match self {
            Self::Acquire { peer, .. }
            | Self::CreateOffer { peer }
            | Self::CreateAnswer { peer, .. }
            | Self::SetRemoteDescription { peer, .. }
            | Self::AddCandidate { peer, .. }
            | Self::SetIceServers { peer, .. }
            | Self::RestartIce { peer }
            | Self::Close { peer } => *peer,
        }
    }
}

/// Report of the media engine. The client ignores reports about a peer that it has closed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum MediaEvent {
    /// The devices are acquired.
    Acquired {
        /// The peer.
        peer: PeerId,
    },
    /// The devices cannot be acquired, or a command failed permanently.
    Problem {
        /// The peer.
        peer: PeerId,
        /// The cause.
        problem: MediaProblem,
    },
    /// A local description was created and set; the client sends it to the other side.
    LocalDescription {
        /// The peer.
        peer: PeerId,
        /// Offer or answer.
        kind: SdpKind,
        /// The session description.
        sdp: String,
    },
    /// A local candidate was gathered; an empty one marks the end of candidates.
    LocalCandidate {
        /// The peer.
        peer: PeerId,
        /// The candidate.
        candidate: IceCandidate,
    },
    /// The state of the peer connection changed (W3C `RTCPeerConnectionState`).
    Connectivity {
        /// The peer.
        peer: PeerId,
        /// The new state.
        state: Connectivity,
    },
    /// The browser keeps the page from the other side's private addresses (Local Network Access, WICG). Another path may
    /// still connect.
    LocalNetworkBlocked {
        /// The peer.
        peer: PeerId,
    },
    /// The peer connection is closed and the devices are released.
    Closed {
        /// The peer.
        peer: PeerId,
    },
}

impl MediaEvent {
    /// The peer that the report concerns.
    #[must_use]
    pub const fn peer(&self) -> PeerId {
        match self {
            Self::Acquired { peer }
            | Self::Problem { peer, .. }
            | Self::LocalDescription { peer, .. }
            | Self::LocalCandidate { peer, .. }
            | Self::Connectivity { peer, .. }
            | Self::LocalNetworkBlocked { peer }
            | Self::Closed { peer } => *peer,
        }
    }
}

/// State of a peer connection, as far as calls need it (W3C `RTCPeerConnectionState`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Connectivity {
    /// Media can flow.
    Connected,
    /// Media is interrupted and may recover without an ICE restart.
    Disconnected,
    /// Media is interrupted and cannot recover without an ICE restart.
    Failed,
}

/// Cause of missing media. The interface has a sentence for each that says what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaProblem {
    /// The person, the browser or the system refused the camera.
    CameraDenied,
    /// The person, the browser or the system refused the microphone.
    MicrophoneDenied,
    /// The person closed the browser's question about the devices, or refused it for this time.
    NotAllowedYet,
    /// There is no camera.
    CameraMissing,
    /// There is no microphone.
    MicrophoneMissing,
    /// Another program uses the camera, or the camera failed.
    CameraInUse,
    /// Another program uses the microphone, or the microphone failed.
    MicrophoneInUse,
    /// The page is no secure context (plain http), so the browser gives access to no devices.
    NotSecure,
    /// The webview has no `RTCPeerConnection`.
    NotSupported,
    /// The app's native media engine lacks a video encoder or decoder (a `GStreamer` plugin).
    VideoCodecMissing,
    /// The app's native media engine lacks an audio encoder or decoder (a `GStreamer` plugin).
    AudioCodecMissing,
    /// The peer connection failed for a reason that the person cannot fix.
    Engine,
}

impl MediaProblem {
    /// Whether a voice call is possible despite this problem.
    #[must_use]
    pub const fn allows_voice_call(self) -> bool {
        matches!(self, Self::CameraDenied | Self::CameraMissing | Self::CameraInUse)
    }
}
