//! Packets that wait for their turn, in the order of their sender's timestamps.

use std::collections::VecDeque;

use crate::{ms, sound};

/// Frames that wait at most: 2 s. The oldest go first.
pub const CAPACITY: usize = ms(2000) as usize;

/// Packets that wait at most: 2 s of the shortest that Opus has (2.5 ms).
const PACKETS: usize = 800;

/// Timestamps in microseconds do not always fall on frames, and rounding is nobody's gap: 1.25 ms.
const SLACK: i64 = 60;

/// What came of inserting a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inserted {
    /// It waits for its turn, all or in part.
    Kept,
    /// All of it was there already.
    Duplicate,
}

#[derive(Debug)]
struct Packet {
    /// The sender's position of its first frame.
    start: i64,
    /// The frame of the sound card at which it arrived.
    arrival: i64,
    samples: Vec<f32>,
}

impl Packet {
    fn end(&self) -> i64 {
        self.start + len(&self.samples)
    }
}

/// Packets by position, without overlaps. Their buffers are used again, so that little is allocated.
#[derive(Debug, Default)]
pub struct Store {
    packets: VecDeque<Packet>,
    spare: Vec<Vec<f32>>,
    frames: usize,
}

impl Store {
    /// The position of the first frame that waits.
    pub fn first(&self) -> Option<i64> {
        self.packets.front().map(|packet| packet.start)
    }

    /// How many frames wait.
    pub fn frames(&self) -> usize {
        self.frames
    }

    /// Takes what is new of a packet. `played` is the position up to which nothing is needed any more.
    pub fn insert(&mut self, start: i64, arrival: i64, mut samples: &[f32], played: Option<i64>) -> Inserted {
        let at = self.packets.partition_point(|packet| packet.start < start);
        let before = at.checked_sub(1).and_then(|index| self.packets.get(index)).map(Packet::end);
        let mut start = start;
        if let Some(limit) = before.or(played).filter(|limit| start < *limit + SLACK) {
            let is_aligned = start > limit - SLACK;
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
            return Inserted::Duplicate;
        }
        let mut buffer = self.spare.pop().unwrap_or_default();
        buffer.extend(samples.iter().copied().map(sound));
        self.frames += buffer.len();
        self.packets.insert(at, Packet { start, arrival, samples: buffer });
        while self.frames > CAPACITY || self.packets.len() > PACKETS {
            self.drop_first();
        }
        Inserted::Kept
    }

    /// Moves the first packet to the end of `into` when it starts at `position`, and gives its arrival.
    pub fn take(&mut self, position: i64, into: &mut Vec<f32>) -> Option<i64> {
        let packet = self.packets.front().filter(|packet| packet.start == position)?;
        into.extend_from_slice(&packet.samples);
        let arrival = packet.arrival;
        self.drop_first();
        Some(arrival)
    }

    /// Forgets all of it.
    pub fn clear(&mut self) {
        while !self.packets.is_empty() {
            self.drop_first();
        }
    }

    fn drop_first(&mut self) {
        if let Some(mut packet) = self.packets.pop_front() {
            self.frames -= packet.samples.len();
            packet.samples.clear();
            self.spare.push(packet.samples);
        }
    }
}

/// The length of what is far shorter than a position can tell.
fn len(samples: &[f32]) -> i64 {
    samples.len() as i64
}
