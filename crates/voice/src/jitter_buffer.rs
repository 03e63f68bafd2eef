//! Adaptive jitter buffer: turns packets that arrive irregularly into gapless audio.

use crate::delay_estimator::{DelayEstimator, MIN_TARGET};
use crate::jitter_stats::JitterBufferStats;
use crate::packet_buffer::{InsertResult, PacketBuffer};
use crate::pitch::LONGEST;
use crate::plc::LossConcealer;
use crate::{RATE, ms, sanitize, time_stretch};

/// Samples produced at a time while playing: 5 ms.
const PLAY_STEP: usize = ms(5) as usize;

/// Samples concealed at a time: few, since the missing packet may arrive at any moment.
const CONCEAL_STEP: i64 = ms(5) / 2;

/// Samples of the past that are kept: enough to find two pitch periods.
const HISTORY: usize = ms(40) as usize;

/// Samples taken from packets ahead of time: enough to remove the longest pitch period.
const AHEAD: usize = 2 * LONGEST + PLAY_STEP;

/// Length of the crossfade from concealed to received audio.
const CROSSFADE: usize = ms(5) as usize;

/// Deviation from the expected arrival beyond which a timestamp is implausible, for example after the sender restarted.
const MAX_JUMP: i64 = ms(1000);

/// Number of late or implausible packets in a row after which the buffer restarts with them.
const MAX_IMPLAUSIBLE: u32 = 5;

/// Excess over the target delay that is not corrected: a smaller one would stretch back and forth.
const TOLERANCE: i64 = ms(15);

/// Samples that must be ready before the slowest packet arrives, since audio is produced in small blocks.
const RESERVE: i64 = ms(10);

/// Excess delay that is corrected whatever the audio.
const MAX_EXCESS: i64 = ms(75);

/// Correlation of two pitch periods above which removing one is inaudible.
const MIN_CORRELATION: f32 = 0.9;

/// Pause between two time stretches: changes the speed by 5 to 10 %.
const STRETCH_PAUSE: i64 = ms(100);

/// Pause between two time stretches under a large deviation from the target delay.
const URGENT_STRETCH_PAUSE: i64 = ms(20);
/// Missing delay that counts as large.
const URGENT_DEFICIT: i64 = ms(40);
/// Excess delay that counts as large: less harmful than missing delay.
const URGENT_EXCESS: i64 = ms(150);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PlayoutState {
    /// Before the first packet, or after a long concealment.
    Silent,
    Playing,
    Concealing,
}

/// Adaptive jitter buffer for decoded audio.
///
/// The *position* of a sample is its sender's timestamp in samples. A sample is played [`DelayEstimator::target`] later than the
/// fastest packets arrive. Time stretching keeps that delay; missing samples are concealed.
#[derive(Debug)]
pub struct JitterBuffer {
    packets: PacketBuffer,
    delay_estimator: DelayEstimator,
    state: PlayoutState,
    concealer: LossConcealer,
    /// Samples taken from their packets, and the position of the first. Removed and inserted samples are included in it.
    ahead: Vec<f32>,
    position: i64,
    /// Position up to which packets were taken; `None` before the first.
    taken: Option<i64>,
    /// Samples ready to be played.
    ready: Vec<f32>,
    /// The last samples that became ready.
    history: Vec<f32>,
    scratch: Vec<f32>,
    since_stretch: i64,
    implausible: u32,
    playing: Option<i64>,
    stats: JitterBufferStats,
}

impl Default for JitterBuffer {
    fn default() -> Self {
        Self {
            packets: PacketBuffer::default(),
            delay_estimator: DelayEstimator::default(),
            state: PlayoutState::Silent,
            concealer: LossConcealer::default(),
            ahead: Vec::new(),
            position: 0,
            taken: None,
            ready: Vec::new(),
            history: vec![0.0; HISTORY],
            scratch: Vec::new(),
            since_stretch: STRETCH_PAUSE,
            implausible: 0,
            playing: None,
            stats: JitterBufferStats::default(),
        }
    }
}

