//! What a server asks of the system for what it does, counted by strace.

use std::{fs, path::Path, process::Stdio, time::Duration};

use anyhow::{Context as _, Result, ensure};
use procfs::process::Process;
use serde::{Deserialize, Serialize};
use tokio::process::{Child, Command};

use super::{bench::Bench, plan::SDP};
use crate::{
    server::{Server, Subject},
    speak::Entry,
};

/// Users while system calls are counted: a traced server is many times slower.
const TRACED_USERS: u32 = 200;

/// Changes or calls a second meanwhile.
const TRACED_RATE: f64 = 20.0;

/// The system calls that are named.
const TOLD: usize = 12;

/// System calls of a server.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Costs {
    /// Which.
    pub subject: Subject,
    /// Doing what.
    pub doing: Doing,
    /// How often it did that.
    pub times: u64,
    /// System calls for each.
    pub calls: f64,
    /// Bytes to clients for each, without frames' headers.
    pub bytes: f64,
    /// The most frequent, with how many for each.
    pub by_name: Vec<(String, f64)>,
}

/// What it does meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Doing {
    /// Messages of presence to watchers.
    Presence,
    /// Calls, from the caller's wish to both being free again.
    Calls,
}

pub(super) async fn measure(bench: &Bench, subject: Subject) -> Result<Vec<Costs>> {
    let server = Server::start(&bench.programs, subject).await?;
    let mut workers = bench.populate(&server, subject, Entry::Pairs, TRACED_USERS).await?;
    let mut found = Vec::new();
    for doing in [Doing::Presence, Doing::Calls] {
        if doing == Doing::Presence && subject == Subject::Echo {
            continue;
        }
        let before = workers.count().await?;
        let trace = Trace::start(server.pid(), &bench.programs.scratch.join("strace")).await?;
        let done = match doing {
            Doing::Presence => workers.churn(TRACED_RATE, 2.0).await?,
            Doing::Calls => workers.call(TRACED_RATE, 0.0, 2.0, SDP).await?.done,
        };
        let counts = workers.until_quiet(Duration::from_secs(30)).await?.since(before);
        let calls = trace.end().await?;
        // A change is told to everybody else; what it costs is told for each of them.
        let times = if doing == Doing::Presence { counts.presence } else { done };
        ensure!(times > 0, "nothing was done");
        let each = |count: u64| count as f64 / times as f64;
        found.push(Costs {
            subject,
            doing,
            times,
            calls: each(calls.iter().map(|(_, count)| count).sum()),
            bytes: each(counts.bytes),
            by_name: calls.iter().take(TOLD).map(|(name, count)| (name.clone(), each(*count))).collect(),
        });
    }
    server.end().await;
    workers.end().await;
    Ok(found)
}

/// strace that counts.
#[derive(Debug)]
struct Trace {
    child: Child,
    file: std::path::PathBuf,
}

impl Trace {
    async fn start(pid: u32, file: &Path) -> Result<Self> {
        let child = Command::new("strace")
            .args(["-f", "-c", "-U", "name,calls", "-o"])
            .arg(file)
            .args(["-p", &pid.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("strace is not there")?;
        // It says nothing that could be waited for: the kernel does, of the thread that is traced last.
        let begun = std::time::Instant::now();
        let pid = i32::try_from(pid)?;
        while !is_traced(pid) {
            ensure!(begun.elapsed() < Duration::from_secs(5), "strace did not attach");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(Self { child, file: file.to_owned() })
    }

    /// The system calls with their counts, the most frequent first.
    async fn end(mut self) -> Result<Vec<(String, u64)>> {
        let pid = self.child.id().context("strace is gone")?;
        let pid = rustix::process::Pid::from_raw(i32::try_from(pid)?).context("no process")?;
        rustix::process::kill_process(pid, rustix::process::Signal::INT)?;
        self.child.wait().await?;
        Ok(counted(&fs::read_to_string(&self.file)?))
    }
}

fn is_traced(pid: i32) -> bool {
    let threads = Process::new(pid).and_then(|process| process.tasks());
    let threads: Vec<_> = threads.into_iter().flatten().flatten().collect();
    !threads.is_empty() && threads.iter().all(|thread| thread.status().is_ok_and(|status| status.tracerpid != 0))
}

/// Lines of a name and a number, but for the sum.
fn counted(text: &str) -> Vec<(String, u64)> {
    let line = |line: &str| {
        let mut words = line.split_whitespace();
        let (name, count) = (words.next()?, words.next()?.parse().ok()?);
        (name != "total").then(|| (name.to_owned(), count))
    };
    let mut all: Vec<(String, u64)> = text.lines().filter_map(line).collect();
    all.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_of_system_calls_is_read() {
        let text = "syscall              calls\n---------------- ---------\nread                    12\nwritev                 340\n\
                    ---------------- ---------\ntotal                  352\n";
        assert_eq!(counted(text), [("writev".to_owned(), 340), ("read".to_owned(), 12)]);
    }
}
