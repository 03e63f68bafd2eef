//! Listening sockets, and why one cannot be had.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use tokio::net::TcpListener;

use crate::entry::EntryFileError;

/// Why a server cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another program has the port.
    #[error("{0} is taken by another program: stop that one, or choose another port (0 takes a free one)")]
    AddressInUse(SocketAddr),
    /// The system does not let us, as with ports below 1024.
    #[error("the system does not let this program listen on {0}: choose a port above 1023")]
    Denied(SocketAddr),
    /// This machine does not have the address.
    #[error("{0} is not an address of this machine")]
    NotOurs(SocketAddr),
    /// No address was given.
    #[error("there is no address to listen on")]
    NoAddress,
    /// The system has no randomness to make a ticket key from.
    #[error("the system has no randomness to make a ticket key from")]
    NoRandomness,
    /// A file that says who may come in cannot be used.
    #[error("{0}")]
    Entry(EntryFileError),
    /// Anything else.
    #[error("cannot listen on {0}: {1}")]
    Other(SocketAddr, io::Error),
}

impl BindError {
    pub(crate) fn new(address: SocketAddr, error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::AddrInUse => Self::AddressInUse(address),
            io::ErrorKind::PermissionDenied => Self::Denied(address),
            io::ErrorKind::AddrNotAvailable => Self::NotOurs(address),
            _ => Self::Other(address, error),
        }
    }
}

/// Listens on this address; on an IPv6 one not for IPv4 too.
pub(crate) fn listen(address: SocketAddr) -> Result<TcpListener, BindError> {
    open(address, false).map_err(|error| BindError::new(address, error))
}

/// One socket for both families; where the machine has no IPv6, one for IPv4.
pub(crate) fn listen_everywhere(port: u16) -> Result<TcpListener, BindError> {
    let both = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
    match open(both, true) {
        Ok(socket) => Ok(socket),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(BindError::new(both, error)),
        Err(_) => listen(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))),
    }
}

fn open(address: SocketAddr, both_families: bool) -> io::Result<TcpListener> {
    // More than any burst of logins that a machine takes in before the next accept.
    const BACKLOG: i32 = 4_096;
    let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)?;
    if matches!(address.ip(), IpAddr::V6(_)) {
        socket.set_only_v6(!both_families)?;
    }
    // On Unix it lets a restarted server have its port again at once; on Windows it would let two programs have one port.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}
