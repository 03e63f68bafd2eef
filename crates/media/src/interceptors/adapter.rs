//! Adapter from a [`PacketFilter`] to the WebRTC library's `Interceptor`.

use std::collections::VecDeque;
use std::time::Instant;

use rtc::interceptor::{Interceptor, StreamInfo, TaggedPacket};
use rtc::sansio::Protocol;
use rtc::shared::error::Error;

/// Packet filter in the interceptor chain: inspects packets, and may change or drop them.
pub(super) trait PacketFilter: Send + Sync + 'static {
    /// Filters an incoming packet; `None` drops it.
    fn incoming(&mut self, packet: TaggedPacket) -> Option<TaggedPacket> {
        Some(packet)
    }

    /// Filters an outgoing packet; `None` drops it.
    fn outgoing(&mut self, packet: TaggedPacket) -> Option<TaggedPacket> {
        Some(packet)
    }

    /// An outgoing stream was added.
    fn outgoing_stream_added(&mut self, _: &StreamInfo) {}

    /// An incoming stream was added.
    fn incoming_stream_added(&mut self, _: &StreamInfo) {}

    /// An incoming stream was removed.
    fn incoming_stream_removed(&mut self, _: &StreamInfo) {}
}

/// Interceptor around a [`PacketFilter`], with the queues that the library's polling interface requires. The chain drains them
/// after every packet.
pub(super) struct InterceptorAdapter<F> {
    filter: F,
    reads: VecDeque<TaggedPacket>,
    writes: VecDeque<TaggedPacket>,
}

impl<F> InterceptorAdapter<F> {
    pub fn new(filter: F) -> Self {
        Self { filter, reads: VecDeque::new(), writes: VecDeque::new() }
    }
}

impl<F: PacketFilter> Protocol<TaggedPacket, TaggedPacket, ()> for InterceptorAdapter<F> {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, packet: TaggedPacket) -> Result<(), Error> {
        self.reads.extend(self.filter.incoming(packet));
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.reads.pop_front()
    }

    fn handle_write(&mut self, packet: TaggedPacket) -> Result<(), Error> {
        self.writes.extend(self.filter.outgoing(packet));
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.writes.pop_front()
    }
}

impl<F: PacketFilter> Interceptor for InterceptorAdapter<F> {
    fn bind_local_stream(&mut self, info: &StreamInfo) {
        self.filter.outgoing_stream_added(info);
    }

    fn unbind_local_stream(&mut self, _: &StreamInfo) {}

    fn bind_remote_stream(&mut self, info: &StreamInfo) {
        self.filter.incoming_stream_added(info);
    }

    fn unbind_remote_stream(&mut self, info: &StreamInfo) {
        self.filter.incoming_stream_removed(info);
    }
}
