//! Messages between the page and the native peer: the WebRTC peer connection that the app runs for a webview without
//! one.
//!
//! The page sends a [`PeerRequest`] and gets a [`PeerResponse`]. It polls for messages and gets a [`MessageBatch`] of
//! all that are queued; each is a [`PeerEvent`] as JSON behind [`EVENT_TAG`], or an encoded frame. In the other
//! direction the page sends single frames. A frame is a [`FrameHeader`] of [`FrameHeader::SIZE`] bytes followed by the
//! encoder's output, so that neither end has to convert it. `ui/static-app/native-video.js` and `native-audio.js` reserve
//! room for the same header.

use std::ops::Range;

use hutong_protocol::{IceCandidate, IceServer};
use serde::{Deserialize, Serialize};

use crate::media::Connectivity;

/// ID of a native peer. Never reused while the app runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NativePeerId(pub u32);

/// Request to a native peer. The page waits for the response to a session description before its next request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum PeerRequest {
    /// Create an offer and set it. Answered by [`PeerResponse::Sdp`].
    CreateOffer {
        /// Use new ICE credentials.
        restart_ice: bool,
    },
    /// Set the remote offer, create the answer and set it. Answered by [`PeerResponse::Sdp`].
    CreateAnswer {
        /// The offer.
        offer: String,
    },
    /// Set the remote answer.
    SetAnswer {
        /// The answer.
        answer: String,
    },
    /// Add a remote candidate. The page does not wait for the response.
    AddCandidate {
        /// The candidate.
        candidate: IceCandidate,
    },
    /// Replace the STUN and TURN servers from the next ICE restart on.
    SetIceServers {
        /// The servers.
        ice_servers: Vec<IceServer>,
    },
    /// Send a text message over the data channel.
    SendText {
        /// The text.
        text: String,
    },
    /// Request a keyframe from the remote sender, because the decoder starts or failed.
    RequestKeyframe,
    /// Get the statistics. Answered by [`PeerResponse::Stats`].
    GetStats,
    /// Close the peer.
    Close,
}

/// Response to a [`PeerRequest`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", content = "with", rename_all = "snake_case")]
pub enum PeerResponse {
    /// The request succeeded and has no result.
    Done,
    /// The created session description.
    Sdp(String),
    /// JSON array of `RTCStats` dictionaries (W3C names).
    Stats(String),
}

/// Error: the app did not execute a request or did not accept a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NativePeerError {
    /// The app has no native peer on this platform, because the webview has its own.
    Unsupported,
    /// The maximum number of native peers is reached.
    TooMany,
    /// The peer does not exist or was closed.
    Closed,
    /// The page is already polling, or the send queue for audio is full.
    Busy,
    /// The message is not a valid frame.
    Invalid,
    /// The frame depends on one that was not sent: the next frame has to be a keyframe.
    KeyframeNeeded,
    /// Frames cannot be sent yet, or the remote side does not receive this kind.
    NotSending,
    /// The request failed permanently.
    Failed,
}

/// Kind of media in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FrameKind {
    /// Opus.
    Audio,
    /// VP8.
    Video,
}

/// Event of a native peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", content = "with", rename_all = "snake_case")]
pub enum PeerEvent {
    /// A local candidate was gathered; an empty one marks the end of candidates.
    LocalCandidate(IceCandidate),
    /// The state of the connection changed.
    Connectivity(Connectivity),
    /// The remote side added a track of this kind.
    RemoteTrack(FrameKind),
    /// The encoder has to create a keyframe.
    KeyframeRequested,
    /// Target bitrate of the video encoder, in bits per second.
    TargetBitrate(u32),
    /// The data channel is open.
    DataChannelOpen,
    /// A text message arrived over the data channel.
    Text(String),
}

/// First byte of a message to the page that is a [`PeerEvent`]; its JSON follows.
pub const EVENT_TAG: u8 = 0;

/// Batch of messages to the page, each behind its length in four bytes, little-endian.
///
/// One response takes as long to reach a busy page as another, so it carries all queued messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessageBatch(Vec<u8>);

impl MessageBatch {
    /// Size in bytes above which no message is added. A second of the largest video takes a third of it.
    pub const LIMIT: usize = 1 << 20;

    /// Appends a message, given in two parts. Ignores one of 4 GiB or more, which no queue holds.
    pub fn push(&mut self, head: &[u8], rest: &[u8]) {
        let Ok(length) = u32::try_from(head.len() + rest.len()) else { return };
        self.0.reserve(size_of::<u32>() + head.len() + rest.len());
        self.0.extend_from_slice(&length.to_le_bytes());
        self.0.extend_from_slice(head);
        self.0.extend_from_slice(rest);
    }

    /// Whether the batch has no messages.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the batch has reached [`LIMIT`](Self::LIMIT).
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.0.len() >= Self::LIMIT
    }

    /// The encoded batch.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Byte ranges of the messages in an encoded batch of `size` bytes, in order; `length_at` reads the length at an
    /// offset, where at least four bytes exist. A message that is cut off at the end is left out.
    pub fn message_ranges(size: usize, length_at: impl Fn(usize) -> u32) -> impl Iterator<Item = Range<usize>> {
        let mut at = 0;
        std::iter::from_fn(move || {
            let start = size.checked_sub(at)?.checked_sub(size_of::<u32>()).map(|_| at + size_of::<u32>())?;
            let length = usize::try_from(length_at(at)).ok().filter(|length| *length <= size - start)?;
            at = start + length;
            Some(start..at)
        })
    }
}

