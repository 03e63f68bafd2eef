//! Encoded media frames.

use bytes::Bytes;
use serde::Serialize;

/// Audio or video: the media type of a track, stream or frame. Serialized as in the W3C's `kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MediaType {
    /// Opus.
    Audio,
    /// VP8.
    Video,
}

/// An encoded frame: one Opus packet (RFC 6716), or one VP8 frame (RFC 6386).
#[derive(Clone, PartialEq, Eq)]
pub struct EncodedFrame {
    /// Audio or video.
    pub kind: MediaType,
    /// Media time in microseconds; only differences within a track have a meaning. RTP carries it in steps of 1/90 ms (video)
    /// or 1/48 ms (audio).
    pub timestamp: u64,
    /// Capture time in microseconds on the sender's clock. Audio and video share that clock, so receivers synchronize both by
    /// it.
    ///
    /// Received frames take it from sender reports (RFC 3550, section 6.4.1): `None` until the track's first report, which
    /// may take five seconds. For frames to send, `None` means that `timestamp` is on that clock. Audio needs a value: its
    /// `timestamp` runs on the sound card's clock.
    pub captured_at: Option<u64>,
    /// Whether the frame can be decoded without earlier frames. True for every audio packet.
    pub keyframe: bool,
    /// The encoder's output.
    pub data: Bytes,
}

/// Omits the media itself, so that frames may be logged.
impl std::fmt::Debug for EncodedFrame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EncodedFrame")
            .field("kind", &self.kind)
            .field("timestamp", &self.timestamp)
            .field("captured_at", &self.captured_at)
            .field("keyframe", &self.keyframe)
            .field("bytes", &self.data.len())
            .finish()
    }
}
