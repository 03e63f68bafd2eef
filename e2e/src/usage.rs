//! Resource usage of processes (from /proc), and CPU contention of the machine: pressure figures and wake-up delays.

use std::{
    collections::BTreeMap,
    fmt, fs,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{self, RecvTimeoutError, Sender},
    },
    thread,
    time::{Duration, Instant},
};

use rustix::process::Pid;

use crate::process;

/// Measures CPU contention of the machine, to tell late media of a busy machine from late media of the sender.
#[derive(Debug)]
pub struct CpuPressure {
    since: Instant,
    cpu_stall: Option<Duration>,
    monitor: StallMonitor,
}

impl CpuPressure {
    /// Starts to measure.
    #[must_use]
    pub fn start() -> Self {
        Self { since: Instant::now(), cpu_stall: cpu_stall(), monitor: StallMonitor::default() }
    }

    /// Share of the time in which some task waited for a CPU, from 0 to 1 (pressure stall information, psi.rst); `None`
    /// where the kernel has no such figure.
    #[must_use]
    pub fn share(&self) -> Option<f64> {
        let cpu_stall = cpu_stall()?.checked_sub(self.cpu_stall?)?;
        Some(cpu_stall.as_secs_f64() / self.since.elapsed().as_secs_f64())
    }

    /// Longest delay of a thread that only wakes up every 10 ms. Busy processors delay it by tens of milliseconds; a
    /// virtual machine that is itself not scheduled, by more.
    #[must_use]
    pub fn longest_stall(&self) -> Duration {
        self.monitor.longest()
    }
}

impl fmt::Display for CpuPressure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.share() {
            Some(share) => write!(f, "tasks waited for a CPU {:.0} % of the time", share * 100.0)?,
            None => write!(f, "CPU pressure is unknown")?,
        }
        write!(f, ", longest stall {} ms", self.longest_stall().as_millis())
    }
}

/// Background thread that measures wake-up delays until it is dropped.
#[derive(Debug)]
struct StallMonitor {
    longest: Arc<AtomicU64>,
    _stop: Sender<()>,
}

impl StallMonitor {
    const PERIOD: Duration = Duration::from_millis(10);

    fn longest(&self) -> Duration {
        Duration::from_millis(self.longest.load(Ordering::Relaxed))
    }
}

impl Default for StallMonitor {
    fn default() -> Self {
        let longest = Arc::new(AtomicU64::new(0));
        let (stop, ended) = mpsc::channel::<()>();
        let shared = Arc::clone(&longest);
        thread::spawn(move || {
            let mut before = Instant::now();
            while ended.recv_timeout(Self::PERIOD) == Err(RecvTimeoutError::Timeout) {
                let delay = before.elapsed().saturating_sub(Self::PERIOD);
                shared.fetch_max(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
                before = Instant::now();
            }
        });
        Self { longest, _stop: stop }
    }
}

fn cpu_stall() -> Option<Duration> {
    let text = fs::read_to_string("/proc/pressure/cpu").ok()?;
    let total = text.lines().next()?.rsplit_once("total=")?.1.parse().ok()?;
    Some(Duration::from_micros(total))
}

/// Resource usage of processes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ResourceUsage {
    /// Number of processes.
    pub processes: usize,
    /// Number of threads.
    pub threads: usize,
    /// Memory in bytes, shared pages divided among their users (PSS; `proc_pid_smaps(5)`).
    pub memory_bytes: u64,
    /// Open file descriptors.
    pub open_files: usize,
    /// Those of them that are sockets.
    pub sockets: usize,
    /// CPU time so far in seconds, user and system; without that of processes that have exited.
    pub cpu_seconds: f64,
}

impl ResourceUsage {
    /// Current usage of a process and all its descendants. Of processes that exit meanwhile, what can still be read.
    #[must_use]
    pub fn of_tree(root: Pid) -> Self {
        Self::of(&process::process_tree(root))
    }

    /// Current usage of these processes, without their descendants.
    #[must_use]
    pub fn of(pids: &[Pid]) -> Self {
        pids.iter().map(|pid| usage_of(*pid)).fold(Self::default(), |sum, one| Self {
            processes: sum.processes + one.processes,
            threads: sum.threads + one.threads,
            memory_bytes: sum.memory_bytes + one.memory_bytes,
            open_files: sum.open_files + one.open_files,
            sockets: sum.sockets + one.sockets,
            cpu_seconds: sum.cpu_seconds + one.cpu_seconds,
        })
    }
}

