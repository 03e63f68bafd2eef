//! Error type of the crate.

/// Reason why a [`Peer`](crate::Peer)'s method failed. Carries no session description, candidate or packet, so that it may be
/// logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The peer is closed.
    #[error("the peer connection is closed")]
    Closed,
    /// A frame was passed in before the connection was established.
    #[error("not sent: the peer connection is not established")]
    NotConnected,
    /// The peer has no track or data channel to send this on.
    #[error("not sent: the peer connection has no outgoing track or data channel for it")]
    NotSending,
    /// A frame or message is empty or exceeds its size limit.
    #[error("not sent: the data is empty or exceeds the maximum size of a frame or message")]
    InvalidSize,
    /// A delta frame cannot be decoded, because an earlier frame was dropped or no keyframe was sent yet. The encoder must
    /// produce a keyframe.
    #[error("the frame was dropped: a keyframe must be sent first")]
    KeyframeNeeded,
    /// The data channel's send buffer is full. Try again later.
    #[error("not sent: the data channel's send buffer is full; try again later")]
    SendBufferFull,
    /// There is no multicast route now, as without a network, so the sockets cannot be replaced. The connection is unchanged.
    /// Try again later.
    #[error("ICE not restarted: no network with a multicast route now; try again later")]
    NoNetwork,
    /// The WebRTC library returned an error.
    #[error("{0}")]
    Failed(PeerOperation),
}

/// The operation in which the WebRTC library returned an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PeerOperation {
    /// Opening sockets and creating the connection.
    #[error("the WebRTC library could not open sockets or create the peer connection")]
    Setup,
    /// Adding a track.
    #[error("the WebRTC library could not add a track")]
    AddTrack,
    /// Opening the data channel, or sending on it.
    #[error("the WebRTC library could not open the data channel or send on it")]
    DataChannel,
    /// Creating an offer or an answer.
    #[error("the WebRTC library could not create a session description")]
    CreateDescription,
    /// Setting the local description.
    #[error("the WebRTC library rejected the local session description")]
    SetLocalDescription,
    /// Setting the remote description.
    #[error("the WebRTC library rejected the remote session description")]
    SetRemoteDescription,
    /// Adding a remote ICE candidate.
    #[error("the WebRTC library rejected a remote ICE candidate")]
    AddIceCandidate,
    /// Replacing the ICE servers.
    #[error("the WebRTC library rejected the ICE servers")]
    SetIceServers,
    /// Closing the connection.
    #[error("the peer connection was closed, but the WebRTC library reported an error while closing")]
    Close,
}

/// Extension of the WebRTC library's results: replaces the error by the operation that failed. The library's own errors print
/// descriptions and whole packets.
pub(crate) trait AtOperation<T> {
    fn at(self, operation: PeerOperation) -> Result<T, Error>;
}

impl<T> AtOperation<T> for webrtc::error::Result<T> {
    fn at(self, operation: PeerOperation) -> Result<T, Error> {
        self.map_err(|_| Error::Failed(operation))
    }
}
