//! Results of a benchmark run, written as JSON (docs/bench-server.json).

use std::{fs, path::Path};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::{
    call_rates::CallRates, idle_memory::IdleMemory, login_storm::LoginStorm, machine::MachineInfo,
    presence::PresenceLoad, syscalls::SyscallCosts,
};

/// Results of a benchmark run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct BenchResults {
    /// Name of the plan.
    pub plan: String,
    /// The machine.
    pub machine: MachineInfo,
    /// Memory per idle user.
    pub idle: Vec<IdleMemory>,
    /// Login storms.
    pub storms: Vec<LoginStorm>,
    /// Presence updates.
    pub presence: Vec<PresenceLoad>,
    /// Call set-ups at rising rates.
    pub calls: Vec<CallRates>,
    /// System calls.
    pub syscalls: Vec<SyscallCosts>,
    /// Experiments that failed, with their errors.
    pub failed: Vec<String>,
}

impl BenchResults {
    /// Writes the results as JSON.
    ///
    /// # Errors
    ///
    /// Returns an error when writing fails.
    pub fn write(&self, file: &Path) -> Result<()> {
        Ok(fs::write(file, serde_json::to_string_pretty(self)? + "\n")?)
    }
}
