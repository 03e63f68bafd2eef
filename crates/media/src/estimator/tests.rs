//! Simulation of a call over a network path, in steps of 1 ms.

use proptest::{prelude::*, test_runner::TestRunner};

use super::*;

const STEP: Duration = Duration::from_millis(1);
/// Size of the headers around an RTP payload, in bytes.
const HEADERS: usize = 58;

/// One direction of a network path: a bottleneck with a queue in front of it.
#[derive(Clone, Copy, Debug)]
struct BottleneckPath {
    bits_per_second: f64,
    queue_bytes: usize,
    delay: Duration,
    /// Part of the packets lost at random, behind the bottleneck.
    loss: f64,
    /// Limit of the random additional delay.
    jitter: Duration,
    is_up: bool,
}

const WIDE_PATH: BottleneckPath = BottleneckPath {
    bits_per_second: 100e6,
    queue_bytes: 1 << 20,
    delay: Duration::from_millis(20),
    loss: 0.0,
    jitter: Duration::ZERO,
    is_up: true,
};

struct SimulatedPacket {
    sent: Instant,
    bytes: usize,
    is_video: bool,
}

/// A sender whose encoder follows the target bitrate, and a receiver that sends feedback every 100 ms.
struct CallSimulation {
    now: Instant,
    started: Instant,
    path: BottleneckPath,
    random: fastrand::Rng,
    estimator: BandwidthEstimator,
    camera: bool,
    /// Encoder output as a part of the target.
    encoder_share: f64,
    /// Sizes of the packets in the pacer.
    pacer_queue: std::collections::VecDeque<usize>,
    pacer_credit: f64,
    /// Packets in front of the bottleneck.
    queue: std::collections::VecDeque<SimulatedPacket>,
    queued_bytes: usize,
    /// Bytes of the first packet that passed the bottleneck.
    passed_bytes: f64,
    /// Packets behind the bottleneck, with their arrival.
    in_flight: Vec<(Instant, SimulatedPacket)>,
    /// Results that are not reported yet.
    results: Vec<PacketResult>,
    /// Feedback in flight, with its arrival.
    feedback: Vec<(Instant, Vec<PacketResult>)>,
    keyframe_due: bool,
}

impl CallSimulation {
    fn new(path: BottleneckPath) -> Self {
        let now = Instant::now();
        Self {
            now,
            started: now,
            path,
            random: fastrand::Rng::with_seed(7),
            estimator: BandwidthEstimator::new(),
            camera: true,
            encoder_share: 1.0,
            pacer_queue: std::collections::VecDeque::new(),
            pacer_credit: 0.0,
            queue: std::collections::VecDeque::new(),
            queued_bytes: 0,
            passed_bytes: 0.0,
            in_flight: Vec::new(),
            results: Vec::new(),
            feedback: Vec::new(),
            keyframe_due: true,
        }
    }

    /// Runs the call on, and returns the target bitrate of every 100 ms.
    fn run(&mut self, time: Duration) -> Vec<u32> {
        let end = self.now + time;
        let mut targets = Vec::new();
        while self.now < end {
            self.step();
            if self.millis().is_multiple_of(100) {
                targets.push(self.estimator.target());
            }
        }
        targets
    }

    fn millis(&self) -> u128 {
        self.now.duration_since(self.started).as_millis()
    }

    fn step(&mut self) {
        self.now += STEP;
        let millis = self.millis();
        if millis.is_multiple_of(20) {
            self.send(80, false);
        }
        if self.camera && millis.is_multiple_of(40) {
            let mean_size = f64::from(self.estimator.target()) * self.encoder_share / 8.0 / 25.0;
            let factor = if std::mem::take(&mut self.keyframe_due) { 5.0 } else { 0.7 + 0.6 * self.random.f64() };
            let mut rest = (mean_size * factor) as usize;
            while rest > 0 {
                let part = rest.min(1_160);
                self.pacer_queue.push_back(part);
                rest -= part;
            }
        }
        self.pacer_credit = (self.pacer_credit + f64::from(self.estimator.target()) * 2.5 / 8.0 / 1_000.0).min(1_200.0);
        while self.pacer_credit >= 0.0
            && let Some(part) = self.pacer_queue.pop_front()
        {
            self.pacer_credit -= part as f64;
            self.send(part, true);
        }
        self.forward();
        self.arrive(millis);
    }

    fn send(&mut self, payload: usize, is_video: bool) {
        self.estimator.packet_sent(self.now, payload + HEADERS);
        let packet = SimulatedPacket { sent: self.now, bytes: payload + HEADERS, is_video };
        if self.path.is_up && self.queued_bytes + packet.bytes <= self.path.queue_bytes {
            self.queued_bytes += packet.bytes;
            self.queue.push_back(packet);
        } else {
            self.lose(packet);
        }
    }

