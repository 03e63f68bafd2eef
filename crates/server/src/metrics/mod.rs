//! Prometheus metrics of a server and of its process.
//!
//! Counters are atomic; only the set-up histograms take a lock. Label values come from closed lists (the protocol's codes and
//! states), never from clients, so the number of series is constant. Each server has its own metrics, also when two run in one
//! process.

mod counter_family;
mod counters;
mod endpoint;
mod exposition;
mod gauges;
#[cfg(target_os = "linux")]
mod process;

pub(crate) use counters::{CapacityLimit, ConnectionCountGuard, Metrics, WebSocketEnd};
pub(crate) use endpoint::{MetricsHandler, serve};
pub(crate) use exposition::Exposition;
pub(crate) use gauges::Gauges;