impl fmt::Display for ResourceUsage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} processes, {} threads, {:.1} MiB, {} open files, {} of them sockets, {:.2} s of CPU time",
            self.processes,
            self.threads,
            self.memory_bytes as f64 / f64::from(1 << 20),
            self.open_files,
            self.sockets,
            self.cpu_seconds
        )
    }
}

/// Counts of threads, open files by kind, and MiB of memory, keyed by process and thread or process and file kind:
/// shows which resources leaked.
#[must_use]
pub fn resource_counts(pids: &[Pid]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for pid in pids {
        let folder = PathBuf::from(format!("/proc/{}", pid.as_raw_nonzero()));
        let name = |folder: PathBuf| fs::read_to_string(folder.join("comm")).unwrap_or_default().trim().to_owned();
        let process = name(folder.clone());
        *counts.entry(format!("{process}: MiB")).or_default() += (usage_of(*pid).memory_bytes >> 20) as usize;
        let entries = |what: &str| fs::read_dir(folder.join(what)).into_iter().flatten().flatten();
        for thread in entries("task") {
            *counts.entry(format!("{process}: thread {}", name(thread.path()))).or_default() += 1;
        }
        for file in entries("fd") {
            let target = fs::read_link(file.path()).unwrap_or_default();
            // `socket:[1234]` is a socket; the number does not matter.
            let kind = target.to_string_lossy().split('[').next().unwrap_or_default().to_owned();
            *counts.entry(format!("{process}: file {kind}")).or_default() += 1;
        }
    }
    counts
}

/// The counts that grew, one a line.
#[must_use]
pub fn describe_growth(before: &BTreeMap<String, usize>, after: &BTreeMap<String, usize>) -> String {
    let had = |what: &str| before.get(what).copied().unwrap_or(0);
    let grown = after.iter().filter(|(what, count)| **count > had(what));
    grown.map(|(what, count)| format!("{what}: from {} to {count}", had(what))).collect::<Vec<_>>().join("\n")
}

fn usage_of(pid: Pid) -> ResourceUsage {
    let folder = PathBuf::from(format!("/proc/{}", pid.as_raw_nonzero()));
    let count = |name: &str| fs::read_dir(folder.join(name)).map_or(0, Iterator::count);
    let smaps = fs::read_to_string(folder.join("smaps_rollup")).unwrap_or_default();
    let memory =
        smaps.lines().find_map(|line| line.strip_prefix("Pss:")?.trim().strip_suffix(" kB")?.trim().parse().ok());
    let sockets = fs::read_dir(folder.join("fd")).map_or(0, |files| {
        let is_socket = |path: PathBuf| fs::read_link(path).is_ok_and(|to| to.to_string_lossy().starts_with("socket:"));
        files.flatten().filter(|file| is_socket(file.path())).count()
    });
    let stat = fs::read_to_string(folder.join("stat")).unwrap_or_default();
    ResourceUsage {
        processes: 1,
        threads: count("task"),
        memory_bytes: memory.unwrap_or(0_u64) * 1024,
        open_files: count("fd"),
        sockets,
        cpu_seconds: cpu_seconds(&stat).unwrap_or(0.0),
    }
}

/// CPU time in seconds: fields 14 and 15 of `proc_pid_stat(5)`.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let after_name = stat.rsplit_once(')')?.1;
    let mut fields = after_name.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((user + system) as f64 / rustix::param::clock_ticks_per_second() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_of_the_running_process_is_measured() {
        let held = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let pid = rustix::process::getpid();
        let usage = ResourceUsage::of(&[pid]);
        assert!(usage.threads >= 1 && usage.memory_bytes > 1 << 16 && usage.open_files > usage.sockets, "{usage}");
        assert!(usage.sockets >= 1);
        drop(held);
    }

    #[test]
    fn cpu_time_is_parsed_after_a_name_with_parentheses() {
        let stat = "7 (a) (b) S 1 2 3 4 5 6 7 8 9 10 50 25 0 0";
        let seconds = cpu_seconds(stat).unwrap();
        assert!((seconds * rustix::param::clock_ticks_per_second() as f64 - 75.0).abs() < 1e-6, "{seconds}");
    }
}
