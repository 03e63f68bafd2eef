//! VP8 depacketizer: assembles frames from RTP packets (RFC 7741).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use crate::codecs::clock_rate;
use crate::frame::{EncodedFrame, MediaType};
use crate::unwrap::{SequenceUnwrapper, TimestampUnwrapper};

/// How long a missing packet is awaited: time for two NACKs on a path with a round trip of 100 ms.
const LOSS_TIMEOUT: Duration = Duration::from_millis(500);
/// Limit of packets held while earlier ones are missing: about 6 MB.
const MAX_PACKETS: usize = 4096;
/// Limit of an RTP payload in bytes: that of a network packet.
pub(crate) const MAX_PAYLOAD: usize = 1_500;
/// Limits of a picture, in pixels: those of the largest screens that are shared. A decoder allocates several pictures of the size
/// that a keyframe claims, which without limits could be 16,383 pixels each way: 400 MB for each picture.
const MAX_SIDE: u32 = 8_192;
const MAX_AREA: u32 = 1 << 24;

/// Assembles frames. Its output is complete, in order and decodable: after an unrepaired loss it continues with the next
/// keyframe. A keyframe without a valid header, or with a picture beyond the limits, counts as lost.
#[derive(Default)]
pub(crate) struct FrameAssembler {
    /// By unwrapped sequence number.
    packets: BTreeMap<u64, Vp8Packet>,
    /// The next packet to consume; `None` before a keyframe is found.
    next: Option<u64>,
    /// Packets below were consumed or given up.
    floor: u64,
    sequence: SequenceUnwrapper,
    timestamps: TimestampUnwrapper,
    /// The missing packet, and when it was noticed.
    gap: Option<(u64, Instant)>,
}

struct Vp8Packet {
    timestamp: u32,
    marker: bool,
    is_start: bool,
    /// The payload without its descriptor. Empty for padding.
    data: Bytes,
}

impl Vp8Packet {
    fn starts_keyframe(&self) -> bool {
        self.is_start && is_keyframe(&self.data)
    }
}

/// Result of an assembly step.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum AssemblyStep {
    /// A frame, and its RTP timestamp.
    Frame(EncodedFrame, u32),
    /// A packet is lost for good, and at least one frame with it: a keyframe is needed. Call again.
    Lost,
    /// No frame until more packets arrive, or until the deadline.
    Wait(Option<Instant>),
}

impl FrameAssembler {
    /// Whether no frame can follow before a keyframe arrives.
    pub fn needs_keyframe(&self) -> bool {
        self.next.is_none()
    }

    /// Adds a packet. Ignores one that is not VP8 or too large, which then counts as lost.
    pub fn push(&mut self, sequence: u16, timestamp: u32, marker: bool, payload: &Bytes) {
        if payload.len() > MAX_PAYLOAD {
            return;
        }
        let Some(packet) = parse(timestamp, marker, payload) else { return };
        let number = self.sequence.unwrap(sequence);
        if number < self.floor {
            return;
        }
        if self.packets.len() >= MAX_PACKETS {
            self.packets.clear();
            self.next = None;
        }
        // The first of two packets with one number counts: a keyframe that was found must not turn into something else.
        self.packets.entry(number).or_insert(packet);
    }

