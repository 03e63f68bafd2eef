//! System calls of a server per presence message and per call, counted by strace.

use std::{fs, path::Path, process::Stdio, time::Duration};

use anyhow::{Context as _, Result, ensure};
use procfs::process::Process;
use serde::{Deserialize, Serialize};
use tokio::process::{Child, Command};

use super::{context::MeasureContext, plan::SDP};
use crate::{
    protocols::LoginMode,
    server::{LoadServer, ServerVariant},
};

/// Users in a traced run: strace slows a server many times.
const TRACED_USERS: u32 = 200;

/// Changes or calls a second in a traced run.
const TRACED_RATE: f64 = 20.0;

/// Number of most frequent system calls that are reported by name.
const REPORTED_SYSCALLS: usize = 12;

/// System calls of a server for one activity.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SyscallCosts {
    /// The server.
    pub variant: ServerVariant,
    /// The activity.
    pub activity: TracedActivity,
    /// Number of presence messages or calls.
    pub count: u64,
    /// System calls for each.
    pub syscalls_each: f64,
    /// Bytes to clients for each, without frame headers.
    pub bytes_each: f64,
    /// The most frequent system calls, and their number for each.
    pub by_name: Vec<(String, f64)>,
}

/// What the server does while it is traced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TracedActivity {
    /// Presence messages to watchers.
    Presence,
    /// Calls, from the request to both users being free again.
    Calls,
}

pub(super) async fn measure(context: &MeasureContext, variant: ServerVariant) -> Result<Vec<SyscallCosts>> {
    let server = LoadServer::start(&context.programs, variant).await?;
    let mut workers = context.populate(&server, variant, LoginMode::PairRooms, TRACED_USERS).await?;
    let mut results = Vec::new();
    for activity in [TracedActivity::Presence, TracedActivity::Calls] {
        if activity == TracedActivity::Presence && variant == ServerVariant::Echo {
            continue;
        }
        let before = workers.counts().await?;
        let trace = Strace::start(server.pid(), &context.programs.scratch.join("strace")).await?;
        let calls_completed = match activity {
            TracedActivity::Presence => workers.run_churn(TRACED_RATE, 2.0).await?,
            TracedActivity::Calls => workers.run_calls(TRACED_RATE, 0.0, 2.0, SDP).await?.completed,
        };
        let counts = workers.wait_until_quiet(Duration::from_secs(30)).await?.since(before);
        let syscalls = trace.end().await?;
        // A change is sent to all other users; the cost is per message.
        let count = if activity == TracedActivity::Presence { counts.presence } else { calls_completed };
        ensure!(count > 0, "no presence message or call was counted while strace traced the server");
        let each = |total: u64| total as f64 / count as f64;
        results.push(SyscallCosts {
            variant,
            activity,
            count,
            syscalls_each: each(syscalls.iter().map(|(_, count)| count).sum()),
            bytes_each: each(counts.bytes),
            by_name: syscalls
                .iter()
                .take(REPORTED_SYSCALLS)
                .map(|(name, count)| (name.clone(), each(*count)))
                .collect(),
        });
    }
    server.stop().await;
    workers.stop().await;
    Ok(results)
}

/// strace attached to a server, counting its system calls.
#[derive(Debug)]
struct Strace {
    child: Child,
    file: std::path::PathBuf,
}

impl Strace {
    async fn start(pid: u32, file: &Path) -> Result<Self> {
        let child = Command::new("strace")
            .args(["-f", "-c", "-U", "name,calls", "-o"])
            .arg(file)
            .args(["-p", &pid.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start strace: is it installed?")?;
        // strace prints nothing to wait for; wait until the kernel reports a tracer for all threads.
        let start = std::time::Instant::now();
        let pid = i32::try_from(pid)?;
        while !is_traced(pid) {
            ensure!(start.elapsed() < Duration::from_secs(5), "strace did not attach within 5 s");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(Self { child, file: file.to_owned() })
    }

    /// Detaches strace and returns the system calls with their counts, most frequent first.
    async fn end(mut self) -> Result<Vec<(String, u64)>> {
        let pid = self.child.id().context("strace exited before the measurement ended")?;
        let pid = rustix::process::Pid::from_raw(i32::try_from(pid)?).context("the process ID of strace is invalid")?;
        rustix::process::kill_process(pid, rustix::process::Signal::INT)?;
        self.child.wait().await?;
        Ok(parse_counts(&fs::read_to_string(&self.file)?))
    }
}

fn is_traced(pid: i32) -> bool {
    let threads = Process::new(pid).and_then(|process| process.tasks());
    let threads: Vec<_> = threads.into_iter().flatten().flatten().collect();
    !threads.is_empty() && threads.iter().all(|thread| thread.status().is_ok_and(|status| status.tracerpid != 0))
}

/// Parses lines of a name and a number, without the total.
fn parse_counts(text: &str) -> Vec<(String, u64)> {
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
    fn straces_summary_is_parsed() {
        let text = "syscall              calls\n---------------- ---------\nread                    12\nwritev                 340\n\
                    ---------------- ---------\ntotal                  352\n";
        assert_eq!(parse_counts(text), [("writev".to_owned(), 340), ("read".to_owned(), 12)]);
    }
}
