//! One UDP socket of the TURN server, and its task.

use std::{
    io::{self, IoSliceMut},
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use quinn_udp::{BATCH_SIZE, RecvMeta, UdpSocketState};
use tokio::{io::Interest, net::UdpSocket};

use super::server::TurnServer;
use crate::{
    clock,
    relay::{ClientAddress, ClientTransport, Transmit},
};

/// Largest datagram, or run of datagrams that the kernel has merged, in bytes.
const BUFFER: usize = 65_536;

/// Buffers that one system call fills.
const BUFFERS: usize = if BATCH_SIZE < 8 { BATCH_SIZE } else { 8 };

/// System calls that receive before other tasks have their turn.
const RECEIVES_PER_TURN: usize = 8;

/// Size of the kernel's buffers: a few milliseconds of several hundred streams.
const KERNEL_BUFFER: usize = 2 << 20;

/// Pause after an error of the socket.
const ERROR_PAUSE: Duration = Duration::from_millis(10);

/// An open UDP socket.
#[derive(Debug)]
pub(super) struct UdpPort {
    /// The socket's number in [`ClientTransport::Udp`].
    number: u16,
    socket: UdpSocket,
    /// The kernel's features: many datagrams by one system call, and the address that each was sent to.
    state: UdpSocketState,
    local: SocketAddr,
}

impl UdpPort {
    /// Binds a socket. An IPv6 one receives IPv4 only with `both_families`.
    pub(super) fn bind(number: u16, address: SocketAddr, both_families: bool) -> io::Result<Self> {
        let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::DGRAM, None)?;
        if matches!(address.ip(), IpAddr::V6(_)) {
            socket.set_only_v6(!both_families)?;
        }
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        let socket = UdpSocket::from_std(socket.into())?;
        let state = UdpSocketState::new((&socket).into())?;
        // Best effort: the system may permit only less.
        let _ = state.set_send_buffer_size((&socket).into(), KERNEL_BUFFER);
        let _ = state.set_recv_buffer_size((&socket).into(), KERNEL_BUFFER);
        Ok(Self { number, local: socket.local_addr()?, socket, state })
    }

    pub(super) const fn number(&self) -> u16 {
        self.number
    }

    /// Sends a packet, from the address that the client knows. Drops it if the system cannot take it now.
    pub(super) fn send(&self, to: &ClientAddress, packet: &[u8]) {
        let src_ip = Some(to.local.ip()).filter(|ip| !ip.is_unspecified());
        let transmit =
            quinn_udp::Transmit { destination: to.remote, ecn: None, contents: packet, segment_size: None, src_ip };
        let sent = self.socket.try_io(Interest::WRITABLE, || self.state.try_send((&self.socket).into(), &transmit));
        if let Err(error) = sent {
            tracing::trace!(%error, "cannot send a TURN packet; dropped");
        }
    }

    /// Receives packets and passes them to the relay. Never returns.
    pub(super) async fn run(self: Arc<Self>, turn: Arc<TurnServer>) {
        let mut memory = vec![0; BUFFERS * BUFFER];
        let mut received = [RecvMeta::default(); BUFFERS];
        let mut transmits = Vec::new();
        loop {
            if let Err(error) = self.socket.readable().await {
                tracing::debug!(%error, "cannot wait for UDP packets; retrying after a pause");
                tokio::time::sleep(ERROR_PAUSE).await;
            }
            for _ in 0..RECEIVES_PER_TURN {
                match self.receive(&mut memory, &mut received) {
                    Ok(count) => {
                        let received = received.iter().take(count);
                        self.handle(&turn, memory.chunks_mut(BUFFER).zip(received), &mut transmits);
                        for (start, transmit) in transmits.drain(..) {
                            let packet = transmit.packet.bytes(memory.get(start..).unwrap_or_default());
                            turn.deliver(&transmit.to, packet, Some(&self));
                        }
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) => {
                        tracing::debug!(%error, "cannot receive UDP packets; retrying after a pause");
                        tokio::time::sleep(ERROR_PAUSE).await;
                        break;
                    }
                }
            }
            tokio::task::yield_now().await;
        }
    }

    fn receive(&self, memory: &mut [u8], received: &mut [RecvMeta; BUFFERS]) -> io::Result<usize> {
        let mut slices = memory.chunks_mut(BUFFER).map(IoSliceMut::new);
        let mut buffers: [IoSliceMut<'_>; BUFFERS] =
            std::array::from_fn(|_| slices.next().unwrap_or_else(|| IoSliceMut::new(&mut [])));
        self.socket.try_io(Interest::READABLE, || self.state.recv((&self.socket).into(), &mut buffers, received))
    }

    /// Passes received packets to the relay. Adds what is to be sent, with the offset of the received packet in the memory.
    fn handle<'b>(
        &self,
        turn: &TurnServer,
        received: impl Iterator<Item = (&'b mut [u8], &'b RecvMeta)>,
        transmits: &mut Vec<(usize, Transmit)>,
    ) {
        let now = clock::now();
        let mut relay = turn.relay();
        for (index, (buffer, meta)) in received.enumerate() {
            let from = ClientAddress {
                transport: ClientTransport::Udp { socket: self.number },
                remote: meta.addr,
                local: SocketAddr::new(meta.dst_ip.unwrap_or(self.local.ip()), self.local.port()),
            };
            let stride = meta.stride.max(1);
            let datagrams = buffer.get_mut(..meta.len).unwrap_or_default().chunks_mut(stride);
            for (number, datagram) in datagrams.enumerate() {
                if let Some(transmit) = relay.receive(from, datagram, now) {
                    transmits.push((index * BUFFER + number * stride, transmit));
                }
            }
        }
    }
}
