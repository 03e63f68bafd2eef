//! What processes use of the machine, from /proc.

use std::{collections::BTreeSet, fs};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

/// Memory in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// Resident set.
    pub rss: u64,
    /// The same with shared pages shared out.
    pub pss: u64,
}

/// Of these processes and their children.
///
/// # Errors
///
/// When one is gone.
pub fn memory(pids: &[u32]) -> Result<Memory> {
    let mut sum = Memory::default();
    for pid in tree(pids) {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).context("the server is gone")?;
        sum.rss += kibibytes(&text, "Rss:") * 1_024;
        sum.pss += kibibytes(&text, "Pss:") * 1_024;
    }
    Ok(sum)
}

/// Seconds of processor (user and system) that these processes and their children have used.
#[must_use]
pub fn processor(pids: &[u32]) -> f64 {
    let ticks = rustix::param::clock_ticks_per_second() as f64;
    let used = |pid: u32| -> Option<u64> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // Fields 14 and 15 of proc_pid_stat(5); the name before may hold anything.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
        Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
    };
    tree(pids).into_iter().filter_map(used).sum::<u64>() as f64 / ticks
}

/// Bytes that the kernel holds for sockets and in its slabs: of all processes, and of both ends of connections within the machine.
#[must_use]
pub fn kernel() -> u64 {
    let slab = fs::read_to_string("/proc/meminfo").map_or(0, |text| kibibytes(&text, "Slab:") * 1_024);
    let sockets = fs::read_to_string("/proc/net/sockstat").unwrap_or_default();
    let tcp = sockets.lines().find_map(|line| line.strip_prefix("TCP:"));
    let pages = tcp.and_then(|line| line.split_once("mem ")).and_then(|(_, pages)| pages.trim().parse::<u64>().ok());
    slab + pages.unwrap_or(0) * rustix::param::page_size() as u64
}

fn tree(pids: &[u32]) -> BTreeSet<u32> {
    let mut all = BTreeSet::new();
    let mut next = pids.to_vec();
    while let Some(pid) = next.pop() {
        if !all.insert(pid) {
            continue;
        }
        let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
        for thread in threads {
            let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            next.extend(children.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
        }
    }
    all
}

fn kibibytes(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn memory_and_time_of_a_process_are_seen() {
        let me = [std::process::id()];
        let before = (memory(&me).unwrap(), processor(&me));
        let mut ballast = vec![1_u8; 32 << 20];
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(300) {
            ballast.iter_mut().step_by(4_096).for_each(|byte| *byte = byte.wrapping_add(1));
        }
        let after = (memory(&me).unwrap(), processor(&me));
        assert!(after.0.rss >= before.0.rss + (30 << 20), "{before:?} {after:?}");
        assert!(after.1 > before.1 && after.0.pss <= after.0.rss, "{before:?} {after:?}");
        assert_eq!(std::hint::black_box(&ballast).len(), 32 << 20);
    }

    #[test]
    fn a_process_that_is_gone_is_an_error() {
        assert!(memory(&[u32::MAX]).is_err());
    }
}
