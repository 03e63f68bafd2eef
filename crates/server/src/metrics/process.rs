//! What the system says of this process, under the names that every Prometheus client uses.

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

/// The registry with the numbers of this process, which was started about now.
pub(super) fn registered(mut registry: Registry) -> Registry {
    let started = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    registry.register_collector(Box::new(Process { started: started.as_secs_f64() }));
    registry
}

/// Reads Linux's numbers of this process.
#[derive(Debug)]
struct Process {
    started: f64,
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let used = clock_gettime(ClockId::ProcessCPUTime);
        let used = used.tv_sec as f64 + used.tv_nsec as f64 / 1e9;
        let help = "Processor time of user and system";
        let cpu = encoder.encode_descriptor("process_cpu_seconds", help, None, MetricType::Counter)?;
        ConstCounter::new(used).encode(cpu)?;
        gauge(&mut encoder, "process_start_time_seconds", "When it was started, since 1970", self.started)?;
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let bytes = |field| kibibytes(&status, field).map(|number| number * 1024.0);
        if let Some(bytes) = bytes("VmRSS:") {
            gauge(&mut encoder, "process_resident_memory_bytes", "Memory in use", bytes)?;
        }
        if let Some(bytes) = bytes("VmSize:") {
            gauge(&mut encoder, "process_virtual_memory_bytes", "Memory reserved", bytes)?;
        }
        if let Ok(open) = fs::read_dir("/proc/self/fd") {
            // One of them is the directory that is being read.
            let open = open.count().saturating_sub(1);
            gauge(&mut encoder, "process_open_fds", "Open descriptors", open as f64)?;
        }
        if let Some(most) = getrlimit(Resource::Nofile).current {
            gauge(&mut encoder, "process_max_fds", "Descriptors that may be open", most as f64)?;
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
