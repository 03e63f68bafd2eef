//! The link between two namespaces: a TUN device in each, and a thread that carries packets from one to the other.

use std::{
    collections::VecDeque,
    io,
    net::Ipv4Addr,
    process::Command,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use tokio::{
    sync::{oneshot, watch},
    time::{Instant, sleep_until},
};
use tun_rs::{AsyncDevice, DeviceBuilder};

use super::{Namespace, namespace::Entrance};
use crate::{Context, Result, ensure};

/// What an ordinary network carries in one piece.
const MTU: u16 = 1_500;

/// Packets that may be on their way in one direction; more are dropped as a full queue does.
const UNDERWAY: usize = 8_192;

/// The name of the device in each namespace.
const DEVICE: &str = "hutong0";

/// Which way packets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From left to right.
    Right,
    /// From right to left.
    Left,
}

/// Whether anything passes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flow {
    /// As the other conditions say.
    #[default]
    Open,
    /// Nothing.
    Cut,
}

/// Which packets feel the conditions; the others pass at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Traffic {
    /// All.
    #[default]
    All,
    /// UDP alone, so that TCP goes on.
    Udp,
}

/// What one direction does to packets. By default it does nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conditions {
    /// Whether anything passes.
    pub flow: Flow,
    /// How probably each packet is lost, from 0 to 1.
    pub loss: f64,
    /// How long each packet takes.
    pub delay: Duration,
    /// How much longer it may take at most, evenly spread. Packets keep their order.
    pub jitter: Duration,
    /// How many bits of IP packets pass in a second at most; `None` for as many as there are.
    pub rate: Option<u32>,
    /// How many bytes may wait for their turn where there is a `rate`; what comes then is dropped.
    pub queue: u32,
    /// Which packets feel all this.
    pub traffic: Traffic,
}

impl Default for Conditions {
    fn default() -> Self {
        Self {
            flow: Flow::Open,
            loss: 0.0,
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            rate: None,
            queue: 30_000,
            traffic: Traffic::All,
        }
    }
}

/// What one direction did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets that came to it.
    pub taken: u64,
    /// Their bytes, IP headers included: what was offered, whether or not it passed.
    pub offered: u64,
    /// Packets that it delivered.
    pub passed: u64,
    /// The bytes of these, IP headers included.
    pub bytes: u64,
    /// Packets lost by chance.
    pub lost: u64,
    /// Packets dropped while it was cut.
    pub cut: u64,
    /// Packets dropped because too many waited.
    pub overflowed: u64,
}

impl Counters {
    /// What happened since an earlier count.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            taken: self.taken.saturating_sub(earlier.taken),
            offered: self.offered.saturating_sub(earlier.offered),
            passed: self.passed.saturating_sub(earlier.passed),
            bytes: self.bytes.saturating_sub(earlier.bytes),
            lost: self.lost.saturating_sub(earlier.lost),
            cut: self.cut.saturating_sub(earlier.cut),
            overflowed: self.overflowed.saturating_sub(earlier.overflowed),
        }
    }
}

/// A link. It breaks with this value.
#[derive(Debug)]
pub struct Link {
    right: Lane,
    left: Lane,
    _closed: oneshot::Sender<()>,
}

