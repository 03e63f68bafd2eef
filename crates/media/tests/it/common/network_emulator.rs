//! Network emulator between two peers on loopback: a UDP proxy with limited bandwidth, delay and loss.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hutong_protocol::IceCandidate;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

/// Conditions of one direction.
#[derive(Clone, Copy, Debug)]
pub struct ProxyLink {
    /// Bandwidth; unlimited if `None`.
    pub bits_per_second: Option<f64>,
    /// Capacity of the queue in front of the bottleneck, in bytes.
    pub queue: usize,
    pub delay: Duration,
    /// Part of the packets lost at random.
    pub loss: f64,
    pub is_up: bool,
}

impl Default for ProxyLink {
    fn default() -> Self {
        Self { bits_per_second: None, queue: 1 << 20, delay: Duration::ZERO, loss: 0.0, is_up: true }
    }
}

/// Packet counters of one direction.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProxyLinkCounters {
    /// Bytes of media forwarded.
    pub media_bytes: u64,
    /// Packets lost, at random or by a full queue.
    pub lost: u64,
    /// RTX packets received, including lost ones.
    pub rtx: u64,
    /// Video packets received, including lost ones.
    pub video: u64,
}

/// Returns whether to lose a video packet of the offerer, by its number.
type LossRule = Box<dyn FnMut(u64) -> bool + Send>;

/// UDP proxy with the conditions of both directions.
pub struct NetworkEmulator {
    address: SocketAddr,
    answerer: Arc<Mutex<Option<SocketAddr>>>,
    /// By direction.
    links: Arc<Mutex<[ProxyLink; 2]>>,
    counters: Arc<Mutex<[ProxyLinkCounters; 2]>>,
}

/// Direction from the offerer to the answerer.
pub const TO_ANSWERER: usize = 0;
/// Direction from the answerer to the offerer.
pub const TO_OFFERER: usize = 1;

impl NetworkEmulator {
    pub async fn new(to_answerer: ProxyLink, to_offerer: ProxyLink) -> Self {
        Self::with_loss_rule(to_answerer, to_offerer, Box::new(|_| false)).await
    }

    pub async fn with_loss_rule(to_answerer: ProxyLink, to_offerer: ProxyLink, loss_rule: LossRule) -> Self {
        let socket = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap());
        let address = socket.local_addr().unwrap();
        let emulator = Self {
            address,
            answerer: Arc::default(),
            links: Arc::new(Mutex::new([to_answerer, to_offerer])),
            counters: Arc::default(),
        };
        let (links, counters) = (emulator.links.clone(), emulator.counters.clone());
        tokio::spawn(receive(socket, emulator.answerer.clone(), links, counters, loss_rule));
        emulator
    }

    /// Replaces the address in the answerer's candidate by the emulator's.
    pub fn substitute(&self, mut candidate: IceCandidate) -> IceCandidate {
        let mut fields: Vec<String> = candidate.candidate.split(' ').map(str::to_owned).collect();
        if let [_, _, _, _, host, port, ..] = &mut fields[..] {
            *self.answerer.lock().unwrap() = Some(format!("{host}:{port}").parse().unwrap());
            *host = self.address.ip().to_string();
            *port = self.address.port().to_string();
        }
        candidate.candidate = fields.join(" ");
        candidate
    }

    /// Changes the conditions of both directions.
    pub fn change(&self, change: impl Fn(&mut ProxyLink)) {
        self.links.lock().unwrap().iter_mut().for_each(change);
    }

    pub fn counters(&self, direction: usize) -> ProxyLinkCounters {
        self.counters.lock().unwrap()[direction]
    }
}

/// Receives packets of both peers, and queues those that are not lost for sending.
async fn receive(
    socket: Arc<UdpSocket>,
    answerer: Arc<Mutex<Option<SocketAddr>>>,
    links: Arc<Mutex<[ProxyLink; 2]>>,
    counters: Arc<Mutex<[ProxyLinkCounters; 2]>>,
    mut loss_rule: LossRule,
) {
    let offerer = Arc::new(Mutex::new(None));
    let queues = [TO_ANSWERER, TO_OFFERER].map(|direction| {
        let (queue, packets) = mpsc::unbounded_channel();
        let to = if direction == TO_ANSWERER { answerer.clone() } else { offerer.clone() };
        tokio::spawn(forward(packets, socket.clone(), to));
        queue
    });
    let mut bottlenecks = [Bottleneck::default(), Bottleneck::default()];
    let mut random = fastrand::Rng::with_seed(42);
    let mut buffer = [0; 2048];
    while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
        let is_to_offerer = Some(from) == *answerer.lock().unwrap();
        if !is_to_offerer {
            *offerer.lock().unwrap() = Some(from);
        }
        let direction = usize::from(is_to_offerer);
        let link = links.lock().unwrap()[direction];
        let mut counters = counters.lock().unwrap();
        let counts = &mut counters[direction];
        // SRTP does not encrypt the version and the payload type (RFC 3550, section 5.1).
        let is_media = length > 12 && buffer[0] >> 6 == 2 && matches!(buffer[1] & 0x7F, 96 | 97 | 111);
        let payload_type = if is_media { buffer[1] & 0x7F } else { 0 };
        counts.rtx += u64::from(payload_type == 97);
        counts.video += u64::from(payload_type == 96);
        let is_chosen = payload_type == 96 && !is_to_offerer && loss_rule(counts.video);
        let departure = bottlenecks[direction].enqueue(Instant::now(), length + 28, &link);
        match departure.filter(|_| link.is_up && !is_chosen && random.f64() >= link.loss) {
            Some(departure) => {
                counts.media_bytes += if is_media { length as u64 } else { 0 };
                // Fails only at the end of the test.
                let _ = queues[direction].send((departure + link.delay, buffer[..length].to_vec()));
            }
            None => counts.lost += 1,
        }
    }
}

/// Queue in front of a bottleneck: the departure and size of each packet.
#[derive(Default)]
struct Bottleneck {
    queue: VecDeque<(Instant, usize)>,
}

impl Bottleneck {
    /// Returns the departure of a packet; `None` if the queue is full.
    fn enqueue(&mut self, now: Instant, bytes: usize, link: &ProxyLink) -> Option<Instant> {
        let Some(rate) = link.bits_per_second else { return Some(now) };
        let free = self.queue.back().map_or(now, |(at, _)| (*at).max(now));
        while self.queue.front().is_some_and(|(at, _)| *at <= now) {
            self.queue.pop_front();
        }
        let queued: usize = self.queue.iter().map(|(_, bytes)| bytes).sum();
        if queued + bytes > link.queue {
            return None;
        }
        let departure = free + Duration::from_secs_f64(bytes as f64 * 8.0 / rate);
        self.queue.push_back((departure, bytes));
        Some(departure)
    }
}

/// Sends queued packets at their time.
async fn forward(
    mut packets: mpsc::UnboundedReceiver<(Instant, Vec<u8>)>,
    socket: Arc<UdpSocket>,
    to: Arc<Mutex<Option<SocketAddr>>>,
) {
    while let Some((at, packet)) = packets.recv().await {
        tokio::time::sleep_until(at.into()).await;
        let to = *to.lock().unwrap();
        if let Some(to) = to {
            // Fails if the peer is closed.
            let _ = socket.send_to(&packet, to).await;
        }
    }
}
