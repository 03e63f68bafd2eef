//! Tokio runtime for the WebRTC library's driver, extended where the library lacks something.
//!
//! - [`TimerKick`] runs the driver's timers early.
//! - Packets to addresses that have never answered are paced, and unauthenticated connectivity checks are dropped
//!   ([`SharedStunFilter`]). There are no connections to candidates over TCP.
//! - TURN over TCP and TLS (RFC 8656, section 2.1): the library supports UDP only. Its URLs for such servers name hosts that
//!   do not exist ([`StreamServers`]), which resolve here to addresses that are never used; a socket carries datagrams for
//!   these over a stream to the real server.

mod check_pacer;
mod filtered_socket;
mod framing;
mod resolver;
mod stream_client;
mod stream_servers;
mod stream_socket;
mod stun_filter;
mod stun_packet;
mod timer_kick;

use std::future::{Future, ready};
use std::io;
use std::net::{self, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use webrtc::runtime::{
    AsyncInterval, AsyncTcpListener, AsyncTcpStream, AsyncUdpSocket, JoinHandle, Runtime, TokioRuntime,
};

use self::filtered_socket::FilteredSocket;
pub(crate) use self::filtered_socket::SharedStunFilter;
use self::resolver::Resolver;
pub(crate) use self::stream_servers::{StreamServers, TurnUrl, relay_protocol};
use self::stream_socket::StreamSocket;
#[cfg(feature = "inspect")]
pub(crate) use self::stun_filter::StunFilterProbe;
pub(crate) use self::timer_kick::TimerKick;

/// Runtime of one connection's driver.
#[derive(Debug)]
pub(crate) struct DriverRuntime {
    tokio: TokioRuntime,
    kick: TimerKick,
    stream_servers: StreamServers,
    resolver: Resolver,
    stun_filter: SharedStunFilter,
}

impl DriverRuntime {
    pub fn new(kick: TimerKick, stream_servers: StreamServers, stun_filter: SharedStunFilter) -> Self {
        Self { tokio: TokioRuntime, kick, stream_servers, resolver: Resolver::default(), stun_filter }
    }
}

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl Runtime for DriverRuntime {
    fn spawn(&self, future: BoxFuture<'static, ()>) -> Box<dyn JoinHandle> {
        self.tokio.spawn(future)
    }

    fn spawn_reactor(&self, size: usize, future: BoxFuture<'static, ()>) -> Box<dyn JoinHandle> {
        self.tokio.spawn_reactor(size, future)
    }

    fn wrap_udp_socket(&self, socket: net::UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        let udp = self.tokio.wrap_udp_socket(socket)?;
        // Also without such servers: they may be set before the first use of the socket.
        let streams = Arc::new(StreamSocket::new(udp, self.stream_servers.clone())?);
        Ok(Arc::new(FilteredSocket::new(streams, self.stun_filter.clone())?))
    }

    fn wrap_tcp_listener(&self, listener: net::TcpListener) -> io::Result<Arc<dyn AsyncTcpListener>> {
        self.tokio.wrap_tcp_listener(listener)
    }

    /// Always fails. The driver would connect to every address that the other side names in a candidate over TCP, although
    /// this side has no such candidates.
    fn connect_tcp<'a>(&'a self, _: SocketAddr) -> BoxFuture<'a, io::Result<Arc<dyn AsyncTcpStream>>> {
        Box::pin(ready(Err(io::ErrorKind::Unsupported.into())))
    }

    fn resolve_host<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move {
            if let Some((real_host, port)) = self.stream_servers.real_host(host) {
                let found = self.resolver.resolve(&real_host, port).await?;
                return Ok(found.into_iter().filter_map(|address| self.stream_servers.assign(host, address)).collect());
            }
            if let Some(address) = unbracketed_ipv6(host) {
                return Ok(vec![address]);
            }
            let (name, port) = host.rsplit_once(':').ok_or(io::ErrorKind::InvalidInput)?;
            let name = name.trim_start_matches('[').trim_end_matches(']');
            self.resolver.resolve(name, port.parse().map_err(|_| io::ErrorKind::InvalidInput)?).await
        })
    }

    fn now(&self) -> Instant {
        self.tokio.now()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        if self.kick.take() {
            return Box::pin(ready(()));
        }
        self.tokio.sleep(duration)
    }

    fn interval(&self, period: Duration) -> Box<dyn AsyncInterval> {
        self.tokio.interval(period)
    }

    fn block_on(&self, future: Pin<Box<dyn Future<Output = ()> + '_>>) {
        self.tokio.block_on(future);
    }

    fn yield_now(&self) -> BoxFuture<'static, ()> {
        self.tokio.yield_now()
    }

    fn name(&self) -> &'static str {
        self.tokio.name()
    }
}

/// The address in `IPV6:PORT`. The library omits the brackets around the address of a TURN server (`turn_relayer.rs` of `webrtc`
/// 0.21.1), and the text alone would not resolve.
fn unbracketed_ipv6(host: &str) -> Option<SocketAddr> {
    let (address, port) = host.rsplit_once(':')?;
    let address: net::Ipv6Addr = address.parse().ok()?;
    Some(SocketAddr::from((address, port.parse().ok()?)))
}

/// Reads a stream from a TURN server to its end, for fuzzing.
#[cfg(feature = "inspect")]
pub(crate) fn inspect_turn_stream(mut bytes: &[u8]) {
    use std::task::{Context, Poll, Waker};
    let mut packet = Vec::new();
    loop {
        // Ready at once: the bytes are there.
        let mut read = Box::pin(framing::read_packet(&mut bytes, &mut packet));
        if !matches!(read.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(Ok(true))) {
            return;
        }
        drop(read);
        assert!(packet.len() <= framing::MAX_PACKET, "{} bytes", packet.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_address_without_brackets_is_recognized() {
        assert_eq!(unbracketed_ipv6("2001:db8::1:3478"), "[2001:db8::1]:3478".parse().ok());
        for other in ["[2001:db8::1]:3478", "192.0.2.1:3478", "a.example:3478", "a.example", "2001:db8::1:x", ""] {
            assert_eq!(unbracketed_ipv6(other), None, "{other}");
        }
    }
}
