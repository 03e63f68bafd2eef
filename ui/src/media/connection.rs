//! The interface of a peer connection, independent of its [backend](super::backend). [`super::peer`] decides when each method
//! is called.

use futures_util::future::LocalBoxFuture;
use hutong_core::{Connectivity, MediaProblem};
use hutong_protocol::{IceCandidate, IceServer};
use wasm_bindgen::JsValue;
use web_sys::MediaStreamTrack;

/// A failed operation of a connection. The cause is not kept: the person could do nothing with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionError;

impl From<JsValue> for ConnectionError {
    fn from(_: JsValue) -> Self {
        Self
    }
}

/// Result of an operation of a connection, pending.
///
/// Await descriptions and candidates before the next operation. Of several [`MediaConnection::send`]s the last call wins, in
/// whichever order they are awaited. After [`MediaConnection::close`] an operation may still complete late.
pub type ConnectionFuture<T> = LocalBoxFuture<'static, Result<T, ConnectionError>>;

/// Kind of a track. Every connection has one track of each kind in each direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TrackKind {
    /// Audio.
    Audio,
    /// Video of the camera or the screen.
    Video,
}

impl TrackKind {
    /// Both kinds.
    pub const ALL: [Self; 2] = [Self::Audio, Self::Video];

    /// The value of `MediaStreamTrack.kind` (Media Capture and Streams, section 4.3.1).
    pub const fn name(self) -> &'static str {
        match self {
            Self::Audio => "audio",
            Self::Video => "video",
        }
    }

    /// The kind of a track.
    pub fn of(track: &MediaStreamTrack) -> Self {
        if track.kind() == Self::Video.name() { Self::Video } else { Self::Audio }
    }
}

/// An event of a connection. None is emitted after [`MediaConnection::close`], or from within a call to the connection.
#[derive(Clone, Debug)]
pub enum ConnectionEvent {
    /// A local candidate was gathered. An empty one is the end of candidates (RFC 8838, section 13).
    Candidate(IceCandidate),
    /// The connectivity changed.
    State(Connectivity),
    /// A remote track. The first description brings one of each kind, muted until media arrives.
    Track(MediaStreamTrack),
    /// The status channel is open.
    ChannelOpen,
    /// This computer lacks something that every connection needs. The call cannot take place.
    #[cfg_attr(not(feature = "app"), expect(dead_code, reason = "only the native backend reports problems"))]
    Problem(MediaProblem),
    /// The browser keeps the page from the remote side's private addresses. Another path may still connect.
    LocalNetworkBlocked,
    /// The remote side wrote this text to the status channel.
    ChannelText(String),
}

/// A peer connection. Its first description negotiates audio and video in both directions, with or without local tracks, so
/// that no later track needs a renegotiation.
pub trait MediaConnection {
    /// Creates an offer and sets it as the local description.
    fn offer(&self, restart_ice: bool) -> ConnectionFuture<String>;
    /// Sets the remote offer, rolling back a pending local one; then creates an answer and sets it as the local description.
    fn answer(&self, offer: &str) -> ConnectionFuture<String>;
    /// Sets the remote answer.
    fn accept(&self, answer: &str) -> ConnectionFuture<()>;
    /// Whether a local offer awaits its answer (`have-local-offer`).
    fn has_local_offer(&self) -> bool;
    /// Replaces the STUN and TURN servers, from the next ICE restart on.
    fn set_ice_servers(&self, ice_servers: &[IceServer]) -> ConnectionFuture<()>;
    /// Adds a remote candidate.
    fn add_candidate(&self, candidate: &IceCandidate) -> ConnectionFuture<()>;
    /// Replaces the local track of this kind, or stops sending that kind. Never renegotiates.
    fn send(&self, kind: TrackKind, track: Option<&MediaStreamTrack>) -> ConnectionFuture<()>;
    /// Writes to the status channel; ignored until it is open.
    fn send_text(&self, text: &str);
    /// Statistics as `RTCStats` dictionaries (Identifiers for WebRTC's Statistics API).
    fn stats(&self) -> ConnectionFuture<Vec<serde_json::Value>>;
    /// Closes the connection. The local tracks keep running.
    fn close(&self);
}
