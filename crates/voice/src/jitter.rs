//! Packets that arrive irregularly become a sound without gaps.

use crate::conceal::Concealment;
use crate::delay::{Delay, LEAST};
use crate::pitch::LONGEST;
use crate::stats::Stats;
use crate::store::{Inserted, Store};
use crate::{RATE, ms, sound, stretch};

/// Frames made ready at a time: 5 ms.
const STEP: usize = ms(5) as usize;

/// Frames made up at a time: what is missing may arrive at any moment.
const CONCEAL_STEP: i64 = ms(5) / 2;

/// Frames of the past that are kept, enough to find two periods in.
const HISTORY: usize = ms(40) as usize;

/// Frames taken out of their packets ahead of time, enough to leave out the longest period.
const AHEAD: usize = 2 * LONGEST + STEP;

/// How far what was made up fades into what arrived.
const FADE: usize = ms(5) as usize;

/// A packet that is this far from when it was due belongs to another time, say after the sender started anew.
const JUMP: i64 = ms(1000);

/// So many packets in a row that fit nothing are the sound from now on.
const MISFITS: u32 = 5;

/// The delay may be longer than aimed at by this; less would be stretching back and forth.
const TOLERANCE: i64 = ms(15);

/// What is ready before even a slow packet, since sound is made in small blocks.
const SPARE: i64 = ms(10);

/// A deviation of this much is put right whatever the sound is.
const ALLOWANCE: i64 = ms(75);

/// How well a voice repeats itself where leaving out a period is not heard.
const ALIKE: f32 = 0.9;

/// The pause between two stretches: 5 to 10 % faster or slower.
const UNHURRIED: i64 = ms(100);

/// The same when the delay is wrong by more than this.
const HURRIED: i64 = ms(20);
const HURRY: i64 = ms(40);
/// Too long a delay is a lesser evil than too short a one.
const HURRY_TO_SHORTEN: i64 = ms(150);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing yet, or nothing any more.
    Silent,
    Playing,
    Concealing,
}

/// An adaptive jitter buffer for decoded voice.
///
/// A sample's *position* is its sender's timestamp in frames. It is held for [`Delay::target`] longer than the fastest
/// packets took. That delay is reached and kept by stretching; what is missing when its time comes is made up.
#[derive(Debug)]
pub struct JitterBuffer {
    store: Store,
    delay: Delay,
    state: State,
    concealment: Concealment,
    /// Samples taken out of their packets, and the position of the first. It counts frames left out or played twice.
    ahead: Vec<f32>,
    position: i64,
    /// Up to which position packets were taken, once any were.
    taken: Option<i64>,
    /// Samples ready to be played, after those of the past.
    ready: Vec<f32>,
    history: Vec<f32>,
    scratch: Vec<f32>,
    since_stretch: i64,
    misfits: u32,
    playing: Option<i64>,
    stats: Stats,
}

impl Default for JitterBuffer {
    fn default() -> Self {
        Self {
            store: Store::default(),
            delay: Delay::default(),
            state: State::Silent,
            concealment: Concealment::default(),
            ahead: Vec::new(),
            position: 0,
            taken: None,
            ready: Vec::new(),
            history: vec![0.0; HISTORY],
            scratch: Vec::new(),
            since_stretch: UNHURRIED,
            misfits: 0,
            playing: None,
            stats: Stats::default(),
        }
    }
}

impl JitterBuffer {
    /// Takes a packet of at most [`LONGEST_PACKET`](crate::LONGEST_PACKET) samples; longer ones are cut.
    ///
    /// `timestamp` is its sender's, in microseconds, and `frame` the one that the sound card is at.
    pub fn insert(&mut self, timestamp: i64, frame: i64, samples: &[f32]) {
        let samples = samples.get(..crate::LONGEST_PACKET).unwrap_or(samples);
        if samples.is_empty() {
            return;
        }
        let start = position(timestamp);
        if !self.fits(start, frame, samples.len()) {
            self.stats.discarded += 1;
            self.misfits += 1;
            if self.misfits < MISFITS {
                return;
            }
            self.restart();
        }
        self.delay.arrived(start, frame);
        match self.store.insert(start, frame, samples, self.taken) {
            Inserted::Kept => {
                self.misfits = 0;
                self.stats.packets += 1;
            }
            Inserted::Duplicate => self.stats.discarded += 1,
        }
    }

