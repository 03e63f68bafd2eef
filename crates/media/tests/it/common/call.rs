//! One-way call: the sender has a microphone, and a camera whose encoder follows the target bitrate; the receiver records what
//! arrives.

use std::time::{Duration, Instant};

use hutong_core::Connectivity;
use hutong_media::{Error, Event, MediaType};

use super::TestPeer;

/// Record of a call. The first time of each entry is the time since the start of the call.
#[derive(Default)]
pub struct CallRecord {
    /// Target bitrates of the encoder.
    pub targets: Vec<(Duration, u32)>,
    /// Received video frames, and whether they are keyframes.
    pub frames: Vec<(Duration, bool)>,
    /// Received audio packets, and their delay.
    pub audio: Vec<(Duration, Duration)>,
    /// Connection states of the sender.
    pub connectivity: Vec<(Duration, Connectivity)>,
    /// Number of audio packets sent.
    pub audio_sent: usize,
    /// Number of keyframes sent.
    pub keyframes: u32,
}

impl CallRecord {
    /// The longest time without a video frame.
    pub fn longest_gap(&self, from: Duration, to: Duration) -> Duration {
        let mut last = from;
        let mut longest = Duration::ZERO;
        for (at, _) in self.frames.iter().filter(|(at, _)| (from..to).contains(at)) {
            longest = longest.max(*at - last);
            last = *at;
        }
        longest.max(to - last)
    }

    /// The target bitrate at a time.
    pub fn target(&self, at: Duration) -> u32 {
        self.targets.iter().rev().find(|(changed_at, _)| *changed_at <= at).map_or(0, |(_, target)| *target)
    }
}

/// A call; each [`run`](Self::run) continues it.
pub struct OneWayCall {
    pub sender: TestPeer,
    pub receiver: TestPeer,
    pub record: CallRecord,
    pub camera: bool,
    started: Instant,
    run_time: Duration,
    target: u32,
    keyframe_due: bool,
    video_frames: u64,
    audio_packets: u64,
    random: fastrand::Rng,
}

impl OneWayCall {
    pub fn new(sender: TestPeer, receiver: TestPeer) -> Self {
        Self {
            sender,
            receiver,
            record: CallRecord::default(),
            camera: true,
            started: Instant::now(),
            run_time: Duration::ZERO,
            target: 800_000,
            keyframe_due: true,
            video_frames: 0,
            audio_packets: 0,
            random: fastrand::Rng::with_seed(3),
        }
    }

    /// Time since the start of the call.
    pub fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// Fails if the machine was too busy for a valid measurement: if not even the microphone kept its pace.
    pub fn check_pace(&self) {
        let expected = self.run_time.as_millis() / 20;
        let sent = self.record.audio_sent as u128;
        assert!(sent * 100 >= expected * 92, "the machine is too busy: {sent} of {expected} audio packets were sent");
    }

    pub async fn run(&mut self, time: Duration) {
        self.run_time += time;
        let end = tokio::time::sleep(time);
        tokio::pin!(end);
        let mut video_timer = tokio::time::interval(Duration::from_millis(40));
        let mut audio_timer = tokio::time::interval(Duration::from_millis(20));
        for timer in [&mut video_timer, &mut audio_timer] {
            timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        }
        for event in std::mem::take(&mut self.sender.unread) {
            self.sender_event(event);
        }
        loop {
            tokio::select! {
                () = &mut end => return,
                _ = video_timer.tick() => self.send_video(),
                _ = audio_timer.tick() => self.send_audio().await,
                event = self.sender.events.next() => self.sender_event(event.expect("closed")),
                event = self.receiver.events.next() => self.receiver_event(event.expect("closed")),
            }
        }
    }

    fn send_video(&mut self) {
        if !self.camera {
            self.keyframe_due = true;
            return;
        }
        let mean_size = f64::from(self.target) / 8.0 / 25.0;
        let factor = if self.keyframe_due { 5.0 } else { 0.7 + 0.6 * self.random.f64() };
        let mut frame = super::video_frame(self.video_frames, self.keyframe_due, (mean_size * factor) as usize);
        frame.timestamp = self.micros();
        match self.sender.peer.send_video(frame) {
            Ok(()) => {
                self.record.keyframes += u32::from(self.keyframe_due);
                self.keyframe_due = false;
                self.video_frames += 1;
            }
            Err(Error::KeyframeNeeded) => self.keyframe_due = true,
            Err(error) => panic!("{error}"),
        }
    }

    async fn send_audio(&mut self) {
        let mut frame = super::audio_packet(self.audio_packets);
        self.audio_packets += 1;
        let micros = self.micros();
        frame.timestamp = micros;
        let mut data = vec![0x78];
        data.extend(micros.to_be_bytes());
        data.resize(80, 0);
        frame.data = data.into();
        self.sender.peer.send_audio(frame).await.unwrap();
        self.record.audio_sent += 1;
    }

    fn micros(&self) -> u64 {
        self.now().as_micros().try_into().unwrap()
    }

    fn sender_event(&mut self, event: Event) {
        match event {
            Event::TargetBitrate(target) => {
                self.target = target;
                self.record.targets.push((self.now(), target));
            }
            Event::KeyframeNeeded => self.keyframe_due = true,
            Event::Connectivity(connectivity) => self.record.connectivity.push((self.now(), connectivity)),
            _ => {}
        }
    }

    fn receiver_event(&mut self, event: Event) {
        let now = self.now();
        match event {
            Event::Frame(frame) if frame.kind == MediaType::Video => self.record.frames.push((now, frame.keyframe)),
            Event::Frame(frame) => {
                let sent = u64::from_be_bytes(frame.data[1..9].try_into().unwrap());
                self.record.audio.push((now, now.saturating_sub(Duration::from_micros(sent))));
            }
            _ => {}
        }
    }
}
