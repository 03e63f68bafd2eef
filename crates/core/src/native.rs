//! What passes between the page's native media engine and the app that carries its media: plain data, shared by both ends.
//!
//! The page orders ([`Order`]) and is answered ([`Reply`]); it asks for what the app has for it, and is answered with every
//! message that waits ([`Batch`]): something [`Told`], as JSON, or an encoded frame. Frames go the other way one at a time. A
//! frame is a [`FrameHeader`] of [`FrameHeader::SIZE`] bytes and what the encoder made, and nothing else, so that neither end
//! converts it. `ui/static/native-picture.js` and `native-voice.js` leave room for the same header.

use std::ops::Range;

use hutong_protocol::IceCandidate;
use serde::{Deserialize, Serialize};

use crate::media::Connectivity;

/// One native connection. Never used twice while the app runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NativeId(pub u32);

/// What a native connection is to do. The page waits for the answer to a description before the next order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Order {
    /// Make an offer and set it. Answered by [`Reply::Sdp`].
    Offer {
        /// With fresh ICE credentials.
        restart_ice: bool,
    },
    /// Set the other side's offer, make the answer to it, and set that. Answered by [`Reply::Sdp`].
    Answer {
        /// The offer.
        offer: String,
    },
    /// Set the other side's answer.
    Accept {
        /// The answer.
        answer: String,
    },
    /// Add the other side's candidate. Several may be under way.
    Candidate {
        /// The candidate.
        candidate: IceCandidate,
    },
    /// Send this over the data channel.
    Text {
        /// The message.
        text: String,
    },
    /// Ask the other side for a keyframe: the decoder starts, or failed.
    Keyframe,
    /// Tell the statistics. Answered by [`Reply::Stats`].
    Stats,
    /// Let go of it.
    Close,
}

/// The answer to an [`Order`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", content = "with", rename_all = "snake_case")]
pub enum Reply {
    /// It is done.
    Done,
    /// The description that was made.
    Sdp(String),
    /// An array of `RTCStats` dictionaries in the W3C's names, as JSON.
    Stats(String),
}

/// Why an order was not done, or a frame not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NativeProblem {
    /// This app has no media engine of its own: its webview needs none.
    NotHere,
    /// There are as many connections as there may be.
    TooMany,
    /// There is no such connection, or it was closed.
    Closed,
    /// What was asked for is being waited for already.
    Busy,
    /// The message is no frame.
    Invalid,
    /// The frame needs one before it that was not sent: the next has to be a keyframe.
    KeyframeNeeded,
    /// Frames cannot be sent yet, or the other side takes none.
    NotSending,
    /// The step failed for good.
    Failed,
}

/// Voice or picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FrameKind {
    /// Opus.
    Voice,
    /// VP8.
    Picture,
}

/// What a native connection tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", content = "with", rename_all = "snake_case")]
pub enum Told {
    /// For the other side. An empty one says that no more will come.
    Candidate(IceCandidate),
    /// Whether media can flow. At every change.
    State(Connectivity),
    /// The other side can send media of this kind from now on.
    Track(FrameKind),
    /// The encoder is to make a keyframe.
    KeyframeWanted,
    /// What the encoder of the picture may make, in bits a second.
    Bitrate(u32),
    /// The data channel is open.
    ChannelOpen,
    /// A message over the data channel.
    Text(String),
}

/// The first byte of a message that the app has for the page, where it is something [`Told`]: JSON follows.
pub const TOLD: u8 = 0;

/// Messages for the page in one piece, each behind its length in four bytes, little-endian. One answer takes as long to reach a
/// busy page as another, so it carries all that waits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch(Vec<u8>);

impl Batch {
    /// In bytes. What waits longer goes with the next: a second of the largest picture takes a third of this.
    pub const LIMIT: usize = 1 << 20;

    /// Adds a message that begins with `head` and goes on with `rest`. One of 4 GiB, which no queue holds, is left out.
    pub fn push(&mut self, head: &[u8], rest: &[u8]) {
        let Ok(length) = u32::try_from(head.len() + rest.len()) else { return };
        self.0.reserve(size_of::<u32>() + head.len() + rest.len());
        self.0.extend_from_slice(&length.to_le_bytes());
        self.0.extend_from_slice(head);
        self.0.extend_from_slice(rest);
    }

    /// Whether it holds nothing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it holds as much as it may.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.0.len() >= Self::LIMIT
    }

    /// As it travels.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Where the messages of a batch of this size stand in it, in order; `length_at` reads a length from four bytes that are
    /// there. What is cut off at its end is no message.
    pub fn places(size: usize, length_at: impl Fn(usize) -> u32) -> impl Iterator<Item = Range<usize>> {
        let mut at = 0;
        std::iter::from_fn(move || {
            let start = size.checked_sub(at)?.checked_sub(size_of::<u32>()).map(|_| at + size_of::<u32>())?;
            let length = usize::try_from(length_at(at)).ok().filter(|length| *length <= size - start)?;
            at = start + length;
            Some(start..at)
        })
    }
}

