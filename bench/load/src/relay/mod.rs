//! Benchmark of TURN servers: Hutong's relay compared with coturn in one run.
//!
//! Pairs of TURN clients in this process send each other streams as video does, through a server in a process of its own,
//! whose processor time is divided by the payload that arrived. docs/BENCHMARKS.md describes the experiments.

mod experiment;
mod results;
mod traffic;
mod turn_client;
mod turn_server;

pub use self::{
    experiment::{RelayPlan, run},
    results::{AllocationMemory, RelayResults, StreamCost},
    traffic::{Endpoint, Traffic, TrafficCounts},
    turn_client::{RELAY_CHANNEL, TurnClient},
    turn_server::{RelayPath, TurnPrograms, TurnServer, TurnServerKind},
};
