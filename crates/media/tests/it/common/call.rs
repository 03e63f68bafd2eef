//! A call: one side has a camera, an encoder that does as it is told, and a microphone; the other side looks and listens.

use std::time::{Duration, Instant};

use hutong_core::Connectivity;
use hutong_media::{Error, Event, Kind};

use super::Side;

/// What was seen, and when since the call began.
#[derive(Default)]
pub struct Seen {
    /// The bitrates that the encoder was told.
    pub targets: Vec<(Duration, u32)>,
    /// Frames that arrived, and whether they were keyframes.
    pub frames: Vec<(Duration, bool)>,
    /// Packets of voice that arrived, and how old they were.
    pub voice: Vec<(Duration, Duration)>,
    /// What the sender was told of the connection.
    pub connectivity: Vec<(Duration, Connectivity)>,
    /// How many packets of voice were sent.
    pub said: usize,
    /// How often a keyframe was made.
    pub keyframes: u32,
}

impl Seen {
    /// The longest time without a frame, from one moment to another.
    pub fn longest_gap(&self, from: Duration, to: Duration) -> Duration {
        let mut last = from;
        let mut longest = Duration::ZERO;
        for (at, _) in self.frames.iter().filter(|(at, _)| (from..to).contains(at)) {
            longest = longest.max(*at - last);
            last = *at;
        }
        longest.max(to - last)
    }

    /// What the encoder was told at that moment.
    pub fn target(&self, at: Duration) -> u32 {
        self.targets.iter().rev().find(|(told, _)| *told <= at).map_or(0, |(_, target)| *target)
    }
}

/// A call that goes on from one [`run`](Self::run) to the next.
pub struct Call {
    pub sending: Side,
    pub receiving: Side,
    pub seen: Seen,
    pub camera: bool,
    started: Instant,
    ran: Duration,
    target: u32,
    keyframe: bool,
    picture: u64,
    voice: u64,
    random: fastrand::Rng,
}

impl Call {
    pub fn new(sending: Side, receiving: Side) -> Self {
        Self {
            sending,
            receiving,
            seen: Seen::default(),
            camera: true,
            started: Instant::now(),
            ran: Duration::ZERO,
            target: 800_000,
            keyframe: true,
            picture: 0,
            voice: 0,
            random: fastrand::Rng::with_seed(3),
        }
    }

    /// Since the call began.
    pub fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// Fails by its right name where the machine had so little time for the call that what was measured says nothing of it:
    /// then not even the microphone kept its pace.
    pub fn check_pace(&self) {
        let paces = self.ran.as_millis() / 20;
        let said = self.seen.said as u128;
        assert!(said * 100 >= paces * 92, "the machine is too busy: {said} of {paces} packets of voice were spoken");
    }

    pub async fn run(&mut self, time: Duration) {
        self.ran += time;
        let end = tokio::time::sleep(time);
        tokio::pin!(end);
        let mut picture = tokio::time::interval(Duration::from_millis(40));
        let mut voice = tokio::time::interval(Duration::from_millis(20));
        for pace in [&mut picture, &mut voice] {
            pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        }
        for event in std::mem::take(&mut self.sending.early) {
            self.told(event);
        }
        loop {
            tokio::select! {
                () = &mut end => return,
                _ = picture.tick() => self.look(),
                _ = voice.tick() => self.speak().await,
                event = self.sending.events.next() => self.told(event.expect("closed")),
                event = self.receiving.events.next() => self.arrived(event.expect("closed")),
            }
        }
    }

    fn look(&mut self) {
        if !self.camera {
            self.keyframe = true;
            return;
        }
        let mean = f64::from(self.target) / 8.0 / 25.0;
        let times = if self.keyframe { 5.0 } else { 0.7 + 0.6 * self.random.f64() };
        let mut frame = super::picture(self.picture, self.keyframe, (mean * times) as usize);
        frame.timestamp = self.micros();
        match self.sending.peer.send_video(frame) {
            Ok(()) => {
                self.seen.keyframes += u32::from(self.keyframe);
                self.keyframe = false;
                self.picture += 1;
            }
            Err(Error::KeyframeNeeded) => self.keyframe = true,
            Err(error) => panic!("{error}"),
        }
    }

    async fn speak(&mut self) {
        let mut frame = super::voice(self.voice);
        self.voice += 1;
        let micros = self.micros();
        frame.timestamp = micros;
        let mut data = vec![0x78];
        data.extend(micros.to_be_bytes());
        data.resize(80, 0);
        frame.data = data.into();
        self.sending.peer.send_voice(frame).await.unwrap();
        self.seen.said += 1;
    }

    fn micros(&self) -> u64 {
        self.now().as_micros().try_into().unwrap()
    }

    fn told(&mut self, event: Event) {
        match event {
            Event::TargetBitrate(target) => {
                self.target = target;
                self.seen.targets.push((self.now(), target));
            }
            Event::KeyframeWanted => self.keyframe = true,
            Event::Connectivity(connectivity) => self.seen.connectivity.push((self.now(), connectivity)),
            _ => {}
        }
    }

    fn arrived(&mut self, event: Event) {
        let now = self.now();
        match event {
            Event::Frame(frame) if frame.kind == Kind::Video => self.seen.frames.push((now, frame.keyframe)),
            Event::Frame(frame) => {
                let sent = u64::from_be_bytes(frame.data[1..9].try_into().unwrap());
                self.seen.voice.push((now, now.saturating_sub(Duration::from_micros(sent))));
            }
            _ => {}
        }
    }
}