    /// Assembles the next frame. Must be called until it returns [`AssemblyStep::Wait`].
    pub fn next(&mut self, now: Instant) -> AssemblyStep {
        if self.next.is_none() && !self.find_keyframe() {
            return AssemblyStep::Wait(None);
        }
        let Some(mut at) = self.next else {
            return AssemblyStep::Wait(None);
        };
        let first = loop {
            match self.packets.get(&at) {
                Some(packet) if packet.data.is_empty() => {
                    self.packets.remove(&at);
                    at += 1;
                    self.next = Some(at);
                    self.floor = at;
                }
                Some(packet) if packet.is_start => break packet.timestamp,
                Some(_) => return self.give_up(at),
                None => return self.wait_for(at, now),
            }
        };
        let mut end = at;
        loop {
            match self.packets.get(&end) {
                Some(packet) if packet.timestamp != first => return self.give_up(at),
                Some(packet) if packet.marker => break,
                Some(_) => end += 1,
                None => return self.wait_for(end, now),
            }
        }
        self.gap = None;
        self.next = Some(end + 1);
        self.floor = end + 1;
        let frame = self.take(at, end, first);
        if frame.keyframe && !has_valid_size(&frame.data) {
            // The frames that follow depend on it.
            self.next = None;
            return AssemblyStep::Lost;
        }
        AssemblyStep::Frame(frame, first)
    }

    fn take(&mut self, from: u64, to: u64, timestamp: u32) -> EncodedFrame {
        let rest = self.packets.split_off(&(to + 1));
        let mut packets = std::mem::replace(&mut self.packets, rest);
        // A frame in a single packet is not copied.
        let data = if from == to {
            packets.remove(&from).map(|packet| packet.data).unwrap_or_default()
        } else {
            let mut data = BytesMut::with_capacity(packets.values().map(|packet| packet.data.len()).sum());
            for packet in packets.values() {
                data.extend_from_slice(&packet.data);
            }
            data.freeze()
        };
        EncodedFrame {
            kind: MediaType::Video,
            timestamp: self.timestamps.micros(timestamp, clock_rate(MediaType::Video)),
            captured_at: None,
            keyframe: is_keyframe(&data),
            data,
        }
    }

    /// Waits for a missing packet if later ones arrived, up to the timeout.
    fn wait_for(&mut self, number: u64, now: Instant) -> AssemblyStep {
        if self.sequence.highest().is_none_or(|highest| highest < number) {
            return AssemblyStep::Wait(None);
        }
        let since = match self.gap {
            Some((missing, since)) if missing == number => since,
            _ => {
                self.gap = Some((number, now));
                now
            }
        };
        if now.duration_since(since) < LOSS_TIMEOUT {
            return AssemblyStep::Wait(Some(since + LOSS_TIMEOUT));
        }
        self.give_up(self.next.unwrap_or(number))
    }

    fn give_up(&mut self, from: u64) -> AssemblyStep {
        self.packets = self.packets.split_off(&(from + 1));
        self.floor = from + 1;
        self.next = None;
        self.gap = None;
        AssemblyStep::Lost
    }

    /// Continues with the first packet of the first keyframe that arrived.
    fn find_keyframe(&mut self) -> bool {
        let found = self.packets.iter().find(|(_, packet)| packet.starts_keyframe()).map(|(number, _)| *number);
        if let Some(number) = found {
            self.packets = self.packets.split_off(&number);
            // A late packet of an earlier frame must not become a part of this one.
            self.floor = number;
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
            // The upper two bits are the scaling factor.
            let side = |low: u8, high: u8| u32::from(u16::from_le_bytes([low, high]) & 0x3FFF);
            Some((side(*w0, *w1), side(*h0, *h1)))
        }
        _ => None,
    }
}

/// Whether a keyframe has a picture within the limits. Checked before anything allocates by its size.
fn has_valid_size(keyframe: &[u8]) -> bool {
    size(keyframe).is_some_and(|(width, height)| {
        (1..=MAX_SIDE).contains(&width) && (1..=MAX_SIDE).contains(&height) && width * height <= MAX_AREA
    })
}

/// Parses and removes the payload descriptor (RFC 7741, section 4.2).
fn parse(timestamp: u32, marker: bool, payload: &Bytes) -> Option<Vp8Packet> {
    if payload.is_empty() {
        return Some(Vp8Packet { timestamp, marker, is_start: false, data: Bytes::new() });
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
    Some(Vp8Packet { timestamp, marker, is_start: first & 0x17 == 0x10, data: payload.slice(length..) })
}

#[cfg(test)]
mod tests;
