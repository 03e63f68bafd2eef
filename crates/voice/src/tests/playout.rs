//! Simulation of a jitter buffer: packets that are delayed, lost or duplicated, and played by another clock than the sender's.

use crate::{JitterBuffer, RATE};

/// Samples in a packet.
pub const PACKET: usize = 960;

/// Samples in a render quantum, pulled at a time.
pub const QUANTUM: usize = 128;

/// What the simulated network does to a packet.
#[derive(Debug, Clone, Copy, Default)]
pub struct PacketFate {
    /// Network delay in milliseconds.
    pub transit: f64,
    /// Whether it is lost.
    pub is_lost: bool,
    /// Time until a duplicate arrives, in milliseconds.
    pub duplicate_after: Option<f64>,
}

/// Result of a simulated playout.
#[derive(Debug)]
pub struct Playout {
    pub buffer: JitterBuffer,
    /// The samples played.
    pub played: Vec<f32>,
    /// Target delay in milliseconds, for each quantum.
    pub targets: Vec<f64>,
    /// Sender position being played, in samples, for each quantum.
    pub positions: Vec<Option<f64>>,
}

/// Plays `audio` on a sound card that is `drift` (parts per million) slower than the sender's clock. `fate` returns what happens to
/// each packet; `None` means that it is not sent.
pub fn play(audio: &[f32], drift: f64, mut fate: impl FnMut(usize) -> Option<PacketFate>) -> Playout {
    let mut arrivals = Vec::new();
    for index in 0..audio.len() / PACKET {
        let Some(fate) = fate(index) else { continue };
        let sent = ((index + 1) * PACKET) as f64;
        let samples = |ms: f64| ms * f64::from(RATE) / 1000.0;
        for extra in [Some(0.0), fate.duplicate_after].into_iter().flatten().filter(|_| !fate.is_lost) {
            arrivals.push((((sent + samples(fate.transit + extra)) * (1.0 - drift / 1e6)) as i64, index));
        }
    }
    arrivals.sort_by_key(|(at, _)| *at);
    let mut playout =
        Playout { buffer: JitterBuffer::default(), played: Vec::new(), targets: Vec::new(), positions: Vec::new() };
    let mut arrivals = arrivals.into_iter().peekable();
    let end = (audio.len() as f64 * (1.0 - drift / 1e6)) as usize;
    let mut out = [0.0; QUANTUM];
    while playout.played.len() < end {
        let now = playout.played.len() as i64;
        while let Some((_, index)) = arrivals.next_if(|(at, _)| *at <= now) {
            let samples = &audio[index * PACKET..(index + 1) * PACKET];
            playout.buffer.insert(timestamp(index * PACKET), now, samples);
        }
        playout.buffer.pull(now, &mut out);
        playout.played.extend_from_slice(&out);
        playout.targets.push(playout.buffer.target() as f64 / 48.0);
        playout.positions.push(playout.buffer.playing().map(|timestamp| timestamp as f64 * 0.048));
    }
    playout
}

/// The timestamp of a position in microseconds, rounded as JavaScript does.
pub fn timestamp(position: usize) -> i64 {
    (position as f64 * 1e6 / f64::from(RATE)).round() as i64
}

impl Playout {
    /// Buffering delay of packets with a network delay of `transit`, for a quantum. All in milliseconds.
    pub fn delay(&self, quantum: usize, transit: f64) -> Option<f64> {
        let position = self.positions[quantum]?;
        Some(((quantum * QUANTUM) as f64 - position - PACKET as f64) / 48.0 - transit)
    }

    /// The longest silence after the first `skip` seconds, in milliseconds.
    pub fn longest_gap(&self, skip: f64) -> f64 {
        let (mut longest, mut current) = (0, 0);
        for sample in &self.played[(skip * f64::from(RATE)) as usize..] {
            current = if sample.abs() < 1e-4 { current + 1 } else { 0 };
            longest = longest.max(current);
        }
        f64::from(longest) / 48.0
    }

    /// The largest difference of two consecutive samples.
    pub fn max_step(&self) -> f32 {
        self.played.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max)
    }
}
