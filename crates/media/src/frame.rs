//! Encoded media.

use bytes::Bytes;

/// Voice or picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Opus.
    Voice,
    /// VP8.
    Video,
}

/// An encoded frame: one Opus packet (RFC 6716), or one VP8 frame (RFC 6386).
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    /// Voice or picture.
    pub kind: Kind,
    /// Its place among the frames of its track, in microseconds: only differences mean something. What travels has steps of
    /// 1/90 ms (picture) or 1/48 ms (voice).
    pub timestamp: u64,
    /// When it was captured, in microseconds on its sender's clock, which is the same for voice and picture: by it they are
    /// played in step. Received: from sender reports (RFC 3550, section 6.4.1); none before the track's first, which may take
    /// five seconds. To send: where there is none, `timestamp` is on that clock. A voice's is not: it goes by the sound card's.
    pub captured: Option<u64>,
    /// Whether it can be decoded by itself. Every voice packet can.
    pub keyframe: bool,
    /// What the encoder made.
    pub data: Bytes,
}

/// Leaves out what was said and shown.
impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Frame")
            .field("kind", &self.kind)
            .field("timestamp", &self.timestamp)
            .field("captured", &self.captured)
            .field("keyframe", &self.keyframe)
            .field("bytes", &self.data.len())
            .finish()
    }
}
