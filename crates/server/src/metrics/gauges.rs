//! Gauges (open connections, calls, users by state) and the numbers of the TURN server, read at each scrape from the hub,
//! which connects sockets and registry.

use std::fmt;

use hutong_protocol::UserState;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};

use crate::relay::RelayCounters;

/// Values of the gauges at one moment.
#[derive(Debug)]
pub(crate) struct Gauges {
    pub(crate) websockets: usize,
    /// Calls that have not ended.
    pub(crate) calls: usize,
    /// Numbers of the TURN server.
    pub(crate) turn: RelayCounters,
    /// Online users by state.
    pub(crate) users: [(UserState, usize); 4],
}

/// Prometheus collector that reads the gauges at each scrape.
pub(super) struct GaugeCollector {
    read: Box<dyn Fn() -> Gauges + Send + Sync>,
}

impl GaugeCollector {
    pub(super) fn new(read: impl Fn() -> Gauges + Send + Sync + 'static) -> Self {
        Self { read: Box::new(read) }
    }
}

impl fmt::Debug for GaugeCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GaugeCollector").finish_non_exhaustive()
    }
}

impl Collector for GaugeCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let now = (self.read)();
        gauge(&mut encoder, "websockets", "Open WebSockets, logged in or not", now.websockets)?;
        gauge(&mut encoder, "calls", "Calls from OFFERING until they end", now.calls)?;
        gauge(&mut encoder, "turn_allocations", "Open TURN allocations", now.turn.allocations)?;
        for (name, help, value) in [
            ("turn_allocations_created", "TURN allocations created", now.turn.created),
            ("turn_allocations_refused", "TURN allocations refused because of a limit", now.turn.over_limit),
            ("turn_unauthorized", "TURN requests with wrong or expired credentials", now.turn.unauthorized),
            ("turn_ignored", "STUN and TURN requests ignored because of their rate", now.turn.ignored_requests),
            ("turn_relayed_packets", "Packets relayed", now.turn.relayed_packets),
            ("turn_relayed_bytes", "Bytes of payload relayed", now.turn.relayed_bytes),
            ("turn_dropped_packets", "Packets dropped because of the byte rate", now.turn.rate_limited_packets),
        ] {
            ConstCounter::new(value).encode(encoder.encode_descriptor(name, help, None, MetricType::Counter)?)?;
        }
        let mut users = encoder.encode_descriptor("users", "Online users, by state", None, MetricType::Gauge)?;
        for (state, number) in now.users {
            users.encode_family(&[("state", label_value(state))])?.encode_gauge(&signed(number))?;
        }
        Ok(())
    }
}

fn gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: usize) -> Result<(), fmt::Error> {
    ConstGauge::new(signed(value)).encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)
}

fn signed(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

const fn label_value(state: UserState) -> &'static str {
    match state {
        UserState::Online => "online",
        UserState::Offline => "offline",
        UserState::Connecting => "connecting",
        UserState::InCall => "in_call",
        UserState::Ending => "ending",
    }
}