    fn lose(&mut self, packet: SimulatedPacket) {
        let result = PacketResult { sent: packet.sent, arrival: None, bytes: packet.bytes, is_video: packet.is_video };
        self.results.push(result);
    }

    fn forward(&mut self) {
        self.passed_bytes += self.path.bits_per_second / 8.0 / 1_000.0;
        while let Some(packet) = self.queue.pop_front() {
            if self.passed_bytes < packet.bytes as f64 {
                self.queue.push_front(packet);
                return;
            }
            self.passed_bytes -= packet.bytes as f64;
            self.queued_bytes -= packet.bytes;
            if self.random.f64() < self.path.loss {
                self.lose(packet);
            } else {
                let jitter = self.path.jitter.mul_f64(self.random.f64());
                self.in_flight.push((self.now + self.path.delay + jitter, packet));
            }
        }
        self.passed_bytes = 0.0;
    }

    fn arrive(&mut self, millis: u128) {
        let now = self.now;
        for (at, packet) in self.in_flight.extract_if(.., |(at, _)| *at <= now) {
            // The remote clock.
            let arrival = Some(at.duration_since(self.started) + Duration::from_secs(12_345));
            let result = PacketResult { sent: packet.sent, arrival, bytes: packet.bytes, is_video: packet.is_video };
            self.results.push(result);
        }
        if millis.is_multiple_of(100) {
            let mut results = std::mem::take(&mut self.results);
            // Feedback reports a packet as lost only if a later one arrived.
            let last = results.iter().filter(|result| result.arrival.is_some()).map(|result| result.sent).max();
            self.results = results.extract_if(.., |result| last.is_none_or(|last| result.sent > last)).collect();
            results.sort_by_key(|result| result.sent);
            if self.path.is_up && self.random.f64() >= self.path.loss && !results.is_empty() {
                self.feedback.push((now + self.path.delay, results));
            }
        }
        for (_, results) in self.feedback.extract_if(.., |(at, _)| *at <= now) {
            self.estimator.feedback_received(now, &results);
        }
    }
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn the_target_grows_to_its_maximum_on_a_wide_path() {
    let mut call = CallSimulation::new(WIDE_PATH);
    call.run(seconds(15));
    assert_eq!(call.estimator.target(), MAX_TARGET);
}

#[test]
fn the_target_settles_below_the_bottleneck() {
    // Queues of 50 ms to a second.
    for queue_bytes in [3_000, 6_000, 10_000, 30_000, 60_000] {
        for delay in [5, 50, 150] {
            let delay = Duration::from_millis(delay);
            let mut call =
                CallSimulation::new(BottleneckPath { bits_per_second: 500e3, queue_bytes, delay, ..WIDE_PATH });
            call.run(seconds(5));
            let most = call.run(seconds(5)).into_iter().max().unwrap();
            assert!(most <= 500_000, "{queue_bytes} bytes, {delay:?}: {most}");
            let targets = call.run(seconds(40));
            let most = targets.iter().max().unwrap();
            let mean = targets.iter().sum::<u32>() / targets.len() as u32;
            let case = format!("{queue_bytes} bytes, {delay:?}: mean {mean}, at most {most}");
            // It probes for more from time to time.
            assert!(*most <= 530_000, "{case}");
            assert!((300_000..=480_000).contains(&mean), "{case}");
        }
    }
}

#[test]
fn moderate_random_loss_does_not_lower_the_target() {
    for loss in [0.01, 0.03, 0.05] {
        let mut call = CallSimulation::new(BottleneckPath { loss, delay: Duration::from_millis(50), ..WIDE_PATH });
        let least = call.run(seconds(60)).into_iter().min().unwrap();
        assert!(least >= 700_000, "{loss}: {least}");
        assert!(call.estimator.target() >= 1_500_000, "{loss}: {}", call.estimator.target());
    }
}

#[test]
fn heavy_random_loss_does_not_lower_the_target_to_its_minimum() {
    for loss in [0.10, 0.15, 0.25] {
        let mut call = CallSimulation::new(BottleneckPath { loss, delay: Duration::from_millis(50), ..WIDE_PATH });
        call.run(seconds(60));
        assert!(call.estimator.target() >= 400_000, "{loss}: {}", call.estimator.target());
    }
}

#[test]
fn jitter_does_not_lower_the_target() {
    let mut call = CallSimulation::new(BottleneckPath { jitter: Duration::from_millis(60), ..WIDE_PATH });
    let least = call.run(seconds(60)).into_iter().min().unwrap();
    assert!(least >= 700_000, "{least}");
}

#[test]
fn the_target_recovers_after_an_outage() {
    let mut call = CallSimulation::new(WIDE_PATH);
    call.run(seconds(20));
    call.path.is_up = false;
    call.run(seconds(8));
    let during = call.estimator.target();
    assert!(during <= 200_000, "{during} bit/s during the outage");
    call.path.is_up = true;
    let after = call.run(seconds(3));
    assert!(*after.last().unwrap() >= 1_500_000, "{after:?}");
}

#[test]
fn the_target_stays_while_the_camera_is_off() {
    let mut call = CallSimulation::new(WIDE_PATH);
    call.run(seconds(15));
    call.camera = false;
    call.path.jitter = Duration::from_millis(60);
    let off = call.run(seconds(120));
    assert!(off.iter().all(|target| *target >= START_TARGET), "{off:?}");
    call.camera = true;
    let on = call.run(seconds(5));
    assert!(on.iter().all(|target| *target >= START_TARGET), "{on:?}");
}

#[test]
fn an_unused_target_does_not_grow() {
    let mut call = CallSimulation::new(BottleneckPath { bits_per_second: 400e3, ..WIDE_PATH });
    // The encoder uses a third of the target, as for a static scene.
    call.encoder_share = 0.33;
    let targets = call.run(seconds(60));
    assert!(targets.iter().all(|target| *target <= START_TARGET), "{:?}", targets.iter().max());
    assert!(targets.iter().all(|target| *target >= START_TARGET / 2), "{:?}", targets.iter().min());
    // The scene moves.
    call.encoder_share = 1.0;
    call.run(seconds(5));
    let targets = call.run(seconds(20));
    assert!(targets.iter().all(|target| *target <= 400_000), "{:?}", targets.iter().max());
}

#[test]
fn the_target_follows_a_changing_bottleneck() {
    let mut call = CallSimulation::new(BottleneckPath { bits_per_second: 2e6, queue_bytes: 60_000, ..WIDE_PATH });
    call.run(seconds(20));
    call.path.bits_per_second = 300e3;
    call.run(seconds(6));
    let down = call.run(seconds(20));
    assert!(down.iter().all(|target| *target <= 300_000), "{:?}", down.iter().max());
    call.path.bits_per_second = 2e6;
    let up = call.run(seconds(45));
    assert!(*up.last().unwrap() >= 1_000_000, "{up:?}");
}

#[test]
fn a_longer_path_is_not_taken_for_a_queue() {
    let mut call = CallSimulation::new(WIDE_PATH);
    call.run(seconds(15));
    call.path.delay = Duration::from_millis(200);
    let targets = call.run(seconds(30));
    assert!(targets.iter().all(|target| *target >= 600_000), "{:?}", targets.iter().min());
    assert!(*targets.last().unwrap() >= 2_000_000);
}

#[test]
fn receiver_reports_replace_missing_feedback() {
    let mut estimator = BandwidthEstimator::new();
    for _ in 0..10 {
        estimator.report_received(0.3);
    }
    assert!(estimator.target() < 400_000);
    for _ in 0..100 {
        estimator.report_received(0.0);
    }
    assert!(estimator.target() > START_TARGET && estimator.target() < MAX_TARGET);
}

/// On any path the target stays within its bounds, and settles near the capacity of the path.
#[test]
fn the_target_stays_within_its_bounds() {
    // Each case simulates 30 s of a call: a tenth of the usual number.
    let config = ProptestConfig::default();
    let config = ProptestConfig { cases: config.cases / 10, ..config };
    let paths = (150_u32..4_000, 40_u32..1_000, 1_u64..200, 0.0..0.04_f64, 0_u64..40);
    let result = TestRunner::new(config).run(&paths, |(kilobits, queue_millis, delay, loss, jitter)| {
        let path = BottleneckPath {
            bits_per_second: f64::from(kilobits) * 1e3,
            // A queue of less than a few packets overflows at every rate.
            queue_bytes: ((kilobits * queue_millis / 8) as usize).max(3 * (1_160 + HEADERS)),
            delay: Duration::from_millis(delay),
            loss,
            jitter: Duration::from_millis(jitter),
            is_up: true,
        };
        let mut call = CallSimulation::new(path);
        let targets = call.run(seconds(10));
        prop_assert!(targets.iter().all(|target| (MIN_TARGET..=MAX_TARGET).contains(target)));
        let settled = call.run(seconds(20));
        let mean = settled.iter().sum::<u32>() / settled.len() as u32;
        prop_assert!(mean <= (kilobits * 1_050).max(MIN_TARGET), "{mean} on {path:?}");
        prop_assert!(f64::from(mean) >= f64::from(kilobits.min(2_000)) * 1_000.0 * 0.4, "{mean} on {path:?}");
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}
