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

/// The part of the queue, in packets and bytes, that only responses of the relay use: a client waits for them, and does not ask
/// again over TCP (RFC 8489, section 6.2.2).
const RESERVED_PACKETS: usize = 16;
const RESERVED_BYTES: usize = 8 * 1024;

/// What a packet is, which decides how much of the queue it may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PacketKind {
    /// A response of the relay.
    Response,
    /// From another client.
    Relayed,
}

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
    pub(super) fn push(&self, packet: &[u8], kind: PacketKind) {
        let padding = framing::padding(packet.len());
        let length = packet.len() + padding;
        let (reserved_packets, reserved_bytes) = match kind {
            PacketKind::Response => (0, 0),
            PacketKind::Relayed => (RESERVED_PACKETS, RESERVED_BYTES),
        };
        let has_room = self.packets.capacity() > reserved_packets
            && self.queued_bytes.load(Ordering::Relaxed) + length + reserved_bytes <= QUEUED_BYTES;
        if !has_room {
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
        queue.push(&[1; 5], PacketKind::Relayed);
        assert_eq!(packets.try_recv().unwrap(), [1, 1, 1, 1, 1, 0, 0, 0][..]);
        bytes.store(0, Ordering::Relaxed);
        for _ in 0..QUEUED_PACKETS * 2 {
            queue.push(&[1; 4], PacketKind::Relayed);
        }
        assert_eq!(bytes.load(Ordering::Relaxed), (QUEUED_PACKETS - RESERVED_PACKETS) * 4, "too many packets");
        for _ in 0..QUEUED_PACKETS {
            queue.push(&[2; 4], PacketKind::Response);
        }
        assert_eq!(bytes.load(Ordering::Relaxed), QUEUED_PACKETS * 4, "responses have room");
        while packets.try_recv().is_ok() {}
        bytes.store(0, Ordering::Relaxed);
        for _ in 0..QUEUED_PACKETS {
            queue.push(&[1; 1_200], PacketKind::Relayed);
        }
        assert_eq!(packets.len(), (QUEUED_BYTES - RESERVED_BYTES) / 1_200, "too many bytes");
        let relayed = packets.len();
        queue.push(&[2; 1_200], PacketKind::Response);
        assert_eq!(packets.len(), relayed + 1);
    }
}
