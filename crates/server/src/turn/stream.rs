//! A client's TCP or TLS connection to the TURN server.

use std::{
    io,
    net::SocketAddr,
    sync::atomic::{AtomicUsize, Ordering},
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

use super::{
    router::PacketRouter,
    stream_queue::StreamQueue,
    stream_slots::{SlotKind, StreamSlot},
};
use crate::{
    clock,
    relay::{ClientAddress, ClientTransport, PacketDecoder},
    stream::Stream,
};

/// How long a connection may be open without an allocation.
const UNALLOCATED_TIMEOUT: Duration = Duration::from_secs(20);

/// Time limit for writing the queued packets.
const WRITE_TIMEOUT: Duration = Duration::from_secs(20);

/// Packets written by one system call.
const PACKETS_PER_WRITE: usize = 32;

/// RAII guard: removes a connection's allocation and queue on drop.
struct StreamGuard<'t> {
    router: &'t PacketRouter,
    client: ClientAddress,
    id: u64,
}

impl Drop for StreamGuard<'_> {
    fn drop(&mut self) {
        self.router.relay().disconnect(&self.client);
        self.router.remove_stream(self.id);
    }
}

/// Serves a connection whose first byte was that of a STUN message, until it is closed or has had no allocation for 20 s.
pub(super) async fn serve(
    router: &PacketRouter,
    stream: Stream,
    slot: StreamSlot,
    remote: SocketAddr,
    local: SocketAddr,
) -> io::Result<()> {
    let (queue, packets, queued_bytes) = StreamQueue::new();
    let id = router.add_stream(queue);
    let client = ClientAddress { transport: ClientTransport::Stream { id }, remote, local };
    let _guard = StreamGuard { router, client, id };
    let (reader, writer) = tokio::io::split(stream);
    tokio::select! {
        read = read(router, client, slot, reader) => read,
        written = write(writer, packets, &queued_bytes) => written,
    }
}

async fn read(
    router: &PacketRouter,
    client: ClientAddress,
    mut slot: StreamSlot,
    stream: ReadHalf<Stream>,
) -> io::Result<()> {
    let mut packets = FramedRead::new(stream, PacketDecoder::new());
    let mut unallocated_since = clock::now();
    loop {
        let now = clock::now();
        let allocated_until = router.relay().expires(&client, now);
        if allocated_until.is_some() {
            packets.decoder_mut().accept_long_packets();
            slot.set_kind(SlotKind::Allocated);
        } else {
            slot.set_kind(SlotKind::Unallocated);
        }
        let expires = allocated_until.unwrap_or(unallocated_since + UNALLOCATED_TIMEOUT);
        let packet = match tokio::time::timeout_at(expires.into(), packets.next()).await {
            Ok(Some(packet)) => packet?,
            Ok(None) => return Ok(()),
            Err(_) => return Err(io::ErrorKind::TimedOut.into()),
        };
        router.handle_stream_packet(client, packet);
        if allocated_until.is_some() {
            // This packet may have ended the allocation.
            unallocated_since = clock::now();
        }
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
