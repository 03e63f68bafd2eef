//! Packets to VP8 frames (RFC 7741).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use crate::frame::{Frame, Kind};
use crate::wrapping::{Sequence, Ticks};

/// How long a missing packet is waited for. Time for two rounds of asking on a path with 100 ms there and back.
const PATIENCE: Duration = Duration::from_millis(500);
/// How many packets may wait for missing ones: about 5 MB.
const LIMIT: usize = 4096;

/// Puts frames together. Frames come out whole and in order, each with all that it needs before it: after a loss that
/// nothing repaired, from the next keyframe on.
#[derive(Default)]
pub(crate) struct Assembler {
    /// By extended sequence number.
    parts: BTreeMap<u64, Part>,
    /// The packet that comes next, once a keyframe was found.
    next: Option<u64>,
    /// What comes before was taken or given up.
    floor: u64,
    sequence: Sequence,
    ticks: Ticks,
    /// What is missing, and since when it is known to be.
    gap: Option<(u64, Instant)>,
}

struct Part {
    timestamp: u32,
    marker: bool,
    start: bool,
    /// Without the descriptor. Empty for padding.
    data: Bytes,
}

impl Part {
    fn starts_keyframe(&self) -> bool {
        self.start && is_keyframe(&self.data)
    }
}

/// What there is to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// A frame, and its RTP timestamp.
    Frame(Frame, u32),
    /// Something was lost for good, and frames with it: a keyframe is needed. Ask again.
    Lost,
    /// Nothing, or nothing until then.
    Wait(Option<Instant>),
}

impl Assembler {
    /// Whether nothing can come out before a keyframe.
    pub fn needs_keyframe(&self) -> bool {
        self.next.is_none()
    }

    /// Takes a packet.
    pub fn push(&mut self, sequence: u16, timestamp: u32, marker: bool, payload: &Bytes) {
        let Some(part) = part(timestamp, marker, payload) else {
            // Not VP8: as good as lost.
            return;
        };
        let number = self.sequence.extend(sequence);
        if number < self.floor {
            return;
        }
        if self.parts.len() >= LIMIT {
            self.parts.clear();
            self.next = None;
        }
        self.parts.insert(number, part);
    }

    /// What there is to do. To be asked until there is nothing.
    pub fn next(&mut self, now: Instant) -> Next {
        if self.next.is_none() && !self.find_keyframe() {
            return Next::Wait(None);
        }
        let Some(mut at) = self.next else {
            return Next::Wait(None);
        };
        let first = loop {
            match self.parts.get(&at) {
                Some(part) if part.data.is_empty() => {
                    self.parts.remove(&at);
                    at += 1;
                    self.next = Some(at);
                }
                Some(part) if part.start => break part.timestamp,
                Some(_) => return self.lose(at),
                None => return self.missing(at, now),
            }
        };
        let mut end = at;
        loop {
            match self.parts.get(&end) {
                Some(part) if part.timestamp != first => return self.lose(at),
                Some(part) if part.marker => break,
                Some(_) => end += 1,
                None => return self.missing(end, now),
            }
        }
        self.gap = None;
        self.next = Some(end + 1);
        self.floor = end + 1;
        Next::Frame(self.take(at, end, first), first)
    }

    fn take(&mut self, from: u64, to: u64, timestamp: u32) -> Frame {
        let rest = self.parts.split_off(&(to + 1));
        let mut parts = std::mem::replace(&mut self.parts, rest);
        // A frame in a single packet is not copied.
        let data = if from == to {
            parts.remove(&from).map(|part| part.data).unwrap_or_default()
        } else {
            let mut data = BytesMut::with_capacity(parts.values().map(|part| part.data.len()).sum());
            for part in parts.values() {
                data.extend_from_slice(&part.data);
            }
            data.freeze()
        };
        Frame {
            kind: Kind::Video,
            timestamp: self.ticks.extend(timestamp) * 100 / 9,
            captured: None,
            keyframe: is_keyframe(&data),
            data,
        }
    }

    /// Waits for a packet if later ones are there, but not for ever.
    fn missing(&mut self, number: u64, now: Instant) -> Next {
        if self.sequence.highest().is_none_or(|highest| highest < number) {
            return Next::Wait(None);
        }
        let since = match self.gap {
            Some((missing, since)) if missing == number => since,
            _ => {
                self.gap = Some((number, now));
                now
            }
        };
        if now.duration_since(since) < PATIENCE {
            return Next::Wait(Some(since + PATIENCE));
        }
        self.lose(self.next.unwrap_or(number))
    }

    fn lose(&mut self, from: u64) -> Next {
        self.parts = self.parts.split_off(&(from + 1));
        self.floor = from + 1;
        self.next = None;
        self.gap = None;
        Next::Lost
    }

    /// Goes on from the first packet of the first keyframe that is there.
    fn find_keyframe(&mut self) -> bool {
        let found = self.parts.iter().find(|(_, part)| part.starts_keyframe()).map(|(number, _)| *number);
        if let Some(number) = found {
            self.parts = self.parts.split_off(&number);
            self.next = Some(number);
        }
        found.is_some()
    }
}

/// Whether a VP8 frame is a keyframe (RFC 6386, section 9.1).
pub(crate) fn is_keyframe(frame: &[u8]) -> bool {
    frame.first().is_some_and(|byte| byte & 1 == 0)
}

/// Width and height of a keyframe, in pixels (RFC 6386, section 9.1).
pub(crate) fn size(frame: &[u8]) -> Option<(u32, u32)> {
    match frame {
        [first, _, _, 0x9D, 0x01, 0x2A, w0, w1, h0, h1, ..] if first & 1 == 0 => {
            // The upper two bits are for scaling.
            let side = |low: u8, high: u8| u32::from(u16::from_le_bytes([low, high]) & 0x3FFF);
            Some((side(*w0, *w1), side(*h0, *h1)))
        }
        _ => None,
    }
}

/// Takes the descriptor off (RFC 7741, section 4.2).
fn part(timestamp: u32, marker: bool, payload: &Bytes) -> Option<Part> {
    if payload.is_empty() {
        return Some(Part { timestamp, marker, start: false, data: Bytes::new() });
    }
    let first = *payload.first()?;
    let mut length = 1;
    if first & 0x80 != 0 {
        let extension = *payload.get(length)?;
        length += 1;
        if extension & 0x80 != 0 {
            let long = *payload.get(length)? & 0x80 != 0;
            length += if long { 2 } else { 1 };
        }
        if extension & 0x40 != 0 {
            length += 1;
        }
        if extension & 0x30 != 0 {
            length += 1;
        }
    }
    if length >= payload.len() {
        return None;
    }
    Some(Part { timestamp, marker, start: first & 0x17 == 0x10, data: payload.slice(length..) })
}

#[cfg(test)]
mod tests;
