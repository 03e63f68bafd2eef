//! All numbers of a server as text, in Prometheus' exposition format.

use std::fmt;

use prometheus_client::{encoding::prometheus_text, registry::Registry};

use super::gauges::{GaugeCollector, Gauges};

/// What a scrape reads: the server's numbers, and those of its process.
#[derive(Debug)]
pub(crate) struct Exposition {
    registries: [Registry; 2],
}

impl Exposition {
    pub(crate) const CONTENT_TYPE: &str = prometheus_text::CONTENT_TYPE;

    /// The counters of this registry, the gauges that are read at each scrape, and the process, which was started about now.
    pub(crate) fn new(mut counters: Registry, gauges: impl Fn() -> Gauges + Send + Sync + 'static) -> Self {
        counters.register_collector(Box::new(GaugeCollector::new(gauges)));
        let process = Registry::default();
        #[cfg(target_os = "linux")]
        let process = super::process::registered(process);
        Self { registries: [counters, process] }
    }

    /// The numbers as they are now.
    pub(crate) fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        for registry in &self.registries {
            prometheus_text::encode(&mut text, registry)?;
        }
        Ok(text)
    }
}