/// Header of an encoded frame, little-endian, [`FrameHeader::SIZE`] bytes.
///
/// | bytes | content |
/// | --- | --- |
/// | 0 | kind: 1 audio, 2 video |
/// | 1 | flags: 1 keyframe, 2 [`captured`](Self::captured) is present |
/// | 2, 3 | reserved, 0 |
/// | 4 to 7 | [`connection`](Self::connection) |
/// | 8 to 15 | [`timestamp`](Self::timestamp) |
/// | 16 to 23 | [`captured`](Self::captured) |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// Audio or video.
    pub kind: FrameKind,
    /// Whether the frame can be decoded without earlier frames.
    pub keyframe: bool,
    /// The native peer.
    pub connection: NativePeerId,
    /// In microseconds. Only differences within one kind are meaningful.
    pub timestamp: u64,
    /// Capture time by the sender's clock, in microseconds; audio and video share the clock. Present in received frames
    /// once the sender has reported its clock, and in frames to send if `timestamp` is of another clock.
    pub captured: Option<u64>,
}

impl FrameHeader {
    /// Size in bytes.
    pub const SIZE: usize = 24;

    const AUDIO: u8 = 1;
    const VIDEO: u8 = 2;
    const KEYFRAME: u8 = 1;
    const CAPTURED: u8 = 2;

    /// Encodes the header.
    #[must_use]
    pub fn encode(&self) -> [u8; Self::SIZE] {
        let kind = match self.kind {
            FrameKind::Audio => Self::AUDIO,
            FrameKind::Video => Self::VIDEO,
        };
        let keyframe = if self.keyframe { Self::KEYFRAME } else { 0 };
        let captured = if self.captured.is_some() { Self::CAPTURED } else { 0 };
        let mut bytes = [0; Self::SIZE];
        bytes[0] = kind;
        bytes[1] = keyframe | captured;
        bytes[4..8].copy_from_slice(&self.connection.0.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.timestamp.to_le_bytes());
        bytes[16..].copy_from_slice(&self.captured.unwrap_or_default().to_le_bytes());
        bytes
    }

    /// Splits a message into header and frame data; `None` if it is not a frame.
    #[must_use]
    pub fn decode(message: &[u8]) -> Option<(Self, &[u8])> {
        let (header, data) = message.split_first_chunk::<{ Self::SIZE }>()?;
        let [kind, flags, _, _, rest @ ..] = *header;
        let (connection, rest) = rest.split_first_chunk::<4>()?;
        let (timestamp, rest) = rest.split_first_chunk::<8>()?;
        let captured = *rest.first_chunk::<8>()?;
        let kind = match kind {
            Self::AUDIO => FrameKind::Audio,
            Self::VIDEO => FrameKind::Video,
            _ => return None,
        };
        let header = Self {
            kind,
            keyframe: flags & Self::KEYFRAME != 0,
            connection: NativePeerId(u32::from_le_bytes(*connection)),
            timestamp: u64::from_le_bytes(*timestamp),
            captured: (flags & Self::CAPTURED != 0).then(|| u64::from_le_bytes(captured)),
        };
        Some((header, data))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_frame_round_trips(
            video: bool,
            keyframe: bool,
            connection: u32,
            timestamp: u64,
            captured: Option<u64>,
            data: Vec<u8>,
        ) {
            let kind = if video { FrameKind::Video } else { FrameKind::Audio };
            let header = FrameHeader { kind, keyframe, connection: NativePeerId(connection), timestamp, captured };
            let message = [&header.encode()[..], &data].concat();
            prop_assert_eq!(FrameHeader::decode(&message), Some((header, &data[..])));
        }

        #[test]
        fn other_messages_are_not_decoded_as_frames(mut message: Vec<u8>) {
            if message.len() >= FrameHeader::SIZE {
                message[0] = if message[0] % 2 == 0 { EVENT_TAG } else { message[0].max(3) };
            }
            prop_assert_eq!(FrameHeader::decode(&message), None);
        }
    }

    fn ranges(batch: &[u8]) -> impl Iterator<Item = Range<usize>> {
        let length_at = |at: usize| u32::from_le_bytes(batch[at..at + 4].try_into().unwrap());
        MessageBatch::message_ranges(batch.len(), length_at)
    }

    proptest! {
        #[test]
        fn a_batch_round_trips(messages: Vec<(Vec<u8>, Vec<u8>)>) {
            let mut batch = MessageBatch::default();
            for (head, rest) in &messages {
                batch.push(head, rest);
            }
            prop_assert_eq!(batch.is_empty(), messages.is_empty());
            let bytes = batch.into_bytes();
            let read: Vec<_> = ranges(&bytes).map(|range| bytes[range].to_vec()).collect();
            let written: Vec<_> = messages.into_iter().map(|(head, rest)| [head, rest].concat()).collect();
            prop_assert_eq!(read, written);
        }

        #[test]
        fn ranges_of_arbitrary_bytes_stay_within_bounds(bytes: Vec<u8>) {
            let mut end = 0;
            for range in ranges(&bytes) {
                prop_assert!(range.start == end + 4 && range.start <= range.end && range.end <= bytes.len());
                end = range.end;
            }
        }
    }

    /// The page's workers rely on this layout.
    #[test]
    fn the_header_is_encoded_as_documented() {
        let header = FrameHeader {
            kind: FrameKind::Video,
            keyframe: true,
            connection: NativePeerId(0x0403_0201),
            timestamp: 0x0807_0605_0403_0201,
            captured: Some(0x1817_1615_1413_1211),
        };
        let expected = [2, 3, 0, 0, 1, 2, 3, 4, 1, 2, 3, 4, 5, 6, 7, 8, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18];
        assert_eq!(header.encode(), expected);
    }
}
