//! A client's TCP or TLS connection to the TURN server.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use tokio::{
    io::{AsyncWriteExt, ReadHalf, WriteHalf},
    sync::mpsc,
    time::timeout,
};
use tokio_util::codec::FramedRead;

use super::server::TurnServer;
use crate::{
    clock,
    relay::{ClientAddress, ClientTransport, PacketDecoder, framing},
    stream::Stream,
};

/// How long a connection may be open without an allocation.
const UNALLOCATED_TIMEOUT: Duration = Duration::from_secs(20);

/// Time limit for writing the queued packets.
const WRITE_TIMEOUT: Duration = Duration::from_secs(20);

/// Packets that wait for a connection. Further ones are dropped, as on UDP: media that arrives late is useless.
const QUEUED_PACKETS: usize = 256;

/// Bytes that wait for a connection: half a second at 2 Mbit/s.
const QUEUED_BYTES: usize = 128 * 1024;

/// Packets written by one system call.
const PACKETS_PER_WRITE: usize = 32;

/// Queue of packets to write to a connection.
#[derive(Debug)]
pub(super) struct StreamQueue {
    packets: mpsc::Sender<Bytes>,
    queued_bytes: Arc<AtomicUsize>,
}

impl StreamQueue {
    /// Queues a packet with its padding, or drops it if the queue is full.
    pub(super) fn push(&self, packet: &[u8]) {
        let padding = framing::padding(packet.len());
        let length = packet.len() + padding;
        if self.queued_bytes.load(Ordering::Relaxed) + length > QUEUED_BYTES {
            return;
        }
        let mut padded = BytesMut::with_capacity(length);
        padded.extend_from_slice(packet);
        padded.resize(length, 0);
        self.queued_bytes.fetch_add(length, Ordering::Relaxed);
        if self.packets.try_send(padded.freeze()).is_err() {
            self.queued_bytes.fetch_sub(length, Ordering::Relaxed);
        }
    }
}

/// RAII guard: removes a connection's allocation and queue on drop.
struct StreamGuard<'t> {
    turn: &'t TurnServer,
    client: ClientAddress,
    id: u64,
}

impl Drop for StreamGuard<'_> {
    fn drop(&mut self) {
        self.turn.relay().disconnect(&self.client);
        self.turn.remove_stream(self.id);
    }
}

/// Serves a connection whose first byte was that of a STUN message, until it is closed or has had no allocation for 20 s.
pub(super) async fn serve(turn: &TurnServer, stream: Stream, remote: SocketAddr, local: SocketAddr) -> io::Result<()> {
    let (packets, queue) = mpsc::channel(QUEUED_PACKETS);
    let queued_bytes = Arc::new(AtomicUsize::new(0));
    let id = turn.add_stream(StreamQueue { packets, queued_bytes: queued_bytes.clone() });
    let client = ClientAddress { transport: ClientTransport::Stream { id }, remote, local };
    let _guard = StreamGuard { turn, client, id };
    let (reader, writer) = tokio::io::split(stream);
    tokio::select! {
        read = read(turn, client, reader) => read,
        written = write(writer, queue, &queued_bytes) => written,
    }
}

async fn read(turn: &TurnServer, client: ClientAddress, stream: ReadHalf<Stream>) -> io::Result<()> {
    let mut packets = FramedRead::new(stream, PacketDecoder);
    let mut unallocated_since = clock::now();
    loop {
        let now = clock::now();
        let allocated_until = turn.relay().expires(&client, now);
        if allocated_until.is_some() {
            unallocated_since = now;
        }
        let expires = allocated_until.unwrap_or(unallocated_since + UNALLOCATED_TIMEOUT);
        let packet = match tokio::time::timeout_at(expires.into(), packets.next()).await {
            Ok(Some(packet)) => packet?,
            Ok(None) => return Ok(()),
            Err(_) => return Err(io::ErrorKind::TimedOut.into()),
        };
        turn.handle_stream_packet(client, packet);
    }
}

async fn write(
    mut stream: WriteHalf<Stream>,
    mut queue: mpsc::Receiver<Bytes>,
    queued_bytes: &AtomicUsize,
) -> io::Result<()> {
    let (mut packets, mut bytes) = (Vec::new(), BytesMut::new());
    while queue.recv_many(&mut packets, PACKETS_PER_WRITE).await > 0 {
        packets.drain(..).for_each(|packet| bytes.extend_from_slice(&packet));
        let written = async {
            stream.write_all(&bytes).await?;
            stream.flush().await
        };
        timeout(WRITE_TIMEOUT, written).await??;
        queued_bytes.fetch_sub(bytes.len(), Ordering::Relaxed);
        bytes.clear();
    }
    Ok(())
}
