//! UDP socket that carries datagrams for some addresses over streams.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::io::{self, IoSliceMut};
use std::mem;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use webrtc::runtime::{AsyncUdpSocket, RecvMeta, Transmit};

use super::stream_client::{self, QueuedPacket, ReceivedPackets};
use super::stream_servers::StreamServers;

/// Packets that wait for one stream, also while it connects. Further ones are dropped, as on UDP; media that waited too long is
/// dropped before.
const QUEUED_PACKETS: usize = 512;

/// Received packets that wait for the driver.
const RECEIVED_PACKETS: usize = 256;

/// Least time between two attempts to open a stream to one server.
const REOPEN_INTERVAL: Duration = Duration::from_secs(1);

/// A UDP socket, and the streams to TURN servers that replace it for some destinations.
pub(super) struct StreamSocket {
    udp: Arc<dyn AsyncUdpSocket>,
    local: SocketAddr,
    servers: StreamServers,
    streams: Mutex<Streams>,
    received: Mutex<mpsc::Receiver<(SocketAddr, Bytes)>>,
    sender: ReceivedPackets,
}

#[derive(Default)]
struct Streams {
    /// The open streams, by the address that stands for the server.
    open: HashMap<SocketAddr, OpenStream>,
    /// Their tasks, which are aborted when the socket is dropped.
    tasks: JoinSet<()>,
}

struct OpenStream {
    /// Closed when the stream has ended.
    queue: mpsc::Sender<QueuedPacket>,
    opened: Instant,
    /// Whether a send has failed since it ended.
    end_is_reported: bool,
}

impl StreamSocket {
    pub fn new(udp: Arc<dyn AsyncUdpSocket>, servers: StreamServers) -> io::Result<Self> {
        let local = udp.local_addr()?;
        let (sender, received) = mpsc::channel(RECEIVED_PACKETS);
        Ok(Self { udp, local, servers, streams: Mutex::default(), received: Mutex::new(received), sender })
    }

    /// Queues a packet for the server for which an address stands. Returns false if it stands for none.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::NotConnected`] once after the stream has ended or could not be opened, and within a second of that attempt. Then the library gives up
    /// the server's candidates: without an error it waits for them without end, and gathering never completes.
    fn send(&self, to: SocketAddr, packet: &[u8]) -> io::Result<bool> {
        let Some(target) = self.servers.target(to) else { return Ok(false) };
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let Streams { open, tasks } = &mut *streams;
        let now = Instant::now();
        let mut start = || {
            let (queue, packets) = mpsc::channel(QUEUED_PACKETS);
            // Without a runtime, which is about to stop, the packets are dropped.
            if let Ok(runtime) = Handle::try_current() {
                let stream = stream_client::run(target.clone(), self.local.ip(), to, packets, self.sender.clone());
                while tasks.try_join_next().is_some() {}
                let ended = async move {
                    if let Err(error) = stream.await {
                        tracing::debug!(kind = ?error.kind(), "stream to a TURN server ended");
                    }
                };
                tasks.spawn_on(ended, &runtime);
            }
            OpenStream { queue, opened: now, end_is_reported: false }
        };
        let stream = match open.entry(to) {
            Entry::Vacant(entry) => entry.insert(start()),
            Entry::Occupied(entry) => {
                let stream = entry.into_mut();
                if stream.queue.is_closed() {
                    if !mem::replace(&mut stream.end_is_reported, true)
                        || now.duration_since(stream.opened) < REOPEN_INTERVAL
                    {
                        return Err(io::ErrorKind::NotConnected.into());
                    }
                    *stream = start();
                }
                stream
            }
        };
        let _dropped_if_full = stream.queue.try_send(QueuedPacket::new(packet));
        Ok(true)
    }
}

impl AsyncUdpSocket for StreamSocket {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.local)
    }

    fn poll_send(&self, cx: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<usize>> {
        let size = transmit.segment_size.unwrap_or(transmit.contents.len()).max(1);
        let mut packets = transmit.contents.chunks(size);
        match packets.next() {
            Some(first) if self.send(transmit.destination, first)? => {
                for packet in packets {
                    self.send(transmit.destination, packet)?;
                }
                Poll::Ready(Ok(transmit.contents.len()))
            }
            _ => self.udp.poll_send(cx, transmit),
        }
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        let (Some(buffer), Some(meta)) = (buffers.first_mut(), metas.first_mut()) else { return Poll::Ready(Ok(0)) };
        // This socket keeps a sender, so the channel does not end.
        if let Poll::Ready(Some((from, packet))) = received.poll_recv(cx) {
            let length = packet.len().min(buffer.len());
            if let (Some(to), Some(packet)) = (buffer.get_mut(..length), packet.get(..length)) {
                to.copy_from_slice(packet);
            }
            *meta = RecvMeta::default();
            meta.addr = from;
            meta.len = length;
            meta.stride = length.max(1);
            return Poll::Ready(Ok(1));
        }
        self.udp.poll_recv(cx, buffers, metas)
    }

    fn max_gso_segments(&self) -> usize {
        self.udp.max_gso_segments()
    }

    fn max_gro_segments(&self) -> usize {
        self.udp.max_gro_segments()
    }
}

impl fmt::Debug for StreamSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamSocket").field("local", &self.local).finish_non_exhaustive()
    }
}