    /// Fills `out` with what is played at `frame` and after. The frame of a call is that of the last and its length.
    pub fn pull(&mut self, frame: i64, out: &mut [f32]) {
        self.playing = match self.state {
            State::Silent => None,
            State::Playing => Some(self.position - len(&self.ready)),
            // What is late is still to be heard; what is lost is over.
            State::Concealing => {
                let lost = self.gap().unwrap_or(0).min(self.concealment.frames());
                Some(self.position + lost - len(&self.ready))
            }
        };
        while self.ready.len() < out.len() {
            self.produce(frame + len(&self.ready));
        }
        let frames = out.len();
        for (to, from) in out.iter_mut().zip(self.ready.drain(..frames)) {
            *to = sound(from);
        }
        if self.taken.is_some() {
            self.stats.received += out.len() as u64;
        }
    }

    /// The sender's timestamp of the first frame of the last pull, in microseconds; nothing while there is only silence.
    pub fn playing(&self) -> Option<i64> {
        self.playing.map(|position| position.saturating_mul(125) / 6)
    }

    /// How long the fastest packets are to wait, in frames.
    pub fn target(&self) -> i64 {
        self.delay.target()
    }

    /// How many frames are kept for what is to come.
    pub fn held(&self) -> usize {
        self.store.frames() + self.ahead.len() + self.ready.len()
    }

    /// Counters since the start.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Whether a packet belongs to what is playing and is not too late.
    fn fits(&self, start: i64, frame: i64, frames: usize) -> bool {
        let is_late = self.taken.is_some_and(|taken| start + frames as i64 <= taken);
        let jumps = self.delay.base().is_some_and(|base| (frame - start - base).abs() > JUMP);
        !is_late && !jumps
    }

    fn restart(&mut self) {
        self.store.clear();
        self.ahead.clear();
        self.delay.restart();
        self.taken = None;
        self.misfits = 0;
        if self.state == State::Playing {
            self.conceal();
        }
    }

    /// Makes ready what is played from `frame` on, at least one frame.
    fn produce(&mut self, frame: i64) {
        let made = self.ready.len();
        self.since_stretch = self.since_stretch.saturating_add(STEP as i64);
        if self.state == State::Playing {
            self.fill(frame);
            if self.ahead.len() >= STEP {
                self.stretch(frame);
            }
            if self.ahead.is_empty() {
                self.conceal();
            }
        }
        if self.state != State::Playing && self.may_resume(frame) {
            self.resume(frame);
        }
        match self.state {
            State::Playing => self.play(),
            State::Concealing => self.make_up(),
            State::Silent => self.stay_silent(),
        }
        let new = self.ready.len() - made;
        self.history.drain(..new.min(HISTORY));
        self.history.extend_from_slice(&self.ready[self.ready.len() - new.min(HISTORY)..]);
    }

    fn play(&mut self) {
        let frames = self.ahead.len().min(STEP);
        self.ready.extend(self.ahead.drain(..frames));
        self.position += frames as i64;
        self.stats.emitted += frames as u64;
        self.stats.target_delay += seconds(self.delay.target()) * frames as f64;
    }

    fn make_up(&mut self) {
        // Not past the place where the next packet goes on.
        let gap = self.gap().map_or(CONCEAL_STEP, |gap| gap - self.concealment.frames());
        for _ in 0..gap.clamp(1, CONCEAL_STEP) {
            self.ready.push(self.concealment.next());
            self.stats.concealed += 1;
        }
        if self.concealment.is_silent() {
            self.state = State::Silent;
        }
    }

    fn stay_silent(&mut self) {
        self.ready.extend(std::iter::repeat_n(0.0, CONCEAL_STEP as usize));
        if self.taken.is_some() {
            self.stats.concealed += CONCEAL_STEP as u64;
            self.stats.silent += CONCEAL_STEP as u64;
        }
    }

