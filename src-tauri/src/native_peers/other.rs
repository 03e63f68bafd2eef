//! Other systems' webviews have `RTCPeerConnection`: every operation fails.

use hutong_core::native_peer::{MessageBatch, NativePeerError, NativePeerId, PeerRequest, PeerResponse};
use hutong_protocol::IceServer;

/// Holds no peers.
#[derive(Debug, Default)]
pub struct NativePeers;

impl NativePeers {
    /// Fails.
    ///
    /// # Errors
    ///
    /// [`NativePeerError::Unsupported`].
    pub async fn open(&self, _: Vec<IceServer>) -> Result<NativePeerId, NativePeerError> {
        Err(NativePeerError::Unsupported)
    }

    /// Fails.
    ///
    /// # Errors
    ///
    /// [`NativePeerError::Unsupported`].
    pub async fn request(&self, _: NativePeerId, _: PeerRequest) -> Result<PeerResponse, NativePeerError> {
        Err(NativePeerError::Unsupported)
    }

    /// Fails.
    ///
    /// # Errors
    ///
    /// [`NativePeerError::Unsupported`].
    pub async fn receive(&self, _: NativePeerId) -> Result<MessageBatch, NativePeerError> {
        Err(NativePeerError::Unsupported)
    }

    /// Fails.
    ///
    /// # Errors
    ///
    /// [`NativePeerError::Unsupported`].
    pub fn send_frame(&self, _: &[u8]) -> Result<(), NativePeerError> {
        Err(NativePeerError::Unsupported)
    }

    /// Does nothing.
    pub async fn close_all(&self) {}
}
