//! One UDP socket of the TURN server.

use std::{
    io::{self, IoSliceMut},
    net::{IpAddr, SocketAddr},
};

use quinn_udp::{BATCH_SIZE, RecvMeta, UdpSocketState};
use tokio::{io::Interest, net::UdpSocket};

use crate::relay::{ClientAddress, ClientTransport};

/// Largest datagram, or run of datagrams that the kernel has merged, in bytes.
pub(super) const BUFFER: usize = 65_536;

/// Buffers that one system call fills.
pub(super) const BUFFERS: usize = if BATCH_SIZE < 8 { BATCH_SIZE } else { 8 };

/// Size of the kernel's buffers: a few milliseconds of several hundred streams.
const KERNEL_BUFFER: usize = 2 << 20;

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

    /// Waits until [`receive`](Self::receive) has something.
    pub(super) async fn readable(&self) -> io::Result<()> {
        self.socket.readable().await
    }

    /// Receives datagrams, each run of merged ones into its part of [`BUFFER`] bytes of the memory.
    pub(super) fn receive(&self, memory: &mut [u8], received: &mut [RecvMeta; BUFFERS]) -> io::Result<usize> {
        let mut slices = memory.chunks_mut(BUFFER).map(IoSliceMut::new);
        let mut buffers: [IoSliceMut<'_>; BUFFERS] =
            std::array::from_fn(|_| slices.next().unwrap_or_else(|| IoSliceMut::new(&mut [])));
        self.socket.try_io(Interest::READABLE, || self.state.recv((&self.socket).into(), &mut buffers, received))
    }

    /// The client that a received datagram comes from.
    pub(super) fn client(&self, received: &RecvMeta) -> ClientAddress {
        ClientAddress {
            transport: ClientTransport::Udp { socket: self.number },
            remote: received.addr,
            local: SocketAddr::new(received.dst_ip.unwrap_or(self.local.ip()), self.local.port()),
        }
    }
}
