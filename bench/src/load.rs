//! What processes use of the machine while something is measured.

use std::{
    collections::{BTreeMap, HashMap},
    time::Instant,
};

use hutong_e2e::{process::tree, usage::Usage};
use procfs::process::Process;
use rustix::process::Pid;

/// Processor time of some processes from a moment on. What ended meanwhile is not in it.
#[derive(Debug)]
pub struct Load {
    since: Instant,
    threads: HashMap<(i32, i32), f64>,
}

/// What they used.
#[derive(Clone, Debug, Default)]
pub struct Used {
    /// Processor time for each second, in seconds: 1 is one processor.
    pub cores: f64,
    /// The same by names of process and thread.
    pub threads: BTreeMap<String, f64>,
}

impl Load {
    /// From now on.
    #[must_use]
    pub fn of(pids: &[Pid]) -> Self {
        let threads = threads(pids).map(|thread| (thread.id, thread.seconds)).collect();
        Self { since: Instant::now(), threads }
    }

    /// Until now. Threads that were not there before count from their beginning.
    #[must_use]
    pub fn until_now(&self, pids: &[Pid]) -> Used {
        let seconds = self.since.elapsed().as_secs_f64();
        let mut used = Used::default();
        for thread in threads(pids) {
            let before = self.threads.get(&thread.id).copied().unwrap_or(0.0);
            let cores = (thread.seconds - before).max(0.0) / seconds;
            used.cores += cores;
            *used.threads.entry(thread.name).or_default() += cores;
        }
        used
    }
}

/// Memory of these processes in bytes, shared pages shared out (PSS).
#[must_use]
pub fn memory(pids: &[Pid]) -> f64 {
    Usage::of(pids).memory as f64
}

/// The X servers under this process, on which the windows are.
#[must_use]
pub fn screens() -> Vec<Pid> {
    let all = tree(rustix::process::getpid());
    all.into_iter().filter(|pid| process(*pid).is_some_and(|(_, name)| name == "Xvfb")).collect()
}

struct Thread {
    /// Of process and thread.
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
            let name = format!("{program}: {}", trimmed(&stat.comm));
            Some(Thread { id: (task.pid, task.tid), name, seconds: (stat.utime + stat.stime) as f64 / ticks })
        })
    })
}

/// A process with its name, while it is there.
fn process(pid: Pid) -> Option<(Process, String)> {
    let process = Process::new(pid.as_raw_pid()).ok()?;
    let name = process.stat().ok()?.comm;
    Some((process, name))
}

/// Numbers at the end tell threads of one pool apart, and no more.
fn trimmed(name: &str) -> &str {
    name.trim_end_matches(|c: char| c.is_ascii_digit() || "#-:/ ".contains(c))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_busy_thread_is_seen_under_its_name() {
        let pids = [rustix::process::getpid()];
        let load = Load::of(&pids);
        let busy = std::thread::Builder::new().name("busy-bee-7".to_owned()).spawn(move || {
            let begun = Instant::now();
            while begun.elapsed() < Duration::from_millis(300) {
                std::hint::spin_loop();
            }
            load.until_now(&pids)
        });
        let used = busy.unwrap().join().unwrap();
        let bee = used.threads.iter().find(|(name, _)| name.ends_with(": busy-bee")).map(|(_, cores)| *cores);
        // However busy the machine is, the thread had some of these 300 ms.
        assert!(bee.is_some_and(|cores| cores > 0.05 && cores <= used.cores + 1e-9), "{used:?}");
    }
}
