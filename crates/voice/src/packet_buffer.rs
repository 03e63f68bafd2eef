//! Buffer of decoded packets, ordered by their sender's timestamps.

use std::collections::VecDeque;

use crate::{ms, sanitize};

/// Capacity in samples: 2 s. On overflow the oldest packet is dropped.
pub const CAPACITY: usize = ms(2000) as usize;

/// Capacity in packets: 2 s of the shortest packets of Opus (2.5 ms).
const MAX_PACKETS: usize = 800;

/// Tolerance for rounded timestamps, in samples (1.25 ms): microseconds do not always fall on samples.
const ROUNDING_TOLERANCE: i64 = 60;

/// Result of an insertion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InsertResult {
    /// The packet was buffered, in whole or in part.
    Buffered,
    /// The buffer already has all of the packet.
    Duplicate,
}

#[derive(Debug)]
struct BufferedPacket {
    /// Sender position of its first sample.
    start: i64,
    /// When it arrived, in samples of the sound card.
    arrival: i64,
    samples: Vec<f32>,
}

impl BufferedPacket {
    fn end(&self) -> i64 {
        self.start + len(&self.samples)
    }
}

/// Packets ordered by position, without overlaps. Reuses its allocations.
#[derive(Debug, Default)]
pub struct PacketBuffer {
    packets: VecDeque<BufferedPacket>,
    spare: Vec<Vec<f32>>,
    samples: usize,
}

impl PacketBuffer {
    /// Position of the first buffered sample.
    pub fn first(&self) -> Option<i64> {
        self.packets.front().map(|packet| packet.start)
    }

    /// Number of buffered samples.
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// Inserts the part of a packet that is not buffered yet. Samples before the position `played` are dropped.
    pub fn insert(&mut self, start: i64, arrival: i64, mut samples: &[f32], played: Option<i64>) -> InsertResult {
        let at = self.packets.partition_point(|packet| packet.start < start);
        let before = at.checked_sub(1).and_then(|index| self.packets.get(index)).map(BufferedPacket::end);
        let mut start = start;
        if let Some(limit) = before.or(played).filter(|limit| start < *limit + ROUNDING_TOLERANCE) {
            let is_aligned = start > limit - ROUNDING_TOLERANCE;
            let covered = if is_aligned { 0 } else { usize::try_from(limit - start).unwrap_or(usize::MAX) };
            samples = samples.get(covered..).unwrap_or_default();
            start = limit;
        }
        if let Some(next) = self.packets.get(at).map(|packet| packet.start)
            && next < start + len(samples)
        {
            let room = usize::try_from(next - start).unwrap_or(0);
            samples = samples.get(..room).unwrap_or(samples);
        }
        if samples.is_empty() {
            return InsertResult::Duplicate;
        }
        let mut buffer = self.spare.pop().unwrap_or_default();
        buffer.extend(samples.iter().copied().map(sanitize));
        self.samples += buffer.len();
        self.packets.insert(at, BufferedPacket { start, arrival, samples: buffer });
        while self.samples > CAPACITY || self.packets.len() > MAX_PACKETS {
            self.drop_first();
        }
        InsertResult::Buffered
    }

    /// Moves the first packet to the end of `into` if it starts at `position`, and returns its arrival.
    pub fn take(&mut self, position: i64, into: &mut Vec<f32>) -> Option<i64> {
        let packet = self.packets.front().filter(|packet| packet.start == position)?;
        into.extend_from_slice(&packet.samples);
        let arrival = packet.arrival;
        self.drop_first();
        Some(arrival)
    }

    /// Drops all packets.
    pub fn clear(&mut self) {
        while !self.packets.is_empty() {
            self.drop_first();
        }
    }

    fn drop_first(&mut self) {
        if let Some(mut packet) = self.packets.pop_front() {
            self.samples -= packet.samples.len();
            packet.samples.clear();
            self.spare.push(packet.samples);
        }
    }
}

fn len(samples: &[f32]) -> i64 {
    samples.len() as i64
}
