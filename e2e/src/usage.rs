//! What programs use of the machine, read from /proc.

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

/// How short of processors the machine is. Sound that is late on a machine that has too much to do says nothing of who sent it.
#[derive(Debug)]
pub struct Pressure {
    since: Instant,
    stalled: Option<Duration>,
    heart: Heart,
}

impl Pressure {
    /// From now on.
    #[must_use]
    pub fn watch() -> Self {
        Self { since: Instant::now(), stalled: stalled(), heart: Heart::default() }
    }

    /// In which share of the time since then something waited for a processor, from 0 to 1 (the kernel's pressure stall
    /// information, psi.rst); `None` where the kernel does not tell.
    #[must_use]
    pub fn share(&self) -> Option<f64> {
        let stalled = stalled()?.checked_sub(self.stalled?)?;
        Some(stalled.as_secs_f64() / self.since.elapsed().as_secs_f64())
    }

    /// For how long, at most, a thread that does nothing but wake up every ten milliseconds was not woken. On busy processors such a
    /// one waits for tens of milliseconds; a virtual machine that is not run itself shows by more.
    #[must_use]
    pub fn standstill(&self) -> Duration {
        self.heart.longest()
    }
}

impl fmt::Display for Pressure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.share() {
            Some(share) => write!(f, "processors were short {:.0} % of the time", share * 100.0)?,
            None => write!(f, "whether processors were short is not known")?,
        }
        write!(f, ", and stood still for {} ms at most", self.standstill().as_millis())
    }
}

/// Beats until it is dropped.
#[derive(Debug)]
struct Heart {
    longest: Arc<AtomicU64>,
    _beats: Sender<()>,
}

impl Heart {
    const BEAT: Duration = Duration::from_millis(10);

    fn longest(&self) -> Duration {
        Duration::from_millis(self.longest.load(Ordering::Relaxed))
    }
}

impl Default for Heart {
    fn default() -> Self {
        let longest = Arc::new(AtomicU64::new(0));
        let (beats, ended) = mpsc::channel::<()>();
        let seen = Arc::clone(&longest);
        thread::spawn(move || {
            let mut before = Instant::now();
            while ended.recv_timeout(Self::BEAT) == Err(RecvTimeoutError::Timeout) {
                let late = before.elapsed().saturating_sub(Self::BEAT);
                seen.fetch_max(u64::try_from(late.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
                before = Instant::now();
            }
        });
        Self { longest, _beats: beats }
    }
}

fn stalled() -> Option<Duration> {
    let text = fs::read_to_string("/proc/pressure/cpu").ok()?;
    let total = text.lines().next()?.rsplit_once("total=")?.1.parse().ok()?;
    Some(Duration::from_micros(total))
}

/// What a process and all its descendants use.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// Processes.
    pub processes: usize,
    /// Threads.
    pub threads: usize,
    /// Memory in bytes, with shared pages shared out among those that share them (PSS; proc_pid_smaps(5)).
    pub memory: u64,
    /// Open files of all kinds.
    pub files: usize,
    /// Those of them that are sockets.
    pub sockets: usize,
    /// Processor time so far, in seconds, in user mode and in the kernel; what ended processes used is not in it.
    pub processor: f64,
}

impl Usage {
    /// What they use now. Processes that end meanwhile count as little as they can still tell.
    #[must_use]
    pub fn of_tree(root: Pid) -> Self {
        Self::of(&process::tree(root))
    }

    /// What these processes use now, without their descendants.
    #[must_use]
    pub fn of(pids: &[Pid]) -> Self {
        pids.iter().map(|pid| one(*pid)).fold(Self::default(), |sum, one| Self {
            processes: sum.processes + one.processes,
            threads: sum.threads + one.threads,
            memory: sum.memory + one.memory,
            files: sum.files + one.files,
            sockets: sum.sockets + one.sockets,
            processor: sum.processor + one.processor,
        })
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} processes, {} threads, {:.1} MiB, {} files, {} of them sockets, {:.2} s of processor time",
            self.processes,
            self.threads,
            self.memory as f64 / f64::from(1 << 20),
            self.files,
            self.sockets,
            self.processor
        )
    }
}

/// How many threads, open files of each sort and MiB of memory there are, by the names of process and thread, or of process and file:
/// for telling what was left.
#[must_use]
pub fn census(pids: &[Pid]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for pid in pids {
        let folder = PathBuf::from(format!("/proc/{}", pid.as_raw_nonzero()));
        let name = |folder: PathBuf| fs::read_to_string(folder.join("comm")).unwrap_or_default().trim().to_owned();
        let process = name(folder.clone());
        *counts.entry(format!("{process}: MiB")).or_default() += (one(*pid).memory >> 20) as usize;
        let entries = |what: &str| fs::read_dir(folder.join(what)).into_iter().flatten().flatten();
        for thread in entries("task") {
            *counts.entry(format!("{process}: thread {}", name(thread.path()))).or_default() += 1;
        }
        for file in entries("fd") {
            let target = fs::read_link(file.path()).unwrap_or_default();
            // `socket:[1234]` is a socket, whichever.
            let kind = target.to_string_lossy().split('[').next().unwrap_or_default().to_owned();
            *counts.entry(format!("{process}: file {kind}")).or_default() += 1;
        }
    }
    counts
}

/// What there is more of than before, a line each.
#[must_use]
pub fn grown(before: &BTreeMap<String, usize>, after: &BTreeMap<String, usize>) -> String {
    let had = |what: &str| before.get(what).copied().unwrap_or(0);
    let grown = after.iter().filter(|(what, count)| **count > had(what));
    grown.map(|(what, count)| format!("{what}: {} and then {count}", had(what))).collect::<Vec<_>>().join("\n")
}

fn one(pid: Pid) -> Usage {
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
    Usage {
        processes: 1,
        threads: count("task"),
        memory: memory.unwrap_or(0_u64) * 1024,
        files: count("fd"),
        sockets,
        processor: processor_time(&stat).unwrap_or(0.0),
    }
}

/// Fields 14 and 15 of proc_pid_stat(5).
fn processor_time(stat: &str) -> Option<f64> {
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
    fn this_process_uses_something() {
        let held = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let pid = rustix::process::getpid();
        let with = Usage::of(&[pid]);
        assert!(with.threads >= 1 && with.memory > 1 << 16 && with.files > with.sockets, "{with}");
        assert!(with.sockets >= 1);
        drop(held);
    }

    #[test]
    fn a_name_with_parentheses_hides_nothing() {
        let stat = "7 (a) (b) S 1 2 3 4 5 6 7 8 9 10 50 25 0 0";
        let seconds = processor_time(stat).unwrap();
        assert!((seconds * rustix::param::clock_ticks_per_second() as f64 - 75.0).abs() < 1e-6, "{seconds}");
    }
}
