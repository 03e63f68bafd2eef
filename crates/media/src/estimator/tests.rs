//! A call in a network that is stepped a millisecond at a time.

use proptest::{prelude::*, test_runner::TestRunner};

use super::*;

const STEP: Duration = Duration::from_millis(1);
/// Headers below RTP's payload.
const HEADERS: usize = 58;

/// One way of a path: a bottleneck with a queue before it.
#[derive(Clone, Copy, Debug)]
struct Path {
    bits_per_second: f64,
    queue_bytes: usize,
    delay: Duration,
    /// At random, behind the bottleneck.
    loss: f64,
    /// At random, up to.
    jitter: Duration,
    is_up: bool,
}

const WIDE: Path = Path {
    bits_per_second: 100e6,
    queue_bytes: 1 << 20,
    delay: Duration::from_millis(20),
    loss: 0.0,
    jitter: Duration::ZERO,
    is_up: true,
};

struct Packet {
    sent: Instant,
    bytes: usize,
    picture: bool,
}

/// A sender with an encoder that follows the target, and a receiver that answers every 100 ms.
struct Call {
    now: Instant,
    started: Instant,
    path: Path,
    random: fastrand::Rng,
    estimator: Estimator,
    camera: bool,
    /// What the encoder makes of the target.
    follows: f64,
    /// Left in the pacer.
    paced: std::collections::VecDeque<usize>,
    credit: f64,
    /// Before the bottleneck, and how far the first is through.
    queue: std::collections::VecDeque<Packet>,
    queued: usize,
    through: f64,
    /// On the way, with when they arrive.
    flying: Vec<(Instant, Packet)>,
    /// Not yet told of.
    outcomes: Vec<Outcome>,
    /// On the way back.
    answers: Vec<(Instant, Vec<Outcome>)>,
    keyframe: bool,
}

impl Call {
    fn new(path: Path) -> Self {
        let now = Instant::now();
        Self {
            now,
            started: now,
            path,
            random: fastrand::Rng::with_seed(7),
            estimator: Estimator::new(),
            camera: true,
            follows: 1.0,
            paced: std::collections::VecDeque::new(),
            credit: 0.0,
            queue: std::collections::VecDeque::new(),
            queued: 0,
            through: 0.0,
            flying: Vec::new(),
            outcomes: Vec::new(),
            answers: Vec::new(),
            keyframe: true,
        }
    }

