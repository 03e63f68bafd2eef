//! The runtime that the library's driver runs on: tokio, whose timers can be hurried.

use std::future::{Future, ready};
use std::io;
use std::net::{self, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use webrtc::runtime::{
    AsyncInterval, AsyncTcpListener, AsyncTcpStream, AsyncUdpSocket, JoinHandle, Runtime, TokioRuntime,
};

/// Hurries the driver. What DTLS says first, once ICE has found a path, `rtc` 0.21.1 does not send before its timers run the next
/// time: `DtlsHandler::handle_event` makes it, and only `handle_timeout` fetches it. Left alone, that is the next check of the path.
#[derive(Clone, Debug, Default)]
pub(crate) struct Haste(Arc<AtomicBool>);

impl Haste {
    /// The driver's next sleep is over at once, and its timers run. To be called from what the driver waits for: before it sleeps.
    pub fn run_timers(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Tokio, as one connection's driver sees it.
    pub fn runtime(&self) -> Arc<dyn Runtime> {
        Arc::new(Hasty { tokio: TokioRuntime, haste: self.clone() })
    }
}

#[derive(Debug)]
struct Hasty {
    tokio: TokioRuntime,
    haste: Haste,
}

type Soon<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl Runtime for Hasty {
    fn spawn(&self, future: Soon<'static, ()>) -> Box<dyn JoinHandle> {
        self.tokio.spawn(future)
    }

    fn spawn_reactor(&self, size: usize, future: Soon<'static, ()>) -> Box<dyn JoinHandle> {
        self.tokio.spawn_reactor(size, future)
    }

    fn wrap_udp_socket(&self, socket: net::UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        self.tokio.wrap_udp_socket(socket)
    }

    fn wrap_tcp_listener(&self, listener: net::TcpListener) -> io::Result<Arc<dyn AsyncTcpListener>> {
        self.tokio.wrap_tcp_listener(listener)
    }

    fn connect_tcp<'a>(&'a self, remote: SocketAddr) -> Soon<'a, io::Result<Arc<dyn AsyncTcpStream>>> {
        self.tokio.connect_tcp(remote)
    }

    fn resolve_host<'a>(&'a self, host: &'a str) -> Soon<'a, io::Result<Vec<SocketAddr>>> {
        self.tokio.resolve_host(host)
    }

    fn now(&self) -> Instant {
        self.tokio.now()
    }

    fn sleep(&self, duration: Duration) -> Soon<'static, ()> {
        if self.haste.0.swap(false, Ordering::Relaxed) {
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

    fn yield_now(&self) -> Soon<'static, ()> {
        self.tokio.yield_now()
    }

    fn name(&self) -> &'static str {
        self.tokio.name()
    }
}
