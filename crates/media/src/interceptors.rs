//! The library's chain of packets, with our own steps in it.

use std::sync::Arc;
use std::time::Duration;

use rtc::interceptor::{NackGeneratorBuilder, Registry, Slot};
use rtc::peer_connection::configuration::interceptor_registry::register_default_interceptors;
use rtc::peer_connection::configuration::media_engine::MediaEngine;

use crate::traffic::Traffic;
use adapter::InterceptorAdapter;

mod adapter;
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

/// How often missing packets are asked for.
const ASK: Duration = Duration::from_millis(50);
/// How many times each: as long as the picture waits for it.
const ASK_TIMES: u16 = 10;

/// The chain that packets pass. What it needs the other side to agree to is registered with the engine.
pub(crate) fn chain(engine: &mut MediaEngine, traffic: &Arc<Traffic>) -> webrtc::error::Result<Registry> {
    // Adds NACK, picture loss indications, transport-wide feedback and reports to what the engine has.
    let registry = register_default_interceptors(Registry::new(), engine)?;
    // In place of the default's, which asks every 100 ms, and without end.
    let missing = NackGeneratorBuilder::new().with_interval(ASK).with_max_nacks_per_packet(ASK_TIMES).build();
    Ok(registry
        .with(Slot::NackGenerator, missing)
        .with(Slot::from(METER), InterceptorAdapter::new(meter::Meter::new(traffic.clone())))
        .with(Slot::from(CONGESTION), InterceptorAdapter::new(congestion::Congestion::new(traffic.clone())))
        .with(Slot::from(REPEATS), InterceptorAdapter::new(repeats::Repeats::new(traffic.clone())))
        .with(Slot::from(UNWRAP), InterceptorAdapter::new(retransmissions::Retransmissions::default()))
        .with(Slot::from(REQUESTS), InterceptorAdapter::new(requests::KeyframeRequests)))
}
