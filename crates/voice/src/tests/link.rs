//! Packets on their way: sent by one clock, late, lost, twice, and played by another clock.

use crate::{JitterBuffer, RATE};

/// Frames of a packet.
pub const PACKET: usize = 960;

/// What a call of the sound card asks for.
pub const QUANTUM: usize = 128;

/// What happens to a packet on its way.
#[derive(Debug, Clone, Copy, Default)]
pub struct Fate {
    /// How long it takes, in milliseconds.
    pub transit: f64,
    /// It never arrives.
    pub is_lost: bool,
    /// It arrives again this much later, in milliseconds.
    pub again: Option<f64>,
}

/// A call's voice in one direction.
#[derive(Debug)]
pub struct Link {
    pub buffer: JitterBuffer,
    /// What was played.
    pub played: Vec<f32>,
    /// The delay aimed at, in milliseconds, and the sender's time that was heard, in frames, at every call.
    pub targets: Vec<f64>,
    pub heard: Vec<Option<f64>>,
}

/// Plays `sound` whose packets meet the fates that `fate` says, on a sound card that is `drift` (parts per million) slower
/// than the sender's clock. Packets for which `fate` has nothing are not sent.
pub fn play(sound: &[f32], drift: f64, mut fate: impl FnMut(usize) -> Option<Fate>) -> Link {
    let mut arrivals = Vec::new();
    for index in 0..sound.len() / PACKET {
        let Some(fate) = fate(index) else { continue };
        let sent = ((index + 1) * PACKET) as f64;
        let frames = |ms: f64| ms * f64::from(RATE) / 1000.0;
        for late in [Some(0.0), fate.again].into_iter().flatten().filter(|_| !fate.is_lost) {
            arrivals.push((((sent + frames(fate.transit + late)) * (1.0 - drift / 1e6)) as i64, index));
        }
    }
    arrivals.sort_by_key(|(at, _)| *at);
    let mut link = Link { buffer: JitterBuffer::default(), played: Vec::new(), targets: Vec::new(), heard: Vec::new() };
    let mut arrivals = arrivals.into_iter().peekable();
    let end = (sound.len() as f64 * (1.0 - drift / 1e6)) as usize;
    let mut out = [0.0; QUANTUM];
    while link.played.len() < end {
        let frame = link.played.len() as i64;
        while let Some((_, index)) = arrivals.next_if(|(at, _)| *at <= frame) {
            let samples = &sound[index * PACKET..(index + 1) * PACKET];
            link.buffer.insert(timestamp(index * PACKET), frame, samples);
        }
        link.buffer.pull(frame, &mut out);
        link.played.extend_from_slice(&out);
        link.targets.push(link.buffer.target() as f64 / 48.0);
        link.heard.push(link.buffer.playing().map(|timestamp| timestamp as f64 * 0.048));
    }
    link
}

/// The timestamp of a frame, rounded as a script would.
pub fn timestamp(frame: usize) -> i64 {
    (frame as f64 * 1e6 / f64::from(RATE)).round() as i64
}

impl Link {
    /// How long packets that took `transit` milliseconds waited, in milliseconds, at a call.
    pub fn delay(&self, call: usize, transit: f64) -> Option<f64> {
        let heard = self.heard[call]?;
        Some(((call * QUANTUM) as f64 - heard - PACKET as f64) / 48.0 - transit)
    }

    /// The longest time without any sound after the first `skip` seconds, in milliseconds.
    pub fn longest_gap(&self, skip: f64) -> f64 {
        let (mut longest, mut now) = (0, 0);
        for sample in &self.played[(skip * f64::from(RATE)) as usize..] {
            now = if sample.abs() < 1e-4 { now + 1 } else { 0 };
            longest = longest.max(now);
        }
        f64::from(longest) / 48.0
    }

    /// The greatest step from one sample to the next.
    pub fn steepest(&self) -> f32 {
        self.played.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max)
    }
}