    /// Runs on, and gives the targets of every tenth of a second.
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
            let mean = f64::from(self.estimator.target()) * self.follows / 8.0 / 25.0;
            let times = if std::mem::take(&mut self.keyframe) { 5.0 } else { 0.7 + 0.6 * self.random.f64() };
            let mut left = (mean * times) as usize;
            while left > 0 {
                let part = left.min(1_160);
                self.paced.push_back(part);
                left -= part;
            }
        }
        self.credit = (self.credit + f64::from(self.estimator.target()) * 2.5 / 8.0 / 1_000.0).min(1_200.0);
        while self.credit >= 0.0
            && let Some(part) = self.paced.pop_front()
        {
            self.credit -= part as f64;
            self.send(part, true);
        }
        self.forward();
        self.arrive(millis);
    }

    fn send(&mut self, payload: usize, picture: bool) {
        self.estimator.sent(self.now, payload + HEADERS);
        let packet = Packet { sent: self.now, bytes: payload + HEADERS, picture };
        if self.path.is_up && self.queued + packet.bytes <= self.path.queue_bytes {
            self.queued += packet.bytes;
            self.queue.push_back(packet);
        } else {
            self.lose(packet);
        }
    }

    fn lose(&mut self, packet: Packet) {
        let outcome = Outcome { sent: packet.sent, arrival: None, bytes: packet.bytes, picture: packet.picture };
        self.outcomes.push(outcome);
    }

    fn forward(&mut self) {
        self.through += self.path.bits_per_second / 8.0 / 1_000.0;
        while let Some(packet) = self.queue.pop_front() {
            if self.through < packet.bytes as f64 {
                self.queue.push_front(packet);
                return;
            }
            self.through -= packet.bytes as f64;
            self.queued -= packet.bytes;
            if self.random.f64() < self.path.loss {
                self.lose(packet);
            } else {
                let jitter = self.path.jitter.mul_f64(self.random.f64());
                self.flying.push((self.now + self.path.delay + jitter, packet));
            }
        }
        self.through = 0.0;
    }

    fn arrive(&mut self, millis: u128) {
        let now = self.now;
        for (at, packet) in self.flying.extract_if(.., |(at, _)| *at <= now) {
            // Another clock.
            let arrival = Some(at.duration_since(self.started) + Duration::from_secs(12_345));
            let outcome = Outcome { sent: packet.sent, arrival, bytes: packet.bytes, picture: packet.picture };
            self.outcomes.push(outcome);
        }
        if millis.is_multiple_of(100) {
            let mut outcomes = std::mem::take(&mut self.outcomes);
            // Feedback says what is lost only when something later arrived.
            let last = outcomes.iter().filter(|outcome| outcome.arrival.is_some()).map(|outcome| outcome.sent).max();
            self.outcomes = outcomes.extract_if(.., |outcome| last.is_none_or(|last| outcome.sent > last)).collect();
            outcomes.sort_by_key(|outcome| outcome.sent);
            if self.path.is_up && self.random.f64() >= self.path.loss && !outcomes.is_empty() {
                self.answers.push((now + self.path.delay, outcomes));
            }
        }
        for (_, outcomes) in self.answers.extract_if(.., |(at, _)| *at <= now) {
            self.estimator.feedback(now, &outcomes);
        }
    }
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn grows_to_the_ceiling_where_there_is_room() {
    let mut call = Call::new(WIDE);
    call.run(seconds(15));
    assert_eq!(call.estimator.target(), CEILING);
}

#[test]
fn settles_below_a_bottleneck() {
    // Queues of 50 ms to a second.
    for queue_bytes in [3_000, 6_000, 10_000, 30_000, 60_000] {
        for delay in [5, 50, 150] {
            let delay = Duration::from_millis(delay);
            let mut call = Call::new(Path { bits_per_second: 500e3, queue_bytes, delay, ..WIDE });
            call.run(seconds(5));
            let most = call.run(seconds(5)).into_iter().max().unwrap();
            assert!(most <= 500_000, "{queue_bytes} bytes, {delay:?}: {most}");
            let targets = call.run(seconds(40));
            let most = targets.iter().max().unwrap();
            let mean = targets.iter().sum::<u32>() / targets.len() as u32;
            let case = format!("{queue_bytes} bytes, {delay:?}: mean {mean}, at most {most}");
            // Now and then it tries for more.
            assert!(*most <= 530_000, "{case}");
            assert!((300_000..=480_000).contains(&mean), "{case}");
        }
    }
}

#[test]
fn bears_random_loss() {
    for loss in [0.01, 0.03, 0.05] {
        let mut call = Call::new(Path { loss, delay: Duration::from_millis(50), ..WIDE });
        let least = call.run(seconds(60)).into_iter().min().unwrap();
        assert!(least >= 700_000, "{loss}: {least}");
        assert!(call.estimator.target() >= 1_500_000, "{loss}: {}", call.estimator.target());
    }
}

#[test]
fn does_not_fall_to_the_floor_for_heavy_random_loss() {
    for loss in [0.10, 0.15, 0.25] {
        let mut call = Call::new(Path { loss, delay: Duration::from_millis(50), ..WIDE });
        call.run(seconds(60));
        assert!(call.estimator.target() >= 400_000, "{loss}: {}", call.estimator.target());
    }
}

#[test]
fn bears_jitter() {
    let mut call = Call::new(Path { jitter: Duration::from_millis(60), ..WIDE });
    let least = call.run(seconds(60)).into_iter().min().unwrap();
    assert!(least >= 700_000, "{least}");
}

