//! CPU time by thread, and memory, of processes while something is measured.

use std::{
    collections::{BTreeMap, HashMap},
    time::Instant,
};

use hutong_e2e::{process::process_tree, usage::ResourceUsage};
use procfs::process::Process;
use rustix::process::Pid;

/// Measures the CPU time of processes from its creation on. Processes that exit meanwhile are not counted.
#[derive(Debug)]
pub struct CpuMeter {
    since: Instant,
    threads: HashMap<(i32, i32), f64>,
}

/// Measured CPU use.
#[derive(Clone, Debug, Default)]
pub struct CpuUse {
    /// CPUs used: CPU seconds a second.
    pub cores: f64,
    /// The same by process and thread name.
    pub threads: BTreeMap<String, f64>,
}

impl CpuMeter {
    /// Starts to measure.
    #[must_use]
    pub fn start(pids: &[Pid]) -> Self {
        let threads = threads(pids).map(|thread| (thread.id, thread.seconds)).collect();
        Self { since: Instant::now(), threads }
    }

    /// CPU use since the start. Threads created since then count from their beginning.
    #[must_use]
    pub fn usage(&self, pids: &[Pid]) -> CpuUse {
        let seconds = self.since.elapsed().as_secs_f64();
        let mut used = CpuUse::default();
        for thread in threads(pids) {
            let before = self.threads.get(&thread.id).copied().unwrap_or(0.0);
            let cores = (thread.seconds - before).max(0.0) / seconds;
            used.cores += cores;
            *used.threads.entry(thread.name).or_default() += cores;
        }
        used
    }
}

/// Memory of these processes in bytes, shared pages divided among their users (PSS).
#[must_use]
pub fn memory(pids: &[Pid]) -> f64 {
    ResourceUsage::of(pids).memory_bytes as f64
}

/// The X servers below this process, which draw the windows.
#[must_use]
pub fn x_servers() -> Vec<Pid> {
    let all = process_tree(rustix::process::getpid());
    all.into_iter().filter(|pid| process(*pid).is_some_and(|(_, name)| name == "Xvfb")).collect()
}

struct Thread {
    /// Process and thread ID.
    id: (i32, i32),
    name: String,
    seconds: f64,
}

fn threads(pids: &[Pid]) -> impl Iterator<Item = Thread> {
    let ticks = procfs::ticks_per_second() as f64;
    pids.iter().filter_map(|pid| process(*pid)).flat_map(move |(process, program)| {
        let tasks = process.tasks().into_iter().flatten().flatten();
        tasks.filter_map(move |task| {
            let stat = task.stat().ok()?;
            let name = format!("{program}: {}", pool_name(&stat.comm));
            Some(Thread { id: (task.pid, task.tid), name, seconds: (stat.utime + stat.stime) as f64 / ticks })
        })
    })
}

/// A process with its name; `None` once it has exited.
fn process(pid: Pid) -> Option<(Process, String)> {
    let process = Process::new(pid.as_raw_pid()).ok()?;
    let name = process.stat().ok()?.comm;
    Some((process, name))
}

/// Drops trailing numbers, which only distinguish threads of one pool.
fn pool_name(name: &str) -> &str {
    name.trim_end_matches(|c: char| c.is_ascii_digit() || "#-:/ ".contains(c))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn cpu_time_of_a_busy_thread_is_reported_under_its_name() {
        let pids = [rustix::process::getpid()];
        let meter = CpuMeter::start(&pids);
        let busy = std::thread::Builder::new().name("busy-bee-7".to_owned()).spawn(move || {
            let start = Instant::now();
            loop {
                let cpu_use = meter.usage(&pids);
                let is_counted =
                    cpu_use.threads.iter().any(|(name, cores)| name.ends_with(": busy-bee") && *cores > 0.0);
                if is_counted || start.elapsed() > Duration::from_secs(30) {
                    return cpu_use;
                }
            }
        });
        let cpu_use = busy.unwrap().join().unwrap();
        let bee = cpu_use.threads.iter().find(|(name, _)| name.ends_with(": busy-bee")).map(|(_, cores)| *cores);
        assert!(bee.is_some_and(|cores| cores > 0.0 && cores <= cpu_use.cores + 1e-9), "{cpu_use:?}");
    }
}
