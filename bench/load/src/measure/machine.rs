//! The machine that is measured on.

use std::process::Command;

use procfs::{Current as _, Meminfo, sys::kernel::Version};
use serde::{Deserialize, Serialize};

/// The machine in general words.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Machine {
    /// Processors.
    pub processors: usize,
    /// Memory in GiB.
    pub memory: u64,
    /// The kernel's version, the two first numbers.
    pub kernel: String,
    /// Node's version.
    pub node: String,
    /// Connections that one process may have.
    pub connections: u32,
}

impl Machine {
    /// This one. What it does not say of itself is left empty.
    pub(super) fn this(connections: u32) -> Self {
        let node = Command::new("node").arg("--version").output().map(|output| output.stdout).unwrap_or_default();
        Self {
            processors: std::thread::available_parallelism().map_or(0, usize::from),
            memory: Meminfo::current().map_or(0, |memory| (memory.mem_total + (1 << 29)) >> 30),
            kernel: Version::current().map_or_else(|_| String::new(), |it| format!("{}.{}", it.major, it.minor)),
            node: String::from_utf8_lossy(&node).trim().trim_start_matches('v').to_owned(),
            connections,
        }
    }
}
