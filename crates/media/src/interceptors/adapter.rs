//! What a step of the chain is, and what makes one of the library's interceptors of it.

use std::collections::VecDeque;
use std::time::Instant;

use rtc::interceptor::{Interceptor, StreamInfo, TaggedPacket};
use rtc::sansio::Protocol;
use rtc::shared::error::Error;

/// What a step does: looks at packets, changes or drops them.
pub(super) trait PacketStep: Send + Sync + 'static {
    /// A packet from the network, and what becomes of it.
    fn read(&mut self, packet: TaggedPacket) -> Option<TaggedPacket> {
        Some(packet)
    }

    /// A packet to the network, and what becomes of it.
    fn write(&mut self, packet: TaggedPacket) -> Option<TaggedPacket> {
        Some(packet)
    }

    /// A stream goes out from now on.
    fn sends(&mut self, _: &StreamInfo) {}

    /// A stream comes in from now on.
    fn receives(&mut self, _: &StreamInfo) {}

    /// A stream comes in no more.
    fn receives_no_more(&mut self, _: &StreamInfo) {}
}

/// A step of the chain: the queues that the chain feeds and empties, around what the step does. The chain empties them after
/// every packet.
pub(super) struct InterceptorAdapter<S> {
    step: S,
    reads: VecDeque<TaggedPacket>,
    writes: VecDeque<TaggedPacket>,
}

impl<S> InterceptorAdapter<S> {
    pub fn new(step: S) -> Self {
        Self { step, reads: VecDeque::new(), writes: VecDeque::new() }
    }
}

impl<S: PacketStep> Protocol<TaggedPacket, TaggedPacket, ()> for InterceptorAdapter<S> {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, packet: TaggedPacket) -> Result<(), Error> {
        self.reads.extend(self.step.read(packet));
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.reads.pop_front()
    }

    fn handle_write(&mut self, packet: TaggedPacket) -> Result<(), Error> {
        self.writes.extend(self.step.write(packet));
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.writes.pop_front()
    }
}

impl<S: PacketStep> Interceptor for InterceptorAdapter<S> {
    fn bind_local_stream(&mut self, info: &StreamInfo) {
        self.step.sends(info);
    }

    fn unbind_local_stream(&mut self, _: &StreamInfo) {}

    fn bind_remote_stream(&mut self, info: &StreamInfo) {
        self.step.receives(info);
    }

    fn unbind_remote_stream(&mut self, info: &StreamInfo) {
        self.step.receives_no_more(info);
    }
}
