//! Address of a client as the relay sees it: the 5-tuple of RFC 8656, section 2.

use std::net::SocketAddr;

/// The transport between a client and the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClientTransport {
    /// UDP, through this one of the server's sockets.
    Udp {
        /// The caller's number of the socket.
        socket: u16,
    },
    /// TCP or TLS.
    Stream {
        /// The caller's number of the connection, which it never uses again.
        id: u64,
    },
}

/// Identifies a client by the transport and both addresses of its packets. An allocation belongs to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientAddress {
    /// The transport of the client's packets.
    pub transport: ClientTransport,
    /// The address that they come from.
    pub remote: SocketAddr,
    /// The address that they were sent to.
    pub local: SocketAddr,
}