#[test]
fn comes_back_after_an_outage() {
    let mut call = Call::new(WIDE);
    call.run(seconds(20));
    call.path.is_up = false;
    call.run(seconds(8));
    let during = call.estimator.target();
    assert!(during <= 200_000, "{during} into nothing");
    call.path.is_up = true;
    let after = call.run(seconds(3));
    assert!(*after.last().unwrap() >= 1_500_000, "{after:?}");
}

#[test]
fn a_camera_that_is_off_costs_nothing() {
    let mut call = Call::new(WIDE);
    call.run(seconds(15));
    call.camera = false;
    call.path.jitter = Duration::from_millis(60);
    let off = call.run(seconds(120));
    assert!(off.iter().all(|target| *target >= START), "{off:?}");
    call.camera = true;
    let on = call.run(seconds(5));
    assert!(on.iter().all(|target| *target >= START), "{on:?}");
}

#[test]
fn what_is_not_used_does_not_grow() {
    let mut call = Call::new(Path { bits_per_second: 400e3, ..WIDE });
    // An encoder that makes a third, as of a picture that does not move.
    call.follows = 0.33;
    let targets = call.run(seconds(60));
    assert!(targets.iter().all(|target| *target <= START), "{:?}", targets.iter().max());
    assert!(targets.iter().all(|target| *target >= START / 2), "{:?}", targets.iter().min());
    // Then it moves.
    call.follows = 1.0;
    call.run(seconds(5));
    let targets = call.run(seconds(20));
    assert!(targets.iter().all(|target| *target <= 400_000), "{:?}", targets.iter().max());
}

#[test]
fn follows_a_bottleneck_down_and_up() {
    let mut call = Call::new(Path { bits_per_second: 2e6, queue_bytes: 60_000, ..WIDE });
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
fn a_longer_way_is_no_queue() {
    let mut call = Call::new(WIDE);
    call.run(seconds(15));
    call.path.delay = Duration::from_millis(200);
    let targets = call.run(seconds(30));
    assert!(targets.iter().all(|target| *target >= 600_000), "{:?}", targets.iter().min());
    assert!(*targets.last().unwrap() >= 2_000_000);
}

#[test]
fn reports_do_where_there_is_no_feedback() {
    let mut estimator = Estimator::new();
    for _ in 0..10 {
        estimator.report(0.3);
    }
    assert!(estimator.target() < 400_000);
    for _ in 0..100 {
        estimator.report(0.0);
    }
    assert!(estimator.target() > START && estimator.target() < CEILING);
}

/// Whatever the path does, the target keeps its bounds; and what it settles at is not far above what the path bears.
#[test]
fn keeps_its_bounds() {
    // Each is half a minute of a call: a tenth of what others are tried with.
    let config = ProptestConfig::default();
    let config = ProptestConfig { cases: config.cases / 10, ..config };
    let paths = (150_u32..4_000, 40_u32..1_000, 1_u64..200, 0.0..0.04_f64, 0_u64..40);
    let outcome = TestRunner::new(config).run(&paths, |(kilobits, queue_millis, delay, loss, jitter)| {
        let path = Path {
            bits_per_second: f64::from(kilobits) * 1e3,
            // One that does not hold a few packets loses them at every rate.
            queue_bytes: ((kilobits * queue_millis / 8) as usize).max(3 * (1_160 + HEADERS)),
            delay: Duration::from_millis(delay),
            loss,
            jitter: Duration::from_millis(jitter),
            is_up: true,
        };
        let mut call = Call::new(path);
        let targets = call.run(seconds(10));
        prop_assert!(targets.iter().all(|target| (FLOOR..=CEILING).contains(target)));
        let settled = call.run(seconds(20));
        let mean = settled.iter().sum::<u32>() / settled.len() as u32;
        prop_assert!(mean <= (kilobits * 1_050).max(FLOOR), "{mean} on {path:?}");
        prop_assert!(f64::from(mean) >= f64::from(kilobits.min(2_000)) * 1_000.0 * 0.4, "{mean} on {path:?}");
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}
