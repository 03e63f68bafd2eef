//! Bounded queue of packets to write to a TCP or TLS connection.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::{Bytes, BytesMut};
use tokio::sync::mpsc;

use crate::relay::framing;

/// Packets that wait for a connection. Further ones are dropped, as on UDP: media that arrives late is useless.
const QUEUED_PACKETS: usize = 256;

/// Bytes that wait for a connection: half a second at 2 Mbit/s.
const QUEUED_BYTES: usize = 128 * 1024;

/// Queue of packets to write to a connection.
#[derive(Debug)]
pub(super) struct StreamQueue {
    packets: mpsc::Sender<Bytes>,
    queued_bytes: Arc<AtomicUsize>,
}

impl StreamQueue {
    /// A queue, its receiver, and the number of bytes in it, which the receiver reduces.
    pub(super) fn new() -> (Self, mpsc::Receiver<Bytes>, Arc<AtomicUsize>) {
        let (packets, receiver) = mpsc::channel(QUEUED_PACKETS);
        let queued_bytes = Arc::new(AtomicUsize::new(0));
        (Self { packets, queued_bytes: queued_bytes.clone() }, receiver, queued_bytes)
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_padded_and_dropped_beyond_the_limits() {
        let (queue, mut packets, bytes) = StreamQueue::new();
        queue.push(&[1; 5]);
        assert_eq!(packets.try_recv().unwrap(), [1, 1, 1, 1, 1, 0, 0, 0][..]);
        bytes.store(0, Ordering::Relaxed);
        for _ in 0..QUEUED_PACKETS * 2 {
            queue.push(&[1; 4]);
        }
        assert_eq!(bytes.load(Ordering::Relaxed), QUEUED_PACKETS * 4, "too many packets");
        while packets.try_recv().is_ok() {}
        bytes.store(0, Ordering::Relaxed);
        for _ in 0..QUEUED_PACKETS {
            queue.push(&[1; 1_200]);
        }
        assert_eq!(packets.len(), QUEUED_BYTES / 1_200, "too many bytes");
    }
}