/// What stands before an encoded frame: little-endian, in [`FrameHeader::SIZE`] bytes.
///
/// | bytes | what |
/// | --- | --- |
/// | 0 | 1 voice, 2 picture |
/// | 1 | 1 keyframe, 2 the last field counts |
/// | 2, 3 | 0 |
/// | 4 to 7 | the connection |
/// | 8 to 15 | [`timestamp`](Self::timestamp) |
/// | 16 to 23 | [`captured`](Self::captured) |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// Voice or picture.
    pub kind: FrameKind,
    /// Whether it can be decoded by itself.
    pub keyframe: bool,
    /// Of which connection.
    pub connection: NativeId,
    /// In microseconds; only differences within one kind mean something.
    pub timestamp: u64,
    /// When it was captured by the sender's clock, in microseconds: the same clock for voice and picture. Of received frames,
    /// once the sender has told; of frames to send, where `timestamp` is not on that clock.
    pub captured: Option<u64>,
}

impl FrameHeader {
    /// In bytes.
    pub const SIZE: usize = 24;

    const VOICE: u8 = 1;
    const PICTURE: u8 = 2;
    const KEYFRAME: u8 = 1;
    const CAPTURED: u8 = 2;

    /// As it stands before the frame.
    #[must_use]
    pub fn encode(&self) -> [u8; Self::SIZE] {
        let kind = match self.kind {
            FrameKind::Voice => Self::VOICE,
            FrameKind::Picture => Self::PICTURE,
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

    /// From the beginning of a message, with what follows; nothing where it is no frame.
    #[must_use]
    pub fn decode(message: &[u8]) -> Option<(Self, &[u8])> {
        let (header, data) = message.split_first_chunk::<{ Self::SIZE }>()?;
        let [kind, flags, _, _, rest @ ..] = *header;
        let (connection, rest) = rest.split_first_chunk::<4>()?;
        let (timestamp, rest) = rest.split_first_chunk::<8>()?;
        let captured = *rest.first_chunk::<8>()?;
        let kind = match kind {
            Self::VOICE => FrameKind::Voice,
            Self::PICTURE => FrameKind::Picture,
            _ => return None,
        };
        let header = Self {
            kind,
            keyframe: flags & Self::KEYFRAME != 0,
            connection: NativeId(u32::from_le_bytes(*connection)),
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
        fn a_frame_is_read_as_it_was_written(
            picture: bool,
            keyframe: bool,
            connection: u32,
            timestamp: u64,
            captured: Option<u64>,
            data: Vec<u8>,
        ) {
            let kind = if picture { FrameKind::Picture } else { FrameKind::Voice };
            let header = FrameHeader { kind, keyframe, connection: NativeId(connection), timestamp, captured };
            let message = [&header.encode()[..], &data].concat();
            prop_assert_eq!(FrameHeader::decode(&message), Some((header, &data[..])));
        }

        #[test]
        fn anything_else_is_no_frame(mut message: Vec<u8>) {
            if message.len() >= FrameHeader::SIZE {
                message[0] = if message[0] % 2 == 0 { TOLD } else { message[0].max(3) };
            }
            prop_assert_eq!(FrameHeader::decode(&message), None);
        }
    }

    fn places(batch: &[u8]) -> impl Iterator<Item = Range<usize>> {
        let length_at = |at: usize| u32::from_le_bytes(batch[at..at + 4].try_into().unwrap());
        Batch::places(batch.len(), length_at)
    }

    proptest! {
        #[test]
        fn a_batch_is_read_as_it_was_written(messages: Vec<(Vec<u8>, Vec<u8>)>) {
            let mut batch = Batch::default();
            for (head, rest) in &messages {
                batch.push(head, rest);
            }
            prop_assert_eq!(batch.is_empty(), messages.is_empty());
            let bytes = batch.into_bytes();
            let read: Vec<_> = places(&bytes).map(|place| bytes[place].to_vec()).collect();
            let written: Vec<_> = messages.into_iter().map(|(head, rest)| [head, rest].concat()).collect();
            prop_assert_eq!(read, written);
        }

        #[test]
        fn what_is_no_batch_is_read_within_its_bounds(bytes: Vec<u8>) {
            let mut end = 0;
            for place in places(&bytes) {
                prop_assert!(place.start == end + 4 && place.start <= place.end && place.end <= bytes.len());
                end = place.end;
            }
        }
    }

    /// The page's worker counts on these very bytes.
    #[test]
    fn the_header_stands_as_documented() {
        let header = FrameHeader {
            kind: FrameKind::Picture,
            keyframe: true,
            connection: NativeId(0x0403_0201),
            timestamp: 0x0807_0605_0403_0201,
            captured: Some(0x1817_1615_1413_1211),
        };
        let expected = [2, 3, 0, 0, 1, 2, 3, 4, 1, 2, 3, 4, 5, 6, 7, 8, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18];
        assert_eq!(header.encode(), expected);
    }
}
