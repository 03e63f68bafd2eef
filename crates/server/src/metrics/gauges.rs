//! Gauges (open connections, calls, users by state), read at each scrape from the hub, which connects sockets and registry.

use std::fmt;

use hutong_protocol::UserState;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, gauge::ConstGauge},
};

/// Values of the gauges at one moment.
#[derive(Debug)]
pub(crate) struct Gauges {
    pub(crate) websockets: usize,
    /// Calls that have not ended.
    pub(crate) calls: usize,
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
