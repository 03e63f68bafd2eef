//! A network between two peers on loopback: what passes is slowed down, delayed and lost.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hutong_protocol::IceCandidate;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

/// What one direction is like. May be changed at any time.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// Without one nothing ever waits.
    pub bits_per_second: Option<f64>,
    /// How much may wait, in bytes.
    pub queue: usize,
    pub delay: Duration,
    /// The part that is lost, at random.
    pub loss: f64,
    pub is_up: bool,
}

impl Default for Link {
    fn default() -> Self {
        Self { bits_per_second: None, queue: 1 << 20, delay: Duration::ZERO, loss: 0.0, is_up: true }
    }
}

/// What a direction did to packets so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Media that was passed on, in bytes.
    pub media: u64,
    /// Of any kind, at random or because too much waited.
    pub lost: u64,
    /// Retransmissions that came, lost or not.
    pub repeated: u64,
    /// Packets of the picture that came, lost or not.
    pub pictures: u64,
}

/// Looks at a packet of the picture that comes from who offers, and says whether to lose it.
type Sieve = Box<dyn FnMut(u64) -> bool + Send>;

/// Both directions.
pub struct Path {
    address: SocketAddr,
    answering: Arc<Mutex<Option<SocketAddr>>>,
    /// From who offers to who answers, and back.
    links: Arc<Mutex<[Link; 2]>>,
    counts: Arc<Mutex<[Counts; 2]>>,
}

/// From who offers to who answers.
pub const THERE: usize = 0;
/// The other way.
pub const BACK: usize = 1;

impl Path {
    pub async fn new(there: Link, back: Link) -> Self {
        Self::with_sieve(there, back, Box::new(|_| false)).await
    }

    pub async fn with_sieve(there: Link, back: Link, sieve: Sieve) -> Self {
        let socket = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap());
        let address = socket.local_addr().unwrap();
        let path = Self {
            address,
            answering: Arc::default(),
            links: Arc::new(Mutex::new([there, back])),
            counts: Arc::default(),
        };
        tokio::spawn(pass(socket, path.answering.clone(), path.links.clone(), path.counts.clone(), sieve));
        path
    }

    /// The answerer's candidate, with this path's address in place of its own.
    pub fn instead(&self, mut candidate: IceCandidate) -> IceCandidate {
        let mut fields: Vec<String> = candidate.candidate.split(' ').map(str::to_owned).collect();
        if let [_, _, _, _, host, port, ..] = &mut fields[..] {
            *self.answering.lock().unwrap() = Some(format!("{host}:{port}").parse().unwrap());
            *host = self.address.ip().to_string();
            *port = self.address.port().to_string();
        }
        candidate.candidate = fields.join(" ");
        candidate
    }

    pub fn change(&self, change: impl Fn(&mut Link)) {
        self.links.lock().unwrap().iter_mut().for_each(change);
    }

    pub fn counts(&self, direction: usize) -> Counts {
        self.counts.lock().unwrap()[direction]
    }
}

/// The answerer learns the way back from what arrives, so it is given no candidates.
pub fn none(_: IceCandidate) -> IceCandidate {
    IceCandidate { candidate: String::new(), sdp_mid: None, sdp_m_line_index: Some(0), username_fragment: None }
}

async fn pass(
    socket: Arc<UdpSocket>,
    answering: Arc<Mutex<Option<SocketAddr>>>,
    links: Arc<Mutex<[Link; 2]>>,
    counts: Arc<Mutex<[Counts; 2]>>,
    mut sieve: Sieve,
) {
    let offering = Arc::new(Mutex::new(None));
    let queues = [THERE, BACK].map(|direction| {
        let (queue, packets) = mpsc::unbounded_channel();
        let to = if direction == THERE { answering.clone() } else { offering.clone() };
        tokio::spawn(forward(packets, socket.clone(), to));
        queue
    });
    let mut ways = [Way::default(), Way::default()];
    let mut random = fastrand::Rng::with_seed(42);
    let mut buffer = [0; 2048];
    while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
        let is_back = Some(from) == *answering.lock().unwrap();
        if !is_back {
            *offering.lock().unwrap() = Some(from);
        }
        let direction = usize::from(is_back);
        let link = links.lock().unwrap()[direction];
        let mut counts = counts.lock().unwrap();
        let counts = &mut counts[direction];
        // What SRTP leaves readable: version, and payload type beside the marker (RFC 3550, section 5.1).
        let is_media = length > 12 && buffer[0] >> 6 == 2 && matches!(buffer[1] & 0x7F, 96 | 97 | 111);
        let payload_type = if is_media { buffer[1] & 0x7F } else { 0 };
        counts.repeated += u64::from(payload_type == 97);
        counts.pictures += u64::from(payload_type == 96);
        let sifted = payload_type == 96 && !is_back && sieve(counts.pictures);
        let leaves = ways[direction].enter(Instant::now(), length + 28, &link);
        match leaves.filter(|_| link.is_up && !sifted && random.f64() >= link.loss) {
            Some(leaves) => {
                counts.media += if is_media { length as u64 } else { 0 };
                // Fails only when the test is over.
                let _ = queues[direction].send((leaves + link.delay, buffer[..length].to_vec()));
            }
            None => counts.lost += 1,
        }
    }
}

/// What waits before a bottleneck: when each leaves it, and its size.
#[derive(Default)]
struct Way {
    waiting: VecDeque<(Instant, usize)>,
}

impl Way {
    /// When a packet will have left; none if there is no room.
    fn enter(&mut self, now: Instant, bytes: usize, link: &Link) -> Option<Instant> {
        let Some(rate) = link.bits_per_second else { return Some(now) };
        let free = self.waiting.back().map_or(now, |(at, _)| (*at).max(now));
        while self.waiting.front().is_some_and(|(at, _)| *at <= now) {
            self.waiting.pop_front();
        }
        let waiting: usize = self.waiting.iter().map(|(_, bytes)| bytes).sum();
        if waiting + bytes > link.queue {
            return None;
        }
        let leaves = free + Duration::from_secs_f64(bytes as f64 * 8.0 / rate);
        self.waiting.push_back((leaves, bytes));
        Some(leaves)
    }
}

async fn forward(
    mut packets: mpsc::UnboundedReceiver<(Instant, Vec<u8>)>,
    socket: Arc<UdpSocket>,
    to: Arc<Mutex<Option<SocketAddr>>>,
) {
    while let Some((at, packet)) = packets.recv().await {
        tokio::time::sleep_until(at.into()).await;
        let to = *to.lock().unwrap();
        if let Some(to) = to {
            // Whoever is gone gets nothing.
            let _ = socket.send_to(&packet, to).await;
        }
    }
}
