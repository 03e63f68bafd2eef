//! Our own steps in the library's chain of packets.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use rtc::interceptor::{Interceptor, Registry, Slot, StreamInfo, TaggedPacket};
use rtc::sansio::Protocol;
use rtc::shared::error::Error;

use crate::traffic::Traffic;

mod congestion;
mod meter;
mod repeats;
mod requests;
mod retransmissions;

pub(crate) use requests::is_keyframe_request;

/// Next to the network: sees all that comes and goes.
const METER: usize = 900;
/// Behind the step that repeats packets (4,000), so that repeated ones are numbered too.
const CONGESTION: usize = 2_000;
/// Between the two.
const REPEATS: usize = 3_500;
/// Before the step that asks for missing packets (7,000).
const UNWRAP: usize = 6_500;
/// After every step that has a use for feedback.
const REQUESTS: usize = 14_000;

/// Adds all of them.
pub(crate) fn add(registry: Registry, traffic: &Arc<Traffic>) -> Registry {
    registry
        .with(Slot::from(METER), Passing::new(meter::Meter::new(traffic.clone())))
        .with(Slot::from(CONGESTION), Passing::new(congestion::Congestion::new(traffic.clone())))
        .with(Slot::from(REPEATS), Passing::new(repeats::Repeats::new(traffic.clone())))
        .with(Slot::from(UNWRAP), Passing::new(retransmissions::Retransmissions::default()))
        .with(Slot::from(REQUESTS), Passing::new(requests::KeyframeRequests))
}

/// What a step does: looks at packets, changes or drops them.
trait Step: Send + Sync + 'static {
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
struct Passing<S> {
    step: S,
    reads: VecDeque<TaggedPacket>,
    writes: VecDeque<TaggedPacket>,
}

impl<S> Passing<S> {
    fn new(step: S) -> Self {
        Self { step, reads: VecDeque::new(), writes: VecDeque::new() }
    }
}

impl<S: Step> Protocol<TaggedPacket, TaggedPacket, ()> for Passing<S> {
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

impl<S: Step> Interceptor for Passing<S> {
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