impl Link {
    /// Joins two namespaces, each with its address in a network of 24 bits.
    ///
    /// # Errors
    ///
    /// When this process may make no TUN devices.
    pub async fn between(left: (&Namespace, Ipv4Addr), right: (&Namespace, Ipv4Addr)) -> Result<Self> {
        let (to_right, to_left) = (Lane::default(), Lane::default());
        let lanes = (to_right.clone(), to_left.clone());
        let ends = [(left.0.entrance()?, left.1), (right.0.entrance()?, right.1)];
        let (open, opened) = oneshot::channel();
        let (closed, closing) = oneshot::channel();
        thread::spawn(move || {
            let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                // Nobody waits any more where a receiver is gone, here and below.
                Err(error) => return drop(open.send(Err(error.into()))),
            };
            runtime.block_on(async move {
                let [left, right] = ends;
                let (left, right) = match device(&left).and_then(|left| Ok((left, device(&right)?))) {
                    Ok(devices) => devices,
                    Err(error) => return drop(open.send(Err(error))),
                };
                drop(open.send(Ok(())));
                tokio::select! {
                    error = carry(&left, &right, lanes.0, 1) => eprintln!("the link to the right broke: {error}"),
                    error = carry(&right, &left, lanes.1, 2) => eprintln!("the link to the left broke: {error}"),
                    _ = closing => {}
                }
            });
        });
        opened.await.context("the link's thread ended")??;
        Ok(Self { right: to_right, left: to_left, _closed: closed })
    }

    /// Puts one direction under these conditions, from the next packet on.
    pub fn set(&self, direction: Direction, conditions: Conditions) {
        self.lane(direction).conditions.send_replace(conditions);
    }

    /// Puts both directions under these conditions, from the next packet on.
    pub fn set_both(&self, conditions: Conditions) {
        self.set(Direction::Right, conditions);
        self.set(Direction::Left, conditions);
    }

    /// What one direction did so far.
    #[must_use]
    pub fn counters(&self, direction: Direction) -> Counters {
        *self.lane(direction).counters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lane(&self, direction: Direction) -> &Lane {
        match direction {
            Direction::Right => &self.right,
            Direction::Left => &self.left,
        }
    }
}

/// What the thread and the test share of one direction.
#[derive(Clone, Debug, Default)]
struct Lane {
    conditions: Arc<watch::Sender<Conditions>>,
    counters: Arc<Mutex<Counters>>,
}

