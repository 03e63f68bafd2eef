//! Streams like video between endpoints: bursts of packets at a fixed interval, counted where they arrive.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::Result;
use tokio::{net::UdpSocket, task::JoinSet, time::Instant};

use super::turn_client::{RELAY_CHANNEL, TurnClient};

/// Bytes of payload in each packet: what browsers fill a video packet with.
pub const PAYLOAD: usize = 1_200;

/// Bit rate of a stream's payload: a video call in good quality.
pub const BITS_PER_SECOND: f64 = 2e6;

/// Interval between bursts of a stream: the frames of a video at 25 frames a second.
const BURST_INTERVAL: Duration = Duration::from_millis(40);

/// Bytes of the header of `ChannelData`.
const CHANNEL_HEADER: usize = 4;

/// Bytes of a socket's receive buffer: several bursts.
const RECEIVE_BUFFER: usize = 1 << 20;

/// One end of a pair: sends one stream and receives the other.
#[derive(Debug)]
pub struct Endpoint {
    socket: UdpSocket,
    /// The packet that it sends again and again.
    packet: Vec<u8>,
    /// Bytes of a packet that arrives.
    incoming: usize,
    sent: AtomicU64,
    received: AtomicU64,
}

impl Endpoint {
    /// An endpoint of a client whose channel is bound to the other endpoint.
    #[must_use]
    pub fn turn(client: TurnClient) -> Self {
        let length = u16::try_from(PAYLOAD).unwrap_or(u16::MAX);
        let header = [RELAY_CHANNEL.to_be_bytes(), length.to_be_bytes()].concat();
        let packet = [header, vec![0; PAYLOAD]].concat();
        Self::new(client.into_socket(), packet, CHANNEL_HEADER + PAYLOAD)
    }

    /// A pair of endpoints of one client and a peer without an allocation.
    ///
    /// # Errors
    ///
    /// Returns an error when the server refuses the peer, or a socket cannot be opened.
    pub async fn pair_with_direct_peer(client: TurnClient) -> Result<[Self; 2]> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let peer: SocketAddr = socket.local_addr()?;
        socket.connect(client.relayed()).await?;
        client.bind(peer).await?;
        Ok([Self::turn(client), Self::new(socket, vec![0; PAYLOAD], PAYLOAD)])
    }

    /// A pair of endpoints of two clients.
    ///
    /// # Errors
    ///
    /// Returns an error when the server refuses a peer.
    pub async fn pair(clients: [TurnClient; 2]) -> Result<[Self; 2]> {
        let [one, other] = clients;
        one.bind(other.relayed()).await?;
        other.bind(one.relayed()).await?;
        Ok([Self::turn(one), Self::turn(other)])
    }

    fn new(socket: UdpSocket, packet: Vec<u8>, incoming: usize) -> Self {
        // Best effort: the system may permit only less.
        socket2::SockRef::from(&socket).set_recv_buffer_size(RECEIVE_BUFFER).ok();
        Self { socket, packet, incoming, sent: AtomicU64::new(0), received: AtomicU64::new(0) }
    }

    fn send_burst(&self, number: u32) {
        for _ in 0..packets_of_burst(number) {
            // A packet that the system cannot take now would be late.
            if self.socket.try_send(&self.packet).is_ok() {
                self.sent.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Counts packets that arrive. Returns only with an error of the socket.
    async fn receive(&self) -> Result<()> {
        let mut buffer = vec![0; self.incoming + 1];
        loop {
            let length = self.socket.recv(&mut buffer).await?;
            self.received.fetch_add(u64::from(length == self.incoming), Ordering::Relaxed);
        }
    }
}

/// Packets that all endpoints together have sent and received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrafficCounts {
    /// Sent.
    pub sent: u64,
    /// Received.
    pub received: u64,
}

impl TrafficCounts {
    /// Megabits of payload that arrived.
    #[must_use]
    pub fn received_megabits(&self) -> f64 {
        (self.received * PAYLOAD as u64 * 8) as f64 / 1e6
    }

    /// The part of the packets that did not arrive.
    #[must_use]
    pub fn loss(&self) -> f64 {
        1.0 - self.received as f64 / self.sent.max(1) as f64
    }
}

/// Running streams. They end when it is dropped.
#[derive(Debug)]
pub struct Traffic {
    endpoints: Vec<Arc<Endpoint>>,
    senders: JoinSet<()>,
    _receivers: JoinSet<Result<()>>,
}

impl Traffic {
    /// Starts a stream from each endpoint.
    #[must_use]
    pub fn start(endpoints: Vec<Endpoint>) -> Self {
        let endpoints: Vec<_> = endpoints.into_iter().map(Arc::new).collect();
        let mut receivers = JoinSet::new();
        for endpoint in &endpoints {
            let endpoint = endpoint.clone();
            receivers.spawn(async move { endpoint.receive().await });
        }
        let mut senders = JoinSet::new();
        senders.spawn(send(endpoints.clone()));
        Self { endpoints, senders, _receivers: receivers }
    }

    /// What the endpoints have sent and received until now.
    #[must_use]
    pub fn counts(&self) -> TrafficCounts {
        let sum = |counter: fn(&Endpoint) -> &AtomicU64| {
            self.endpoints.iter().map(|endpoint| counter(endpoint).load(Ordering::Relaxed)).sum()
        };
        TrafficCounts { sent: sum(|endpoint| &endpoint.sent), received: sum(|endpoint| &endpoint.received) }
    }

    /// Ends the streams, waits until nothing more arrives, and returns the counts.
    pub async fn stop(mut self) -> TrafficCounts {
        self.senders.shutdown().await;
        let mut last = self.counts();
        loop {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let counts = self.counts();
            if counts == last {
                return counts;
            }
            last = counts;
        }
    }
}

/// Sends bursts of all endpoints forever, evenly distributed over the interval.
async fn send(endpoints: Vec<Arc<Endpoint>>) {
    let start = Instant::now();
    let spacing = BURST_INTERVAL / u32::try_from(endpoints.len()).unwrap_or(u32::MAX).max(1);
    for number in 0.. {
        for (position, endpoint) in (0..).zip(&endpoints) {
            tokio::time::sleep_until(start + BURST_INTERVAL * number + spacing * position).await;
            endpoint.send_burst(number);
        }
    }
}

/// Packets of the burst with this number: eight or nine.
fn packets_of_burst(number: u32) -> u64 {
    let packets = BITS_PER_SECOND / 8.0 / PAYLOAD as f64 * BURST_INTERVAL.as_secs_f64();
    let until = |number: u32| (f64::from(number) * packets) as u64;
    until(number + 1) - until(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bursts_make_up_the_bit_rate() {
        let packets: u64 = (0..2_500).map(packets_of_burst).sum();
        let bits = packets * PAYLOAD as u64 * 8;
        assert!((bits as f64 / 100.0 / BITS_PER_SECOND - 1.0).abs() < 1e-3, "{bits}");
        assert!((0..100).all(|number| (8..=9).contains(&packets_of_burst(number))));
    }
}
