//! Counts the fragments of unfinished messages in a client's bytes (RFC 6455, section 5.4).
//!
//! The WebSocket library returns whole messages and control frames only. Empty fragments add up to no message, so without a
//! count a client could send them without end.

/// Largest number of fragments before the one that ends a message. Browsers send messages of our size in one frame or a few;
/// a proxy that passes `WebSockets` on does not split them further.
const MAX_FRAGMENTS: u32 = 64;

/// Position in the client's frames. Counts frames that do not end a message.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FragmentCounter {
    position: FramePosition,
    /// Fragments since the last frame that ended a message, or the last control frame.
    unfinished: u32,
    /// Fragments since the last [`take`](Self::take).
    untaken: u32,
}

/// Error: a message of more than [`MAX_FRAGMENTS`] fragments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the message has more than {MAX_FRAGMENTS} fragments")]
pub(super) struct TooManyFragments;

/// What the next byte of the stream is.
#[derive(Clone, Copy, Debug, Default)]
enum FramePosition {
    /// The first of a frame: FIN bit and opcode.
    #[default]
    First,
    /// The second: mask bit and short length.
    Second,
    /// One of an extended length, of which `left` bytes are missing.
    Length { left: u8, read: u64, mask: u8 },
    /// One of the mask or the payload.
    Payload { left: u64 },
}

/// FIN bit of a frame's first byte.
const FIN: u8 = 0x80;

/// Mask bit of a frame's second byte. A mask has four bytes.
const MASK: u8 = 0x80;
const MASK_BYTES: u8 = 4;

impl FragmentCounter {
    /// Reads the next bytes of the stream.
    ///
    /// # Errors
    ///
    /// [`TooManyFragments`] if a message in them has too many. The counter must not be used any more.
    pub(super) fn read(&mut self, mut bytes: &[u8]) -> Result<(), TooManyFragments> {
        while let Some((&byte, rest)) = bytes.split_first() {
            bytes = rest;
            self.position = match self.position {
                FramePosition::First => {
                    if byte & FIN == 0 {
                        self.unfinished += 1;
                        self.untaken = self.untaken.saturating_add(1);
                    } else {
                        self.unfinished = 0;
                    }
                    if self.unfinished > MAX_FRAGMENTS {
                        return Err(TooManyFragments);
                    }
                    FramePosition::Second
                }
                FramePosition::Second => {
                    let mask = if byte & MASK == 0 { 0 } else { MASK_BYTES };
                    match byte & !MASK {
                        126 => FramePosition::Length { left: 2, read: 0, mask },
                        127 => FramePosition::Length { left: 8, read: 0, mask },
                        length => payload(u64::from(length), mask),
                    }
                }
                FramePosition::Length { left, read, mask } => {
                    let read = (read << 8) | u64::from(byte);
                    match left - 1 {
                        0 => payload(read, mask),
                        left => FramePosition::Length { left, read, mask },
                    }
                }
                FramePosition::Payload { left } => {
                    // This byte and as many of the following.
                    let more = usize::try_from(left - 1).unwrap_or(usize::MAX).min(bytes.len());
                    bytes = &bytes[more..];
                    skipped(left - 1 - more as u64)
                }
            };
        }
        Ok(())
    }

    /// The number of fragments since the last call.
    pub(super) const fn take(&mut self) -> u32 {
        std::mem::replace(&mut self.untaken, 0)
    }
}

fn payload(length: u64, mask: u8) -> FramePosition {
    skipped(length.saturating_add(u64::from(mask)))
}

const fn skipped(left: u64) -> FramePosition {
    match left {
        0 => FramePosition::First,
        left => FramePosition::Payload { left },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio_tungstenite::tungstenite::protocol::frame::{
        Frame, FrameHeader,
        coding::{Data, OpCode},
    };

    use super::*;

    fn frame(length: usize, is_final: bool, mask: Option<[u8; 4]>) -> Vec<u8> {
        let opcode = OpCode::Data(Data::Text);
        let header = FrameHeader { is_final, opcode, mask, ..FrameHeader::default() };
        let mut bytes = Vec::new();
        Frame::from_payload(header, vec![b'x'; length].into()).format(&mut bytes).unwrap();
        bytes
    }

    proptest! {
        /// Frames as the WebSocket library encodes them, in reads of any length.
        #[test]
        fn every_unfinished_frame_is_counted_once(
            frames in prop::collection::vec(
                (prop::sample::select(vec![0_usize, 1, 125, 126, 300, 65_535, 65_536]), any::<bool>(), any::<Option<[u8; 4]>>()),
                0..20,
            ),
            read in prop::sample::select(vec![1_usize, 2, 7, 1_024, 100_000]),
        ) {
            let mut counter = FragmentCounter::default();
            let bytes: Vec<u8> = frames.iter().flat_map(|(length, fin, mask)| frame(*length, *fin, *mask)).collect();
            for chunk in bytes.chunks(read) {
                counter.read(chunk).unwrap();
            }
            let expected = frames.iter().filter(|(_, is_final, _)| !is_final).count();
            prop_assert_eq!(counter.take() as usize, expected);
            prop_assert_eq!(counter.take(), 0);
            prop_assert!(matches!(counter.position, FramePosition::First));
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _result: Result<(), TooManyFragments> = FragmentCounter::default().read(&bytes);
        }
    }

    #[test]
    fn a_message_may_have_64_fragments_before_its_last() {
        let mut counter = FragmentCounter::default();
        for _ in 0..10 {
            for _ in 0..MAX_FRAGMENTS {
                counter.read(&frame(0, false, None)).unwrap();
            }
            counter.read(&frame(3, true, None)).unwrap();
        }
        for _ in 0..MAX_FRAGMENTS {
            counter.read(&frame(0, false, None)).unwrap();
        }
        assert_eq!(counter.read(&frame(0, false, None)), Err(TooManyFragments));
    }
}
