//! What can go wrong.

use std::fmt;

/// Why a peer did not do what it was asked. Says nothing of the session description, the candidate or the packet in question,
/// so that it may be logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The peer was closed.
    Closed,
    /// Media or a message was given before the connection was there.
    NotConnected,
    /// This peer was not made to send that.
    NotSending,
    /// A frame or message is empty, or larger than the limit.
    Size,
    /// A delta frame cannot be decoded without one that was dropped, or none came before it: the encoder shall make a
    /// keyframe.
    KeyframeNeeded,
    /// So many messages wait to be sent that this one was refused. It may be tried again later.
    Busy,
    /// The library refused.
    Failed(Step),
}

/// In the middle of what the library refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Opening sockets and making the connection.
    Start,
    /// Adding a track.
    Track,
    /// Opening the data channel, or sending over it.
    Channel,
    /// Making an offer or an answer.
    Describe,
    /// Taking the own description into use.
    Local,
    /// Taking the other side's description into use.
    Remote,
    /// Adding the other side's candidate.
    Candidate,
    /// Closing.
    Close,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "the peer is closed",
            Self::NotConnected => "the peer is not connected",
            Self::NotSending => "the peer was not made to send that",
            Self::Size => "a frame or message is empty or too large",
            Self::KeyframeNeeded => "a keyframe is needed first",
            Self::Busy => "too much waits to be sent",
            Self::Failed(Step::Start) => "the connection could not be made",
            Self::Failed(Step::Track) => "a track could not be added",
            Self::Failed(Step::Channel) => "the data channel failed",
            Self::Failed(Step::Describe) => "no offer or answer could be made",
            Self::Failed(Step::Local) => "the own description was refused",
            Self::Failed(Step::Remote) => "the other side's description was refused",
            Self::Failed(Step::Candidate) => "the other side's candidate was refused",
            Self::Failed(Step::Close) => "the connection could not be closed in order",
        })
    }
}

impl std::error::Error for Error {}

/// Keeps where it happened and drops what the library says: its errors print descriptions and whole packets.
pub(crate) trait At<T> {
    fn at(self, step: Step) -> Result<T, Error>;
}

impl<T> At<T> for webrtc::error::Result<T> {
    fn at(self, step: Step) -> Result<T, Error> {
        self.map_err(|_| Error::Failed(step))
    }
}