impl Lane {
    fn count(&self, what: impl FnOnce(&mut Counters)) {
        what(&mut self.counters.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// A packet on its way.
struct Packet {
    arrives: Instant,
    bytes: Vec<u8>,
}

/// A device in the namespace, which this thread is in from now on. The device stays where it was made.
fn device((entrance, address): &(Entrance, Ipv4Addr)) -> Result<AsyncDevice> {
    entrance.enter()?;
    let device = DeviceBuilder::new().name(DEVICE).mtu(MTU).build_async();
    let device = device.context("no TUN device: this needs /dev/net/tun, and to be root there")?;
    // A child is in the namespace of the thread that started it.
    for line in [format!("addr add {address}/24 dev {DEVICE}"), format!("link set {DEVICE} up")] {
        let output = Command::new("ip").args(line.split(' ')).output()?;
        ensure!(output.status.success(), "ip {line}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(device)
}

/// Carries packets until a device fails.
async fn carry(from: &AsyncDevice, to: &AsyncDevice, lane: Lane, seed: u64) -> io::Error {
    let mut road = Road { rng: fastrand::Rng::with_seed(seed), free: Instant::now(), underway: VecDeque::new() };
    let mut buffer = vec![0; usize::from(MTU) + 64];
    loop {
        let due = road.underway.front().map(|packet| packet.arrives);
        let arrival = async {
            match due {
                Some(due) => sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        let arrived = tokio::select! {
            read = from.recv(&mut buffer) => match read {
                Ok(length) => {
                    let packet = buffer.get(..length).unwrap_or_default();
                    match road.take(packet, &lane) {
                        Some(at_once) => at_once,
                        None => continue,
                    }
                }
                Err(error) => return error,
            },
            () = arrival => match road.underway.pop_front() {
                Some(packet) => packet.bytes,
                None => continue,
            },
        };
        let length = arrived.len() as u64;
        if let Err(error) = to.send(&arrived).await {
            return error;
        }
        lane.count(|it| {
            it.passed += 1;
            it.bytes += length;
        });
    }
}

/// One direction's state.
struct Road {
    rng: fastrand::Rng,
    /// When the last packet that was let in is through the narrowest part.
    free: Instant,
    underway: VecDeque<Packet>,
}

impl Road {
    /// Takes a packet in, or drops it. Gives it back where it passes at once.
    fn take(&mut self, packet: &[u8], lane: &Lane) -> Option<Vec<u8>> {
        let conditions = *lane.conditions.borrow();
        lane.count(|it| {
            it.taken += 1;
            it.offered += packet.len() as u64;
        });
        if conditions.traffic == Traffic::Udp && !is_udp(packet) {
            return Some(packet.to_vec());
        }
        if conditions.flow == Flow::Cut {
            lane.count(|it| it.cut += 1);
            return None;
        }
        if self.rng.f64() < conditions.loss {
            lane.count(|it| it.lost += 1);
            return None;
        }
        let now = Instant::now();
        let start = self.free.max(now);
        if let Some(rate) = conditions.rate {
            let rate = f64::from(rate.max(1));
            let waiting = (start - now).as_secs_f64() * rate / 8.0;
            if waiting + packet.len() as f64 > f64::from(conditions.queue) {
                lane.count(|it| it.overflowed += 1);
                return None;
            }
            self.free = start + Duration::from_secs_f64(packet.len() as f64 * 8.0 / rate);
        } else {
            self.free = now;
        }
        if self.underway.len() >= UNDERWAY {
            lane.count(|it| it.overflowed += 1);
            return None;
        }
        let late = conditions.jitter.mul_f64(self.rng.f64());
        let arrives = self.free + conditions.delay + late;
        let arrives = self.underway.back().map_or(arrives, |last| last.arrives.max(arrives));
        if self.underway.is_empty() && arrives <= now {
            return Some(packet.to_vec());
        }
        self.underway.push_back(Packet { arrives, bytes: packet.to_vec() });
        None
    }
}

/// Whether an IP packet carries UDP (protocol 17; RFC 791, section 3.1, and RFC 8200, section 3).
fn is_udp(packet: &[u8]) -> bool {
    let protocol = match packet.first().map(|first| first >> 4) {
        Some(4) => packet.get(9),
        Some(6) => packet.get(6),
        _ => None,
    };
    protocol == Some(&17)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(length: usize, protocol: u8) -> Vec<u8> {
        let mut packet = vec![0; length];
        packet[0] = 0x45;
        packet[9] = protocol;
        packet
    }

    fn road(conditions: Conditions) -> (Road, Lane) {
        let lane = Lane::default();
        lane.conditions.send_replace(conditions);
        let rng = fastrand::Rng::with_seed(7);
        (Road { rng, free: Instant::now(), underway: VecDeque::new() }, lane)
    }

    fn counted(lane: &Lane) -> Counters {
        *lane.counters.lock().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_happens_to_a_packet_by_default() {
        let (mut road, lane) = road(Conditions::default());
        assert!(road.take(&packet(100, 17), &lane).is_some());
        assert_eq!(counted(&lane), Counters { taken: 1, offered: 100, ..Counters::default() });
    }

    #[tokio::test(start_paused = true)]
    async fn the_loss_is_about_as_great_as_asked_for() {
        let (mut road, lane) = road(Conditions { loss: 0.03, ..Conditions::default() });
        for _ in 0..10_000 {
            road.take(&packet(100, 17), &lane);
        }
        let lost = counted(&lane).lost;
        assert!((250..350).contains(&lost), "{lost}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_narrow_link_spreads_packets_and_drops_what_does_not_fit_its_queue() {
        let conditions = Conditions { rate: Some(80_000), queue: 3_000, ..Conditions::default() };
        let (mut road, lane) = road(conditions);
        let start = Instant::now();
        for _ in 0..5 {
            road.take(&packet(1_000, 17), &lane);
        }
        let times: Vec<_> = road.underway.iter().map(|packet| (packet.arrives - start).as_millis()).collect();
        assert_eq!(times, [100, 200, 300]);
        assert_eq!(counted(&lane).overflowed, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn packets_keep_their_order_however_late_each_is() {
        let conditions =
            Conditions { delay: Duration::from_millis(50), jitter: Duration::from_millis(30), ..Conditions::default() };
        let (mut road, lane) = road(conditions);
        let start = Instant::now();
        for _ in 0..100 {
            road.take(&packet(100, 17), &lane);
        }
        let times: Vec<_> = road.underway.iter().map(|packet| (packet.arrives - start).as_millis()).collect();
        assert!(times.is_sorted(), "{times:?}");
        assert!(times.iter().all(|time| (50..=80).contains(time)), "{times:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_cut_for_udp_lets_tcp_through() {
        let (mut road, lane) = road(Conditions { flow: Flow::Cut, traffic: Traffic::Udp, ..Conditions::default() });
        assert!(road.take(&packet(100, 17), &lane).is_none());
        assert!(road.take(&packet(100, 6), &lane).is_some());
        assert_eq!(counted(&lane).cut, 1);
    }
}
