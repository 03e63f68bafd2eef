//! What is read when somebody asks, in place of being counted all along: how many there are now.

use std::fmt;

use hutong_protocol::UserState;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, gauge::ConstGauge},
};

use crate::hub::Hub;

/// What there is now of a server.
#[derive(Debug)]
pub(crate) struct Now {
    pub(crate) hub: Hub,
}

impl Collector for Now {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let counts = self.hub.counts();
        gauge(&mut encoder, "websockets", "Open WebSockets, logged in or not", counts.websockets)?;
        gauge(&mut encoder, "calls", "Calls from OFFERING until they are over or given up", counts.calls)?;
        let mut users =
            encoder.encode_descriptor("users", "Users that are online, by state", None, MetricType::Gauge)?;
        for (state, number) in counts.users {
            users.encode_family(&[("state", word(state))])?.encode_gauge(&signed(number))?;
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

const fn word(state: UserState) -> &'static str {
    match state {
        UserState::Online => "online",
        UserState::Offline => "offline",
        UserState::Connecting => "connecting",
        UserState::InCall => "in_call",
        UserState::Ending => "ending",
    }
}
