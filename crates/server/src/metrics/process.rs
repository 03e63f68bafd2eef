//! Process metrics on Linux, under the names that all Prometheus clients use.

use std::{fmt, fs, time::SystemTime};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::Registry,
};
use rustix::{
    process::{Resource, getrlimit},
    time::{ClockId, clock_gettime},
};

/// Adds the process metrics to a registry. Takes now as the start of the process.
pub(super) fn register(mut registry: Registry) -> Registry {
    let started = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    registry.register_collector(Box::new(ProcessCollector { started: started.as_secs_f64() }));
    registry
}

/// Prometheus collector that reads `/proc/self` and the CPU clock at each scrape.
#[derive(Debug)]
struct ProcessCollector {
    /// Seconds since the Unix epoch.
    started: f64,
}

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let cpu_time = clock_gettime(ClockId::ProcessCPUTime);
        let cpu_time = cpu_time.tv_sec as f64 + cpu_time.tv_nsec as f64 / 1e9;
        let help = "User and system CPU time";
        let cpu = encoder.encode_descriptor("process_cpu_seconds", help, None, MetricType::Counter)?;
        ConstCounter::new(cpu_time).encode(cpu)?;
        gauge(&mut encoder, "process_start_time_seconds", "Start time since the Unix epoch", self.started)?;
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let bytes = |field| kibibytes(&status, field).map(|number| number * 1024.0);
        if let Some(bytes) = bytes("VmRSS:") {
            gauge(&mut encoder, "process_resident_memory_bytes", "Resident memory", bytes)?;
        }
        if let Some(bytes) = bytes("VmSize:") {
            gauge(&mut encoder, "process_virtual_memory_bytes", "Virtual memory", bytes)?;
        }
        if let Ok(open) = fs::read_dir("/proc/self/fd") {
            // One of them is the handle of this directory.
            let open = open.count().saturating_sub(1);
            gauge(&mut encoder, "process_open_fds", "Open file descriptors", open as f64)?;
        }
        if let Some(most) = getrlimit(Resource::Nofile).current {
            gauge(&mut encoder, "process_max_fds", "Limit of open file descriptors", most as f64)?;
        }
        Ok(())
    }
}

fn gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: f64) -> Result<(), fmt::Error> {
    ConstGauge::new(value).encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)
}

fn kibibytes(status: &str, field: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    line.split_whitespace().next()?.parse().ok()
}
