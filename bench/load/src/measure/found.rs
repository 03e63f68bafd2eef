//! Everything that was found, as it is written for machines.

use std::{fs, path::Path};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::{calls::Ladder, costs::Costs, idle::Idle, machine::Machine, presence::Presence, storm::Storm};

/// Everything that was found.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Found {
    /// The plan's name.
    pub plan: String,
    /// On what.
    pub machine: Machine,
    /// Memory of idle users.
    pub idle: Vec<Idle>,
    /// Logins all at once.
    pub storms: Vec<Storm>,
    /// Changes of who is there.
    pub presence: Vec<Presence>,
    /// Calls at rising rates.
    pub calls: Vec<Ladder>,
    /// System calls.
    pub costs: Vec<Costs>,
    /// What was not measured, and why.
    pub left_out: Vec<String>,
}

impl Found {
    /// Writes it as JSON.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn write(&self, file: &Path) -> Result<()> {
        Ok(fs::write(file, serde_json::to_string_pretty(self)? + "\n")?)
    }
}
