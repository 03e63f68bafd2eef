//! Tokio runtime for the WebRTC library's driver, with a way to run the driver's timers early.

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

/// Flag that makes the driver's next sleep return at once, so that its timers run.
///
/// Works around a delay in `rtc` 0.21.1: once ICE is connected, `DtlsHandler::handle_event` creates the first DTLS flight, but
/// only `handle_timeout` sends it, with the next connectivity check.
#[derive(Clone, Debug, Default)]
pub(crate) struct TimerKick(Arc<AtomicBool>);

impl TimerKick {
    /// Ends the driver's next sleep at once. Takes effect when called from a callback, which the driver awaits before it sleeps.
    pub fn run_timers(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Returns the runtime for one connection's driver.
    pub fn runtime(&self) -> Arc<dyn Runtime> {
        Arc::new(KickableRuntime { tokio: TokioRuntime, kick: self.clone() })
    }
}

/// Tokio runtime whose `sleep` returns at once after a kick.
#[derive(Debug)]
struct KickableRuntime {
    tokio: TokioRuntime,
    kick: TimerKick,
}

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl Runtime for KickableRuntime {
    fn spawn(&self, future: BoxFuture<'static, ()>) -> Box<dyn JoinHandle> {
        self.tokio.spawn(future)
    }

    fn spawn_reactor(&self, size: usize, future: BoxFuture<'static, ()>) -> Box<dyn JoinHandle> {
        self.tokio.spawn_reactor(size, future)
    }

    fn wrap_udp_socket(&self, socket: net::UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        self.tokio.wrap_udp_socket(socket)
    }

    fn wrap_tcp_listener(&self, listener: net::TcpListener) -> io::Result<Arc<dyn AsyncTcpListener>> {
        self.tokio.wrap_tcp_listener(listener)
    }

    fn connect_tcp<'a>(&'a self, remote: SocketAddr) -> BoxFuture<'a, io::Result<Arc<dyn AsyncTcpStream>>> {
        self.tokio.connect_tcp(remote)
    }

    fn resolve_host<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        self.tokio.resolve_host(host)
    }

    fn now(&self) -> Instant {
        self.tokio.now()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        if self.kick.0.swap(false, Ordering::Relaxed) {
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
