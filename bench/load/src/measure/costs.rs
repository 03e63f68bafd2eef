//! What the server asks of the system for what it does, and where its time goes.

use std::{fs, path::Path, process::Stdio, time::Duration};

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};
use tokio::process::{Child, Command};

use super::{Bench, SDP};
use crate::server::{Server, Subject};

/// Users while system calls are counted: a traced server is many times slower.
const TRACED_USERS: u32 = 200;

/// Changes or calls a second meanwhile.
const TRACED_RATE: f64 = 20.0;

/// The system calls that are told, and the functions.
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

/// Where the processor's time goes, by functions.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Profile {
    /// Doing what, in words.
    pub doing: String,
    /// Shares in percent, by groups.
    pub groups: Vec<(String, f64)>,
    /// The top functions, with their shares.
    pub functions: Vec<(String, f64)>,
}

impl Bench {
    pub(super) async fn costs(&self, subject: Subject) -> Result<Vec<Costs>> {
        let server = Server::start(&self.programs, subject).await?;
        let mut workers = self.populate(&server, subject, TRACED_USERS).await?;
        let mut found = Vec::new();
        for doing in [Doing::Presence, Doing::Calls] {
            if doing == Doing::Presence && subject == Subject::Floor {
                continue;
            }
            let before = workers.count().await?;
            let trace = Trace::start(server.pid(), &self.programs.scratch.join("strace")).await?;
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

    /// Of ours: telling many of changes, and setting up calls.
    pub(super) async fn profiles(&self) -> Result<Vec<Profile>> {
        let mut found = Vec::new();
        let seconds = self.plan.churn;
        for (subject, users, doing) in
            [(Subject::OursWhole, self.plan.watchers, Doing::Presence), (Subject::Ours, self.plan.online, Doing::Calls)]
        {
            let server = Server::start(&self.programs, subject).await?;
            let mut workers = self.populate(&server, subject, users).await?;
            let file = self.programs.scratch.join("perf.data");
            let mut recorder = Command::new("perf")
                .args(["record", "-q", "-F", "999", "-p", &server.pid().to_string(), "-o"])
                .arg(&file)
                .args(["--", "sleep", &(seconds + 1.0).to_string()])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .context("perf is not there")?;
            let doing = match doing {
                Doing::Presence => {
                    workers.churn(200.0, seconds).await?;
                    format!("telling {users} users of 200 changes a second")
                }
                Doing::Calls => {
                    let rate = self.plan.judged;
                    workers.call(rate, 0.0, seconds, SDP).await?;
                    format!("{rate} calls a second among {users} users")
                }
            };
            ensure!(recorder.wait().await?.success(), "perf did not record");
            found.push(read_profile(doing, &file).await?);
            server.end().await;
            workers.end().await;
        }
        Ok(found)
    }
}

async fn read_profile(doing: String, file: &Path) -> Result<Profile> {
    let output = Command::new("perf")
        .args([
            "report",
            "--stdio",
            "--no-children",
            "--percent-limit",
            "0.05",
            "-F",
            "overhead,dso,symbol",
            "-t",
            "\t",
            "-i",
        ])
        .arg(file)
        .stderr(Stdio::null())
        .output()
        .await?;
    let text = String::from_utf8_lossy(&output.stdout);
    let functions = functions(&text);
    ensure!(!functions.is_empty(), "perf saw nothing");
    let mut groups: Vec<(String, f64)> = Vec::new();
    for (object, name, share) in &functions {
        let group = group(object, name);
        match groups.iter_mut().find(|(known, _)| known == group) {
            Some((_, sum)) => *sum += share,
            None => groups.push((group.to_owned(), *share)),
        }
    }
    groups.sort_by(|one, other| other.1.total_cmp(&one.1));
    let functions = functions.into_iter().take(TOLD).map(|(_, name, share)| (name, share)).collect();
    Ok(Profile { doing, groups, functions })
}

/// Object, function and share of each line.
fn functions(report: &str) -> Vec<(String, String, f64)> {
    let line = |line: &str| {
        let mut fields = line.split('\t').map(str::trim);
        let share = fields.next()?.trim_end_matches('%').parse().ok()?;
        let object = fields.next()?.to_owned();
        let name = fields.next()?.trim_start_matches("[k] ").trim_start_matches("[.] ").to_owned();
        Some((object, name, share))
    };
    report.lines().filter(|line| !line.starts_with('#')).filter_map(line).collect()
}

/// In words, what a function belongs to.
fn group(object: &str, name: &str) -> &'static str {
    let has = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
    if object.contains("kernel") || object.starts_with('[') {
        if has(&[
            "tcp", "ip_", "skb", "sock", "inet", "net", "nf_", "loopback", "dev_", "csum", "eth_", "__send", "sendmsg",
        ]) {
            "kernel: sending and receiving"
        } else if has(&["copy", "iter", "memcpy"]) {
            "kernel: copying between it and programs"
        } else if has(&["sched", "futex", "wake", "epoll", "ep_", "switch", "pick_next", "rq", "task", "eventfd"]) {
            "kernel: waking and scheduling"
        } else {
            "kernel: the rest, system calls' entry above all"
        }
    } else if has(&["malloc", "free", "alloc", "_int_", "realloc", "calloc"]) {
        "memory taken and given back"
    } else if has(&["memcpy", "memmove", "memset"]) {
        "copying within the server"
    } else if has(&["serde", "json", "ryu", "itoa", "utf8"]) {
        "JSON"
    } else if has(&["registry", "hutong_server::hub"]) {
        "registry and hub"
    } else if has(&["gateway", "tungstenite", "outbox"]) {
        "frames and outboxes"
    } else if has(&["tokio", "mio", "parking_lot"]) {
        "tokio"
    } else if has(&["hmac", "sha2", "sha256", "compress256", "base64"]) {
        "tickets' signatures"
    } else {
        "the rest"
    }
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

fn is_traced(pid: u32) -> bool {
    let threads: Vec<_> = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten().collect();
    let is_traced = |status: String| {
        status.lines().any(|line| line.strip_prefix("TracerPid:").is_some_and(|pid| pid.trim() != "0"))
    };
    !threads.is_empty()
        && threads.iter().all(|thread| fs::read_to_string(thread.path().join("status")).is_ok_and(is_traced))
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

    #[test]
    fn a_profile_is_read() {
        let text = "# Overhead\tShared Object\tSymbol\n    12.34%\t[kernel.kallsyms]\t[k] tcp_sendmsg_locked\n\
                    \u{20}    1.20%\thutong-server    \t[.] hutong_server::registry::Registry::tick\n\n";
        let read = functions(text);
        assert_eq!(read.len(), 2);
        let group = |place: usize| group(&read[place].0, &read[place].1);
        assert_eq!((group(0), read[0].2), ("kernel: sending and receiving", 12.34));
        assert_eq!((group(1), read[1].2), ("registry and hub", 1.20));
    }
}
