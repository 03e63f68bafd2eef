//! What processes use of the machine while something is measured.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::Path,
    time::Instant,
};

use hutong_e2e::{process::tree, usage::Usage};
use rustix::process::Pid;

/// Processor time of some processes from a moment on. What ended meanwhile is not in it.
#[derive(Debug)]
pub struct Load {
    since: Instant,
    threads: HashMap<(Pid, u64), f64>,
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
        let threads = threads(pids).map(|thread| ((thread.process, thread.id), thread.seconds)).collect();
        Self { since: Instant::now(), threads }
    }

    /// Until now. Threads that were not there before count from their beginning.
    #[must_use]
    pub fn until_now(&self, pids: &[Pid]) -> Used {
        let seconds = self.since.elapsed().as_secs_f64();
        let mut used = Used::default();
        for thread in threads(pids) {
            let before = self.threads.get(&(thread.process, thread.id)).copied().unwrap_or(0.0);
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
    all.into_iter().filter(|pid| name(&folder(*pid)) == "Xvfb").collect()
}

struct Thread {
    process: Pid,
    id: u64,
    name: String,
    seconds: f64,
}

fn threads(pids: &[Pid]) -> impl Iterator<Item = Thread> {
    let ticks = rustix::param::clock_ticks_per_second() as f64;
    pids.iter().flat_map(move |pid| {
        let program = name(&folder(*pid));
        let tasks = fs::read_dir(folder(*pid).join("task")).into_iter().flatten().flatten();
        tasks.filter_map(move |task| {
            let stat = fs::read_to_string(task.path().join("stat")).ok()?;
            let id = task.file_name().to_str()?.parse().ok()?;
            let name = format!("{program}: {}", trimmed(&name(&task.path())));
            Some(Thread { process: *pid, id, name, seconds: time(&stat)? / ticks })
        })
    })
}

/// Numbers at the end tell threads of one pool apart, and no more.
fn trimmed(name: &str) -> &str {
    name.trim_end_matches(|c: char| c.is_ascii_digit() || "#-:/ ".contains(c))
}

fn folder(pid: Pid) -> std::path::PathBuf {
    format!("/proc/{}", pid.as_raw_nonzero()).into()
}

fn name(folder: &Path) -> String {
    fs::read_to_string(folder.join("comm")).unwrap_or_default().trim().to_owned()
}

/// Fields 14 and 15 of proc_pid_stat(5), in clock ticks.
fn time(stat: &str) -> Option<f64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((user + system) as f64)
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
