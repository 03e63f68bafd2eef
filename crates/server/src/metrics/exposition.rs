//! All metrics of a server in Prometheus' text exposition format.

use std::fmt;

use prometheus_client::{encoding::prometheus_text, registry::Registry};

use super::gauges::{GaugeCollector, Gauges};

/// The metrics that a scrape returns: those of the server and those of its process.
#[derive(Debug)]
pub(crate) struct Exposition {
    registries: [Registry; 2],
}

impl Exposition {
    pub(crate) const CONTENT_TYPE: &str = prometheus_text::CONTENT_TYPE;

    /// Combines the counters, the gauges read at each scrape, and the process metrics. Takes now as the start of the process.
    pub(crate) fn new(mut counters: Registry, gauges: impl Fn() -> Gauges + Send + Sync + 'static) -> Self {
        counters.register_collector(Box::new(GaugeCollector::new(gauges)));
        let process = Registry::default();
        #[cfg(target_os = "linux")]
        let process = super::process::register(process);
        Self { registries: [counters, process] }
    }

    /// Encodes the current values.
    pub(crate) fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        for registry in &self.registries {
            prometheus_text::encode(&mut text, registry)?;
        }
        Ok(text)
    }
}
