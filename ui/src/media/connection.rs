//! Interface of one connection to the other side of a call, whatever carries it. What to do when is [`super::peer`]'s, and which
//! backend there is, [`super::backend`]'s.

use futures_util::future::LocalBoxFuture;
use hutong_core::{Connectivity, MediaProblem};
use hutong_protocol::IceCandidate;
use wasm_bindgen::JsValue;
use web_sys::MediaStreamTrack;

/// A step that failed, for reasons that only a developer could read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failed;

impl From<JsValue> for Failed {
    fn from(_: JsValue) -> Self {
        Self
    }
}

/// A step under way, and what it comes to. Descriptions and candidates are to be awaited before what comes next; of several
/// [`Connection::send`]s the last call counts, in whichever order they are awaited. After [`Connection::close`] it may come to
/// an end late, as anything.
pub type Pending<T> = LocalBoxFuture<'static, Result<T, Failed>>;

/// What carries one of the two tracks that every connection has each way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TrackKind {
    /// Sound.
    Voice,
    /// Camera or screen.
    Picture,
}

impl TrackKind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Voice, Self::Picture];

    /// As `MediaStreamTrack.kind` has it (Media Capture and Streams, section 4.3.1).
    pub const fn name(self) -> &'static str {
        match self {
            Self::Voice => "audio",
            Self::Picture => "video",
        }
    }

    /// Of a track.
    pub fn of(track: &MediaStreamTrack) -> Self {
        if track.kind() == Self::Picture.name() { Self::Picture } else { Self::Voice }
    }
}

/// What a connection tells. Nothing is told after [`Connection::close`], and nothing from within a call to the connection.
#[derive(Clone, Debug)]
pub enum ConnectionEvent {
    /// A local candidate was found; an empty one says that there will be no more (RFC 8838, section 13).
    Candidate(IceCandidate),
    /// Whether media can flow. Only changes are told.
    State(Connectivity),
    /// A track of the other side. There is one of each kind from the first description on, muted until something comes.
    Track(MediaStreamTrack),
    /// The status channel can be written to.
    ChannelOpen,
    /// What every connection needs is not on this computer: there will be none.
    Problem(MediaProblem),
    /// The other side wrote this into the status channel.
    ChannelText(String),
}

/// One connection. Voice and picture are negotiated both ways by its first description, with or without something to send, so
/// that whatever is sent later needs no further one.
pub trait Connection {
    /// Makes an offer, and sets it as the local description.
    fn offer(&self, restart_ice: bool) -> Pending<String>;
    /// Sets the other side's offer, in place of an own one that stands; makes an answer, and sets that as the local description.
    fn answer(&self, offer: &str) -> Pending<String>;
    /// Sets the other side's answer.
    fn accept(&self, answer: &str) -> Pending<()>;
    /// Whether an own offer waits for its answer.
    fn offered(&self) -> bool;
    /// Adds the other side's candidate.
    fn add_candidate(&self, candidate: &IceCandidate) -> Pending<()>;
    /// Sends this track from now on, in place of any other of its kind; or none. Never negotiates.
    fn send(&self, kind: TrackKind, track: Option<&MediaStreamTrack>) -> Pending<()>;
    /// Writes into the status channel. Does nothing until it is open.
    fn send_text(&self, text: &str);
    /// What is measured: `RTCStats` dictionaries in the W3C's names (Identifiers for WebRTC's Statistics API).
    fn stats(&self) -> Pending<Vec<serde_json::Value>>;
    /// Ends it. The tracks that were sent are left running.
    fn close(&self);
}