impl JitterBuffer {
    /// Inserts a packet; truncates it after [`LONGEST_PACKET`](crate::LONGEST_PACKET) samples.
    ///
    /// `timestamp` is the sender's, in microseconds; `now` is the current sample of the sound card.
    pub fn insert(&mut self, timestamp: i64, now: i64, samples: &[f32]) {
        let samples = samples.get(..crate::LONGEST_PACKET).unwrap_or(samples);
        if samples.is_empty() {
            return;
        }
        let start = position(timestamp);
        if !self.is_plausible(start, now, samples.len()) {
            self.stats.discarded += 1;
            self.implausible += 1;
            if self.implausible < MAX_IMPLAUSIBLE {
                return;
            }
            self.restart();
        }
        self.delay_estimator.packet_arrived(start, now);
        match self.packets.insert(start, now, samples, self.taken) {
            InsertResult::Buffered => {
                self.implausible = 0;
                self.stats.packets += 1;
            }
            InsertResult::Duplicate => self.stats.discarded += 1,
        }
    }

    /// Fills `out` with the samples to play from `now` on. Each call must continue where the last one ended.
    pub fn pull(&mut self, now: i64, out: &mut [f32]) {
        self.playing = match self.state {
            PlayoutState::Silent => None,
            PlayoutState::Playing => Some(self.position - len(&self.ready)),
            // Concealed samples count as played only if they replace lost ones: late ones are still to come.
            PlayoutState::Concealing => {
                let lost = self.gap().unwrap_or(0).min(self.concealer.samples());
                Some(self.position + lost - len(&self.ready))
            }
        };
        while self.ready.len() < out.len() {
            self.produce(now + len(&self.ready));
        }
        let samples = out.len();
        for (to, from) in out.iter_mut().zip(self.ready.drain(..samples)) {
            *to = sanitize(from);
        }
        if self.taken.is_some() {
            self.stats.received += out.len() as u64;
        }
    }

    /// The sender's timestamp of the first sample of the last pull, in microseconds; `None` during silence.
    pub fn playing(&self) -> Option<i64> {
        self.playing.map(|position| position.saturating_mul(125) / 6)
    }

    /// Target delay of the fastest packets, in samples.
    pub fn target(&self) -> i64 {
        self.delay_estimator.target()
    }

    /// Number of buffered samples.
    pub fn buffered(&self) -> usize {
        self.packets.samples() + self.ahead.len() + self.ready.len()
    }

    /// Counters since the start.
    pub fn stats(&self) -> &JitterBufferStats {
        &self.stats
    }

    /// Whether a packet is neither too late nor far from its expected arrival.
    fn is_plausible(&self, start: i64, now: i64, samples: usize) -> bool {
        let is_late = self.taken.is_some_and(|taken| start + samples as i64 <= taken);
        let jumps = self.delay_estimator.base_transit().is_some_and(|base| (now - start - base).abs() > MAX_JUMP);
        !is_late && !jumps
    }

    fn restart(&mut self) {
        self.packets.clear();
        self.ahead.clear();
        self.delay_estimator.restart();
        self.taken = None;
        self.implausible = 0;
        if self.state == PlayoutState::Playing {
            self.start_concealment();
        }
    }

    /// Makes at least one sample ready for `now`.
    fn produce(&mut self, now: i64) {
        let ready_before = self.ready.len();
        self.since_stretch = self.since_stretch.saturating_add(PLAY_STEP as i64);
        if self.state == PlayoutState::Playing {
            self.take_packets(now);
            if self.ahead.len() >= PLAY_STEP {
                self.stretch(now);
            }
            if self.ahead.is_empty() {
                self.start_concealment();
            }
        }
        if self.state != PlayoutState::Playing && self.may_resume(now) {
            self.resume(now);
        }
        match self.state {
            PlayoutState::Playing => self.play(),
            PlayoutState::Concealing => self.conceal(),
            PlayoutState::Silent => self.play_silence(),
        }
        let produced = self.ready.len() - ready_before;
        self.history.drain(..produced.min(HISTORY));
        self.history.extend_from_slice(&self.ready[self.ready.len() - produced.min(HISTORY)..]);
    }

    fn play(&mut self) {
        let samples = self.ahead.len().min(PLAY_STEP);
        self.ready.extend(self.ahead.drain(..samples));
        self.position += samples as i64;
        self.stats.emitted += samples as u64;
        self.stats.target_delay += seconds(self.delay_estimator.target()) * samples as f64;
    }

    fn conceal(&mut self) {
        // Not beyond the start of the next packet.
        let gap = self.gap().map_or(CONCEAL_STEP, |gap| gap - self.concealer.samples());
        for _ in 0..gap.clamp(1, CONCEAL_STEP) {
            self.ready.push(self.concealer.next());
            self.stats.concealed += 1;
        }
        if self.concealer.is_silent() {
            self.state = PlayoutState::Silent;
        }
    }

