//! Description of the machine that the benchmark runs on.

use std::process::Command;

use procfs::{Current as _, Meminfo, sys::kernel::Version};
use serde::{Deserialize, Serialize};

/// Description of a machine.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct MachineInfo {
    /// CPUs.
    pub cpus: usize,
    /// Memory in GiB.
    pub memory_gib: u64,
    /// Kernel version, major and minor.
    pub kernel: String,
    /// Node version.
    pub node: String,
    /// Connections that one process can hold.
    pub connections: u32,
}

impl MachineInfo {
    /// Describes this machine. Unknown values are empty.
    #[must_use]
    pub fn this(connections: u32) -> Self {
        let node = Command::new("node").arg("--version").output().map(|output| output.stdout).unwrap_or_default();
        Self {
            cpus: std::thread::available_parallelism().map_or(0, usize::from),
            memory_gib: Meminfo::current().map_or(0, |memory| (memory.mem_total + (1 << 29)) >> 30),
            kernel: Version::current().map_or_else(|_| String::new(), |it| format!("{}.{}", it.major, it.minor)),
            node: String::from_utf8_lossy(&node).trim().trim_start_matches('v').to_owned(),
            connections,
        }
    }
}
