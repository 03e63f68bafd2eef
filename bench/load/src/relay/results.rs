//! Results of a relay benchmark, written as JSON (docs/bench-relay.json).

use std::{fs, path::Path};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::{
    traffic::BITS_PER_SECOND,
    turn_server::{RelayPath, TurnServerKind},
};
use crate::measure::{MachineInfo, MinMedianMax};

/// Results of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RelayResults {
    /// Name of the plan.
    pub plan: String,
    /// The machine.
    pub machine: MachineInfo,
    /// Cost of streams.
    pub streams: Vec<StreamCost>,
    /// Memory of idle allocations.
    pub allocations: Vec<AllocationMemory>,
    /// Measurements that failed, with their errors.
    pub failed: Vec<String>,
}

/// Processor time that streams cost a server.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StreamCost {
    /// Way through a server.
    pub path: RelayPath,
    /// Streams, two for each pair.
    pub streams: u32,
    /// Number of rounds.
    pub rounds: usize,
    /// CPU microseconds for each megabit of payload that arrived: of each round.
    pub micros_per_megabit: MinMedianMax,
    /// Payload that arrived, in Mbit/s.
    pub megabits_per_second: MinMedianMax,
    /// Part of the packets that were lost.
    pub loss: MinMedianMax,
    /// CPUs that the clients used.
    pub client_cpus: MinMedianMax,
}

impl StreamCost {
    /// Streams that one processor carries, by the processor time of these.
    #[must_use]
    pub fn streams_per_core(&self) -> f64 {
        1e6 / (self.micros_per_megabit.median * BITS_PER_SECOND / 1e6)
    }
}

/// Memory of a server for each allocation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AllocationMemory {
    /// The server.
    pub server: TurnServerKind,
    /// Allocations, each with a permission and a channel.
    pub allocations: u32,
    /// Bytes of resident memory without clients.
    pub baseline_rss: MinMedianMax,
    /// Bytes of resident memory for each allocation.
    pub rss_each: MinMedianMax,
}

impl RelayResults {
    /// The cost of as many streams on this path.
    #[must_use]
    pub fn cost(&self, path: RelayPath, streams: u32) -> Option<&StreamCost> {
        self.streams.iter().find(|cost| cost.path == path && cost.streams == streams)
    }

    /// Writes the results as JSON.
    ///
    /// # Errors
    ///
    /// Returns an error when writing fails.
    pub fn write(&self, file: &Path) -> Result<()> {
        Ok(fs::write(file, serde_json::to_string_pretty(self)? + "\n")?)
    }
}
