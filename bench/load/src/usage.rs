//! Memory and CPU time of process trees, and the kernel's memory for sockets, from /proc.

use std::{collections::BTreeSet, fs};

use anyhow::{Context as _, Result};
use procfs::{Current as _, Meminfo, process::Process};
use serde::{Deserialize, Serialize};

/// Memory in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryUse {
    /// Resident set size.
    pub rss: u64,
    /// Proportional set size: shared pages divided among their users.
    pub pss: u64,
}

/// Memory of these processes and their descendants.
///
/// # Errors
///
/// Returns an error when one has exited.
pub fn memory(pids: &[u32]) -> Result<MemoryUse> {
    let mut sum = MemoryUse::default();
    for pid in tree(pids) {
        let maps = process(pid).and_then(|process| process.smaps_rollup().ok()).context("the server has exited")?;
        for map in maps.memory_map_rollup {
            let bytes = |name: &str| map.extension.map.get(name).copied().unwrap_or(0);
            sum.rss += bytes("Rss");
            sum.pss += bytes("Pss");
        }
    }
    Ok(sum)
}

/// CPU seconds (user and system) of these processes and their descendants.
#[must_use]
pub fn cpu_seconds(pids: &[u32]) -> f64 {
    let stats = tree(pids).into_iter().filter_map(|pid| process(pid)?.stat().ok());
    stats.map(|stat| stat.utime + stat.stime).sum::<u64>() as f64 / procfs::ticks_per_second() as f64
}

/// Kernel memory for sockets and slabs in bytes: of all processes, and of both ends of local connections.
#[must_use]
pub fn kernel_memory() -> u64 {
    let slab = Meminfo::current().map_or(0, |memory| memory.slab);
    let sockets = fs::read_to_string("/proc/net/sockstat").unwrap_or_default();
    let tcp = sockets.lines().find_map(|line| line.strip_prefix("TCP:"));
    let pages = tcp.and_then(|line| line.split_once("mem ")).and_then(|(_, pages)| pages.trim().parse::<u64>().ok());
    slab + pages.unwrap_or(0) * procfs::page_size()
}

/// These processes and all their descendants.
fn tree(pids: &[u32]) -> BTreeSet<u32> {
    let mut all = BTreeSet::new();
    let mut next = pids.to_vec();
    while let Some(pid) = next.pop() {
        if all.insert(pid) {
            let threads = process(pid).and_then(|process| process.tasks().ok()).into_iter().flatten().flatten();
            next.extend(threads.filter_map(|thread| thread.children().ok()).flatten());
        }
    }
    all
}

fn process(pid: u32) -> Option<Process> {
    Process::new(i32::try_from(pid).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn memory_and_cpu_time_of_a_process_are_measured() {
        let me = [std::process::id()];
        let before = (memory(&me).unwrap(), cpu_seconds(&me));
        let mut ballast = vec![1_u8; 32 << 20];
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(300) {
            ballast.iter_mut().step_by(4_096).for_each(|byte| *byte = byte.wrapping_add(1));
        }
        let after = (memory(&me).unwrap(), cpu_seconds(&me));
        assert!(after.0.rss >= before.0.rss + (30 << 20), "{before:?} {after:?}");
        assert!(after.1 > before.1 && after.0.pss <= after.0.rss, "{before:?} {after:?}");
        assert_eq!(std::hint::black_box(&ballast).len(), 32 << 20);
    }

    #[test]
    fn an_exited_process_is_an_error() {
        assert!(memory(&[u32::MAX]).is_err());
    }
}
