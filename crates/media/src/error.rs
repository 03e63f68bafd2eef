//! What can go wrong.

/// Why a peer did not do what it was asked. Says nothing of the session description, the candidate or the packet in question,
/// so that it may be logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The peer was closed.
    #[error("the peer is closed")]
    Closed,
    /// Media or a message was given before the connection was there.
    #[error("the peer is not connected")]
    NotConnected,
    /// This peer was not made to send that.
    #[error("the peer was not made to send that")]
    NotSending,
    /// A frame or message is empty, or larger than the limit.
    #[error("a frame or message is empty or too large")]
    Size,
    /// A delta frame cannot be decoded without one that was dropped, or none came before it: the encoder shall make a
    /// keyframe.
    #[error("a keyframe is needed first")]
    KeyframeNeeded,
    /// So many messages wait to be sent that this one was refused. It may be tried again later.
    #[error("too much waits to be sent")]
    Busy,
    /// The library refused.
    #[error("{0}")]
    Failed(Step),
}

/// In the middle of what the library refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Step {
    /// Opening sockets and making the connection.
    #[error("the connection could not be made")]
    Start,
    /// Adding a track.
    #[error("a track could not be added")]
    Track,
    /// Opening the data channel, or sending over it.
    #[error("the data channel failed")]
    Channel,
    /// Making an offer or an answer.
    #[error("no offer or answer could be made")]
    Describe,
    /// Taking the own description into use.
    #[error("the own description was refused")]
    Local,
    /// Taking the other side's description into use.
    #[error("the other side's description was refused")]
    Remote,
    /// Adding the other side's candidate.
    #[error("the other side's candidate was refused")]
    Candidate,
    /// Closing.
    #[error("the connection could not be closed in order")]
    Close,
}

/// Keeps where it happened and drops what the library says: its errors print descriptions and whole packets.
pub(crate) trait At<T> {
    fn at(self, step: Step) -> Result<T, Error>;
}

impl<T> At<T> for webrtc::error::Result<T> {
    fn at(self, step: Step) -> Result<T, Error> {
        self.map_err(|_| Error::Failed(step))
    }
}
