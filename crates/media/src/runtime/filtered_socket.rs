//! UDP socket behind the [`StunFilter`] of its connection.

use std::fmt;
use std::future::Future;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use tokio::time::Sleep;
use webrtc::runtime::{AsyncUdpSocket, RecvMeta, Transmit};

use super::stun_filter::{Incoming, Outgoing, PacedPacket, StunFilter};
use crate::description::IceCredentials;

/// The filter that the sockets of a connection share.
#[derive(Clone)]
pub(crate) struct SharedStunFilter(Arc<Mutex<StunFilter<Weak<dyn AsyncUdpSocket>>>>);

impl Default for SharedStunFilter {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(StunFilter::new())))
    }
}

impl SharedStunFilter {
    /// Adds credentials of this side, which connectivity checks may carry from now on.
    pub fn add_credentials(&self, credentials: IceCredentials) {
        self.lock().add_credentials(credentials);
    }

    fn lock(&self) -> MutexGuard<'_, StunFilter<Weak<dyn AsyncUdpSocket>>> {
        // Nothing panics while the lock is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends what is due. Returns the result of sending to an address, if something was sent there.
    fn send_due(&self, now: Instant, to: Option<SocketAddr>) -> Option<io::Result<usize>> {
        let mut result = None;
        loop {
            let due = self.lock().take_due(now);
            let Some(packet) = due else { return result };
            let sent = send(&packet);
            if to == Some(packet.to) {
                result = sent;
            }
        }
    }
}

impl fmt::Debug for SharedStunFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedStunFilter").finish_non_exhaustive()
    }
}

/// Sends a packet; `None` if its socket is closed. A packet that the socket cannot take now is lost, as on the network.
fn send(packet: &PacedPacket<Weak<dyn AsyncUdpSocket>>) -> Option<io::Result<usize>> {
    let socket = packet.socket.upgrade()?;
    match socket.poll_send(&mut Context::from_waker(Waker::noop()), &transmit(packet.to, &packet.packet)) {
        Poll::Ready(result) => Some(result),
        Poll::Pending => Some(Ok(packet.packet.len())),
    }
}

/// A single datagram.
fn transmit(destination: SocketAddr, contents: &[u8]) -> Transmit<'_> {
    Transmit { destination, ecn: None, contents, segment_size: None, src_ip: None }
}

/// A UDP socket whose packets pass a [`StunFilter`]. Paced packets are sent while the driver reads from it.
pub(super) struct FilteredSocket {
    inner: Arc<dyn AsyncUdpSocket>,
    local: SocketAddr,
    filter: SharedStunFilter,
    reader: Mutex<Reader>,
}

/// The task that reads from the socket.
#[derive(Default)]
struct Reader {
    waker: Option<Waker>,
    /// Until the next paced packet is due.
    timer: Option<Pin<Box<Sleep>>>,
}

impl FilteredSocket {
    pub fn new(inner: Arc<dyn AsyncUdpSocket>, filter: SharedStunFilter) -> io::Result<Self> {
        let local = inner.local_addr()?;
        Ok(Self { inner, local, filter, reader: Mutex::default() })
    }

    fn decide(&self, now: Instant, to: SocketAddr, packet: &[u8]) -> Outgoing {
        self.filter.lock().outgoing(now, self.local, to, packet, || Arc::downgrade(&self.inner))
    }

    /// Sends what is due, and wakes the reader for what is not.
    fn paced(&self, now: Instant, to: SocketAddr) -> Option<io::Result<usize>> {
        let result = self.filter.send_due(now, Some(to));
        if self.filter.lock().next_due().is_some()
            && let Some(waker) = &self.reader().waker
        {
            waker.wake_by_ref();
        }
        result
    }

    /// Sends paced packets, and wakes the reader when the next one is due.
    fn poll_paced(&self, cx: &mut Context<'_>) {
        let mut reader = self.reader();
        if !reader.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            reader.waker = Some(cx.waker().clone());
        }
        loop {
            self.filter.send_due(now(), None);
            let Some(due) = self.filter.lock().next_due() else {
                reader.timer = None;
                return;
            };
            let due = tokio::time::Instant::from_std(due);
            let timer = reader.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
            if timer.deadline() != due {
                timer.as_mut().reset(due);
            }
            if timer.as_mut().poll(cx).is_pending() {
                return;
            }
        }
    }

    /// Removes the datagrams that the library must not get.
    fn filter_received(&self, buffer: &mut [u8], meta: &mut RecvMeta) {
        let length = meta.len.min(buffer.len());
        let stride = meta.stride.max(1);
        let mut due = Vec::new();
        let mut kept = 0;
        for start in (0..length).step_by(stride) {
            let end = (start + stride).min(length);
            let decision = self.filter.lock().incoming(self.local, meta.addr, &buffer[start..end], &mut due);
            if decision == Incoming::Pass {
                if kept < start {
                    buffer.copy_within(start..end, kept);
                }
                kept += end - start;
            }
        }
        meta.len = kept;
        for packet in due {
            send(&packet);
        }
    }

    fn reader(&self) -> MutexGuard<'_, Reader> {
        // Nothing panics while the lock is held.
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Now, by the runtime's clock.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

impl AsyncUdpSocket for FilteredSocket {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.local)
    }

    fn poll_send(&self, cx: &mut Context<'_>, batch: &Transmit<'_>) -> Poll<io::Result<usize>> {
        let (now, to) = (now(), batch.destination);
        let length = batch.contents.len();
        let size = batch.segment_size.unwrap_or(length).max(1);
        if size >= length {
            return match self.decide(now, to, batch.contents) {
                Outgoing::Pass => self.inner.poll_send(cx, batch),
                // As a success where the packet waits: the library sends again without an answer.
                Outgoing::Paced => Poll::Ready(self.paced(now, to).unwrap_or(Ok(length))),
                Outgoing::Dropped => Poll::Ready(Ok(length)),
            };
        }
        let decisions: Vec<_> = batch.contents.chunks(size).map(|packet| self.decide(now, to, packet)).collect();
        if decisions.iter().all(|decision| *decision == Outgoing::Pass) {
            return self.inner.poll_send(cx, batch);
        }
        self.paced(now, to);
        for (packet, decision) in batch.contents.chunks(size).zip(decisions) {
            if decision == Outgoing::Pass {
                let _lost_if_full = self.inner.poll_send(cx, &transmit(to, packet));
            }
        }
        Poll::Ready(Ok(length))
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        self.poll_paced(cx);
        let received = self.inner.poll_recv(cx, buffers, metas);
        if let Poll::Ready(Ok(count)) = received {
            for (buffer, meta) in buffers.iter_mut().zip(metas).take(count) {
                self.filter_received(buffer, meta);
            }
        }
        received
    }

    fn max_gso_segments(&self) -> usize {
        self.inner.max_gso_segments()
    }

    fn max_gro_segments(&self) -> usize {
        self.inner.max_gro_segments()
    }
}

/// Its packets that wait are lost, and must not count as sent.
impl Drop for FilteredSocket {
    fn drop(&mut self) {
        self.filter.lock().socket_closed(self.local);
    }
}

impl fmt::Debug for FilteredSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FilteredSocket").field("local", &self.local).finish_non_exhaustive()
    }
}