    fn play_silence(&mut self) {
        self.ready.extend(std::iter::repeat_n(0.0, CONCEAL_STEP as usize));
        if self.taken.is_some() {
            self.stats.concealed += CONCEAL_STEP as u64;
            self.stats.silent += CONCEAL_STEP as u64;
        }
    }

    fn start_concealment(&mut self) {
        self.concealer.start(&self.history);
        self.state = PlayoutState::Concealing;
        self.stats.concealments += 1;
    }

    /// Number of samples missing before the first buffered packet.
    fn gap(&self) -> Option<i64> {
        Some(self.packets.first()? - self.taken?)
    }

    fn may_resume(&self, now: i64) -> bool {
        let Some(first) = self.packets.first() else { return false };
        let delay = now - first - self.delay_estimator.base_transit().unwrap_or(now - first);
        // During speech a slight excess of delay is better than dropped samples.
        let tolerance = if self.state == PlayoutState::Concealing { TOLERANCE } else { 0 };
        let is_due = delay >= self.delay_estimator.target() + tolerance;
        let is_full = self.packets.samples() > crate::packet_buffer::CAPACITY / 2;
        let is_next =
            self.state == PlayoutState::Concealing && self.gap().is_some_and(|gap| gap <= self.concealer.samples());
        is_due || is_full || is_next
    }

    fn resume(&mut self, now: i64) {
        let Some(first) = self.packets.first() else { return };
        (self.position, self.taken) = (first, Some(first));
        self.ahead.clear();
        self.take_packets(now);
        let fade = CROSSFADE.min(self.ahead.len());
        for (index, sample) in self.ahead[..fade].iter_mut().enumerate() {
            let weight = (index as f32 + 0.5) / fade as f32;
            let concealed = if self.state == PlayoutState::Concealing { self.concealer.next() } else { 0.0 };
            *sample = *sample * weight + concealed * (1.0 - weight);
        }
        self.state = PlayoutState::Playing;
    }

    /// Takes samples from the next packets until [`AHEAD`] are available.
    fn take_packets(&mut self, now: i64) {
        while self.ahead.len() < AHEAD {
            let Some(taken) = self.taken else { return };
            let before = self.ahead.len();
            let Some(arrival) = self.packets.take(taken, &mut self.ahead) else { return };
            let samples = (self.ahead.len() - before) as i64;
            self.taken = Some(taken + samples);
            self.stats.delay += seconds((now + before as i64 - arrival).max(0)) * samples as f64;
        }
    }

    /// Moves the delay towards the target by time stretching.
    fn stretch(&mut self, now: i64) {
        let estimator = &self.delay_estimator;
        let (Some(base), Some(slowest)) = (estimator.base_transit(), estimator.slowest_transit()) else { return };
        let excess = now - self.position - base - estimator.target();
        // Removing more than this would leave a gap if the next packet is as slow as the recent ones.
        let removable = now - self.position - slowest - RESERVE;
        let is_urgent = !(-URGENT_DEFICIT..=URGENT_EXCESS).contains(&excess);
        let pause = if is_urgent { URGENT_STRETCH_PAUSE } else { STRETCH_PAUSE };
        if self.since_stretch < pause || (-ms(5)..TOLERANCE).contains(&excess) {
            return;
        }
        let max_deviation = if excess < 0 { MIN_TARGET } else { MAX_EXCESS };
        let min_correlation = MIN_CORRELATION * (1.0 - excess.abs() as f32 / max_deviation as f32);
        let changed = if excess > 0 {
            let longest = usize::try_from(excess.min(removable)).unwrap_or(0);
            let removed = time_stretch::accelerate(&mut self.ahead, longest, min_correlation);
            self.position += removed.unwrap_or(0) as i64;
            self.stats.removed += removed.unwrap_or(0) as u64;
            removed
        } else {
            let inserted = time_stretch::decelerate(&self.history, &mut self.ahead, min_correlation, &mut self.scratch);
            self.position -= inserted.unwrap_or(0) as i64;
            self.stats.inserted += inserted.unwrap_or(0) as u64;
            inserted
        };
        if changed.is_some() {
            self.since_stretch = 0;
        }
    }
}

/// Converts a timestamp in microseconds to a position in samples, within the range that JavaScript represents exactly.
fn position(timestamp: i64) -> i64 {
    const EXACT: i64 = 1 << 53;
    (timestamp.clamp(-EXACT, EXACT) * 6 + 62).div_euclid(125)
}

fn seconds(samples: i64) -> f64 {
    samples as f64 / f64::from(RATE)
}

fn len(samples: &[f32]) -> i64 {
    samples.len() as i64
}
