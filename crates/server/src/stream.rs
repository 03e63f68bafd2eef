//! Byte stream of a client connection, plain or TLS. An enum, so that a WebSocket's task needs no boxed trait object.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
};

#[cfg(any(test, feature = "inspect"))]
use tokio::io::DuplexStream;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::server::TlsStream;

use crate::transport::UrlScheme;

/// The stream of one client connection.
#[derive(Debug)]
pub(crate) enum Stream {
    Plain(TcpStream),
    /// Boxed, so that a plain connection does not take the kilobyte of a TLS stream.
    Tls(Box<TlsStream<TcpStream>>),
    /// An in-memory stream for tests.
    #[cfg(any(test, feature = "inspect"))]
    Memory(DuplexStream),
}

impl Stream {
    /// The scheme of the URL that the client requested, if it has connected directly.
    pub(crate) const fn scheme(&self) -> UrlScheme {
        match self {
            Self::Plain(_) => UrlScheme::Http,
            Self::Tls(_) => UrlScheme::Https,
            #[cfg(any(test, feature = "inspect"))]
            Self::Memory(_) => UrlScheme::Http,
        }
    }

    /// The port of a URL that names none, if the client can have connected to it directly. TLS is often forwarded from port 443
    /// to another; plain HTTP from port 80 comes through a proxy.
    pub(crate) fn default_port(&self) -> Option<u16> {
        match self {
            Self::Plain(stream) => stream.local_addr().ok().map(|address| address.port()).filter(|port| *port == 80),
            Self::Tls(_) => Some(443),
            #[cfg(any(test, feature = "inspect"))]
            Self::Memory(_) => None,
        }
    }
}

impl Stream {
    /// Limits the kernel's send buffer, in bytes.
    pub(crate) fn set_send_buffer_size(&self, bytes: usize) -> io::Result<()> {
        let stream = match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream.get_ref().0,
            #[cfg(any(test, feature = "inspect"))]
            Self::Memory(_) => return Ok(()),
        };
        socket2::SockRef::from(stream).set_send_buffer_size(bytes)
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
            #[cfg(any(test, feature = "inspect"))]
            Self::Memory(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
            #[cfg(any(test, feature = "inspect"))]
            Self::Memory(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            #[cfg(any(test, feature = "inspect"))]
            Self::Memory(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
            #[cfg(any(test, feature = "inspect"))]
            Self::Memory(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
            #[cfg(any(test, feature = "inspect"))]
            Self::Memory(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
            #[cfg(any(test, feature = "inspect"))]
            Self::Memory(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
