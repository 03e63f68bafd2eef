//! Listening TCP sockets, and the errors of opening one.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use tokio::net::TcpListener;

use crate::admission::AdmissionFileError;

/// Why a server could not be started.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another program listens on the address.
    #[error("{0} is taken by another program: stop that program, or choose another port (0 takes a free one)")]
    AddressInUse(SocketAddr),
    /// The operating system denies it, as for ports below 1024.
    #[error("the operating system does not permit this program to listen on {0}: choose a port above 1023")]
    Denied(SocketAddr),
    /// No network interface has the address.
    #[error("{0} is not an address of this machine: choose one of its addresses")]
    AddressNotAvailable(SocketAddr),
    /// The options contain no address.
    #[error("no address to listen on was given: give at least one")]
    NoAddress,
    /// The operating system's random number generator failed.
    #[error("cannot generate a ticket key: the operating system's random number generator failed")]
    NoRandomness,
    /// A file of admission control cannot be used.
    #[error("{0}")]
    Admission(AdmissionFileError),
    /// Another error of the operating system.
    #[error("cannot listen on {0}: {1}")]
    Other(SocketAddr, io::Error),
}

impl BindError {
    pub(crate) fn new(address: SocketAddr, error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::AddrInUse => Self::AddressInUse(address),
            io::ErrorKind::PermissionDenied => Self::Denied(address),
            io::ErrorKind::AddrNotAvailable => Self::AddressNotAvailable(address),
            _ => Self::Other(address, error),
        }
    }
}

/// Opens a socket on this address. An IPv6 socket does not accept IPv4.
pub(crate) fn listen(address: SocketAddr) -> Result<TcpListener, BindError> {
    open(address, false).map_err(|error| BindError::new(address, error))
}

/// Opens a socket on all interfaces, for IPv6 and IPv4; for IPv4 only on a machine without IPv6.
pub(crate) fn listen_everywhere(port: u16) -> Result<TcpListener, BindError> {
    let both = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
    match open(both, true) {
        Ok(socket) => Ok(socket),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(BindError::new(both, error)),
        Err(_) => listen(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))),
    }
}

fn open(address: SocketAddr, both_families: bool) -> io::Result<TcpListener> {
    // Connections that wait to be accepted. More than any burst of logins between two accepts.
    const BACKLOG: i32 = 4_096;
    let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)?;
    if matches!(address.ip(), IpAddr::V6(_)) {
        socket.set_only_v6(!both_families)?;
    }
    // On Unix, lets a restarted server bind its port at once. On Windows, it would let two programs bind the same port.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}
