//! Routes packets between the relay and the sockets and streams of its clients.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::BytesMut;

use super::{
    stream_queue::{PacketKind, StreamQueue},
    udp::UdpPort,
};
use crate::{
    clock,
    relay::{ClientAddress, ClientTransport, Relay, Transmit, TransmitPacket},
};

/// The relay, and the open sockets and streams.
#[derive(Debug)]
pub(super) struct PacketRouter {
    relay: Mutex<Relay>,
    sockets: RwLock<HashMap<u16, Arc<UdpPort>>>,
    streams: RwLock<HashMap<u64, StreamQueue>>,
    last_stream: AtomicU64,
}

impl PacketRouter {
    pub(super) fn new(relay: Relay) -> Self {
        Self {
            relay: Mutex::new(relay),
            sockets: RwLock::default(),
            streams: RwLock::default(),
            last_stream: AtomicU64::new(0),
        }
    }

    pub(super) fn relay(&self) -> MutexGuard<'_, Relay> {
        self.relay.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn handle_stream_packet(&self, from: ClientAddress, mut packet: BytesMut) {
        let transmit = self.relay().receive(from, &mut packet, clock::now());
        if let Some(transmit) = transmit {
            self.deliver(&transmit, &packet, None);
        }
    }

    /// Sends a packet to its client, or drops it. `received`: the packet that led to it. `current`: the socket of the calling task,
    /// which saves looking it up.
    pub(super) fn deliver(&self, transmit: &Transmit, received: &[u8], current: Option<&UdpPort>) {
        let (to, packet) = (&transmit.to, transmit.packet.bytes(received));
        let kind = match transmit.packet {
            TransmitPacket::Response(_) => PacketKind::Response,
            TransmitPacket::Received(_) | TransmitPacket::Written(_) => PacketKind::Relayed,
        };
        match (to.transport, current) {
            (ClientTransport::Udp { socket }, Some(current)) if current.number() == socket => current.send(to, packet),
            (ClientTransport::Udp { socket }, _) => {
                let sockets = self.sockets.read().unwrap_or_else(PoisonError::into_inner);
                if let Some(port) = sockets.get(&socket) {
                    port.send(to, packet);
                }
            }
            (ClientTransport::Stream { id }, _) => {
                let streams = self.streams.read().unwrap_or_else(PoisonError::into_inner);
                if let Some(queue) = streams.get(&id) {
                    queue.push(packet, kind);
                }
            }
        }
    }

    pub(super) fn add_stream(&self, queue: StreamQueue) -> u64 {
        let id = self.last_stream.fetch_add(1, Ordering::Relaxed) + 1;
        self.streams.write().unwrap_or_else(PoisonError::into_inner).insert(id, queue);
        id
    }

    pub(super) fn remove_stream(&self, id: u64) {
        self.streams.write().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }

    pub(super) fn add_socket(&self, socket: Arc<UdpPort>) {
        self.sockets.write().unwrap_or_else(PoisonError::into_inner).insert(socket.number(), socket);
    }

    /// Removes a socket, with the allocations of its clients.
    pub(super) fn remove_socket(&self, number: u16) {
        self.sockets.write().unwrap_or_else(PoisonError::into_inner).remove(&number);
        self.relay().close_socket(number);
    }
}
