//! Load generator and benchmark for signalling and TURN servers: Hutong's server compared with others in one run.
//!
//! `measure` starts each server as its own process and clients in other processes (`worker`), which it sends commands; `report`
//! writes the results as tables. `relay` compares the TURN server with coturn. docs/BENCHMARKS.md describes the experiments and how to run them.

pub mod call_schedule;
pub mod connect;
pub mod descriptor_limit;
pub mod echo_baseline;
pub mod known_users;
pub mod measure;
pub mod protocols;
pub mod relay;
pub mod report;
pub mod roster_scan;
pub mod server;
pub mod usage;
pub mod worker;
pub mod worker_pool;
pub mod worker_protocol;
pub mod worker_state;