    fn conceal(&mut self) {
        self.concealment.start(&self.history);
        self.state = State::Concealing;
        self.stats.concealments += 1;
    }

    /// The frames between what was played last and the first packet that waits.
    fn gap(&self) -> Option<i64> {
        Some(self.store.first()? - self.taken?)
    }

    fn may_resume(&self, frame: i64) -> bool {
        let Some(first) = self.store.first() else { return false };
        let delay = frame - first - self.delay.base().unwrap_or(frame - first);
        // Amid a voice, a delay that is a little too long is not shortened by dropping some of it.
        let tolerance = if self.state == State::Concealing { TOLERANCE } else { 0 };
        let is_due = delay >= self.delay.target() + tolerance;
        let is_full = self.store.frames() > crate::store::CAPACITY / 2;
        let is_next = self.state == State::Concealing && self.gap().is_some_and(|gap| gap <= self.concealment.frames());
        is_due || is_full || is_next
    }

    fn resume(&mut self, frame: i64) {
        let Some(first) = self.store.first() else { return };
        (self.position, self.taken) = (first, Some(first));
        self.ahead.clear();
        self.fill(frame);
        let fade = FADE.min(self.ahead.len());
        for (index, sample) in self.ahead[..fade].iter_mut().enumerate() {
            let part = (index as f32 + 0.5) / fade as f32;
            let made_up = if self.state == State::Concealing { self.concealment.next() } else { 0.0 };
            *sample = *sample * part + made_up * (1.0 - part);
        }
        self.state = State::Playing;
    }

    /// Takes packets that are next out of the store.
    fn fill(&mut self, frame: i64) {
        while self.ahead.len() < AHEAD {
            let Some(taken) = self.taken else { return };
            let before = self.ahead.len();
            let Some(arrival) = self.store.take(taken, &mut self.ahead) else { return };
            let frames = (self.ahead.len() - before) as i64;
            self.taken = Some(taken + frames);
            self.stats.delay += seconds((frame + before as i64 - arrival).max(0)) * frames as f64;
        }
    }

    /// Brings the delay nearer to the one that is aimed at.
    fn stretch(&mut self, frame: i64) {
        let (Some(base), Some(slowest)) = (self.delay.base(), self.delay.slowest()) else { return };
        let excess = frame - self.position - base - self.delay.target();
        // What is left out now must not be missing when the next packet is as slow as the last were.
        let spare = frame - self.position - slowest - SPARE;
        let is_hurried = !(-HURRY..=HURRY_TO_SHORTEN).contains(&excess);
        let pause = if is_hurried { HURRIED } else { UNHURRIED };
        if self.since_stretch < pause || (-ms(5)..TOLERANCE).contains(&excess) {
            return;
        }
        let allowance = if excess < 0 { LEAST } else { ALLOWANCE };
        let alike = ALIKE * (1.0 - excess.abs() as f32 / allowance as f32);
        let changed = if excess > 0 {
            let most = usize::try_from(excess.min(spare)).unwrap_or(0);
            let removed = stretch::faster(&mut self.ahead, most, alike);
            self.position += removed.unwrap_or(0) as i64;
            self.stats.removed += removed.unwrap_or(0) as u64;
            removed
        } else {
            let inserted = stretch::slower(&self.history, &mut self.ahead, alike, &mut self.scratch);
            self.position -= inserted.unwrap_or(0) as i64;
            self.stats.inserted += inserted.unwrap_or(0) as u64;
            inserted
        };
        if changed.is_some() {
            self.since_stretch = 0;
        }
    }
}

/// The frame that a timestamp in microseconds falls on. Timestamps that no script can count exactly are cut.
fn position(timestamp: i64) -> i64 {
    const EXACT: i64 = 1 << 53;
    (timestamp.clamp(-EXACT, EXACT) * 6 + 62).div_euclid(125)
}

fn seconds(frames: i64) -> f64 {
    frames as f64 / f64::from(RATE)
}

fn len(samples: &[f32]) -> i64 {
    samples.len() as i64
}
