//! Child processes with captured output, killed with their descendants on drop.

use std::{
    collections::VecDeque,
    fs,
    path::Path,
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rustix::process::{Pid, Signal, getpriority_process, kill_process, kill_process_group};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::{Child, Command},
    sync::watch,
    time::timeout,
};

use crate::{Context, Result, anyhow, bail};

/// Lines of output kept for a failure's report; older ones are dropped.
const MAX_LOG_LINES: usize = 2_000;

/// RAII guard of a child process in its own process group. Dropping it kills the process and all descendants.
#[derive(Debug)]
pub struct ChildProcess {
    name: String,
    child: Child,
    pid: Option<Pid>,
    log: ProcessLog,
}

impl ChildProcess {
    /// Starts the process and captures both output streams.
    ///
    /// # Errors
    ///
    /// Returns an error when spawning fails.
    pub fn spawn(name: &str, command: &mut Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {name}"))?;
        let log = ProcessLog::default();
        if let Some(stdout) = child.stdout.take() {
            log.read_from(stdout);
        }
        if let Some(stderr) = child.stderr.take() {
            log.read_from(stderr);
        }
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        Ok(Self { name: name.to_owned(), child, pid, log })
    }

    /// Name used in error messages.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Waits for an output line for which `find` returns a value, from the first line on.
    ///
    /// # Errors
    ///
    /// Returns an error with the output when the process exits first or the limit passes.
    pub async fn wait_for_line<T>(&mut self, limit: Duration, find: impl Fn(&str) -> Option<T>) -> Result<T> {
        let search = async {
            tokio::select! {
                found = self.log.find(0, &find) => found,
                _ = self.child.wait() => {
                    self.log.wait_until_read().await;
                    self.log.lines_from(0).iter().find_map(|line| find(line))
                }
            }
        };
        match timeout(limit, search).await {
            Ok(Some(found)) => Ok(found),
            Ok(None) => Err(anyhow!("{} exited early:\n{}", self.name, self.log.text())),
            Err(_) => Err(anyhow!("{} printed no matching line within {limit:?}:\n{}", self.name, self.log.text())),
        }
    }

    /// Process ID; `None` once the process is reaped.
    #[must_use]
    pub fn pid(&self) -> Option<Pid> {
        self.child.id().and(self.pid)
    }

    /// Captured output; stays readable after the exit.
    #[must_use]
    pub fn log(&self) -> &ProcessLog {
        &self.log
    }

    /// Sends SIGINT and waits for the exit.
    ///
    /// # Errors
    ///
    /// Returns an error when the process does not exit in time.
    pub async fn interrupt(&mut self, limit: Duration) -> Result<ExitStatus> {
        let pid = self.pid.context("the process has exited already")?;
        kill_process(pid, Signal::INT).with_context(|| format!("interrupting {}", self.name))?;
        match timeout(limit, self.child.wait()).await {
            Ok(status) => Ok(status?),
            Err(_) => bail!("{} did not exit within {limit:?} of SIGINT", self.name),
        }
    }

    /// Waits for the process to exit with success.
    ///
    /// # Errors
    ///
    /// Returns an error with the output when it exits with another status or the limit passes.
    pub async fn wait_for_success(&mut self, limit: Duration) -> Result<()> {
        match timeout(limit, self.child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(status) => {
                self.log.wait_until_read().await;
                bail!("{} exited with {:?}:\n{}", self.name, status?, self.log.text())
            }
            Err(_) => bail!("{} did not exit within {limit:?}:\n{}", self.name, self.log.text()),
        }
    }

    /// Kills the process and all descendants, and reaps it.
    ///
    /// # Errors
    ///
    /// Returns an error when waiting fails.
    pub async fn kill(&mut self) -> Result<()> {
        self.kill_now();
        self.child.wait().await?;
        Ok(())
    }

    fn kill_now(&self) {
        // Once reaped, the ID may belong to another process.
        if let (Some(pid), Some(_)) = (self.pid, self.child.id()) {
            kill_tree(pid);
        }
    }
}

impl Drop for ChildProcess {
    fn drop(&mut self) {
        self.kill_now();
    }
}

/// Kills a process, all its descendants and the process groups of each (chromedriver puts browsers in their own).
pub fn kill_tree(root: Pid) {
    for pid in process_tree(root) {
        // Best effort: most lead no group, and some have exited already.
        let _ = kill_process_group(pid, Signal::KILL);
        let _ = kill_process(pid, Signal::KILL);
    }
}

/// Stops processes, as the sleep of a computer does, until [`resume`].
///
/// # Errors
///
/// Returns an error when one has exited.
pub fn suspend(processes: &[Pid]) -> Result<()> {
    processes.iter().try_for_each(|pid| Ok(kill_process(*pid, Signal::STOP)?))
}

/// Lets stopped processes run on.
///
/// # Errors
///
/// Returns an error when one has exited.
pub fn resume(processes: &[Pid]) -> Result<()> {
    processes.iter().try_for_each(|pid| Ok(kill_process(*pid, Signal::CONT)?))
}

/// The processes in which Chromium runs pages and their workers, among its processes.
#[must_use]
pub fn chromium_renderers(processes: &[Pid]) -> Vec<Pid> {
    let command_line = |pid: &Pid| fs::read_to_string(format!("/proc/{}/cmdline", pid.as_raw_nonzero()));
    let is_renderer = |pid: &&Pid| command_line(pid).is_ok_and(|line| line.contains("--type=renderer"));
    processes.iter().filter(is_renderer).copied().collect()
}

/// A process and all its descendants.
#[must_use]
pub fn process_tree(root: Pid) -> Vec<Pid> {
    let mut found = vec![root];
    let parents = parent_table();
    let mut next = 0;
    while let Some(&pid) = found.get(next) {
        next += 1;
        found.extend(parents.iter().filter(|(_, parent)| *parent == pid).map(|(child, _)| *child));
    }
    found
}

/// Command name of a process, of which the kernel keeps 15 bytes; `None` once it has exited.
#[must_use]
pub fn process_name(pid: Pid) -> Option<String> {
    let name = fs::read_to_string(format!("/proc/{}/comm", pid.as_raw_nonzero())).ok()?;
    Some(name.trim_end().to_owned())
}

/// Nice values of those threads of a process whose names begin with `threads` (getpriority(2)).
#[must_use]
pub fn thread_niceness(pid: Pid, threads: &str) -> Vec<i32> {
    let tasks = fs::read_dir(format!("/proc/{}/task", pid.as_raw_nonzero())).into_iter().flatten().flatten();
    let named =
        tasks.filter(|task| fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name.starts_with(threads)));
    let ids = named.filter_map(|task| Pid::from_raw(task.file_name().to_str()?.parse().ok()?));
    ids.filter_map(|id| getpriority_process(Some(id)).ok()).collect()
}

/// All processes with their parents.
fn parent_table() -> Vec<(Pid, Pid)> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let pid = Pid::from_raw(entry.file_name().to_str()?.parse().ok()?)?;
            Some((pid, parent_of(&entry.path())?))
        })
        .collect()
}

fn parent_of(folder: &Path) -> Option<Pid> {
    let stat = fs::read_to_string(folder.join("stat")).ok()?;
    // Format "1 (name) S 0 ...": the name may contain parentheses.
    let after_name = stat.rsplit_once(')')?.1;
    Pid::from_raw(after_name.split_whitespace().nth(1)?.parse().ok()?)
}

/// Output lines of a process, both streams in order of arrival. Clones share the log.
#[derive(Clone, Debug, Default)]
pub struct ProcessLog {
    lines: Arc<Mutex<Lines>>,
    /// Number of lines so far.
    line_count: Arc<watch::Sender<usize>>,
    /// Number of streams still open.
    open: Arc<watch::Sender<usize>>,
}

#[derive(Debug, Default)]
struct Lines {
    dropped: usize,
    kept: VecDeque<String>,
}

impl ProcessLog {
    /// All kept lines.
    #[must_use]
    pub fn text(&self) -> String {
        self.lines_from(0).join("\n")
    }

    /// The kept lines after the first `after` ones.
    #[must_use]
    pub fn text_since(&self, after: usize) -> String {
        self.lines_from(after).join("\n")
    }

    /// Number of lines so far.
    #[must_use]
    pub fn line_count(&self) -> usize {
        *self.line_count.borrow()
    }

    /// Waits for a line for which `find` returns a value, after the first `after` ones.
    ///
    /// # Errors
    ///
    /// Returns an error with the output when the limit passes.
    pub async fn wait_for_line<T>(&self, after: usize, limit: Duration, find: impl Fn(&str) -> Option<T>) -> Result<T> {
        let found = timeout(limit, self.find(after, &find)).await.ok().flatten();
        found.with_context(|| format!("no matching line within {limit:?}:\n{}", self.text()))
    }

    async fn find<T>(&self, after: usize, find: &impl Fn(&str) -> Option<T>) -> Option<T> {
        let mut line_count = self.line_count.subscribe();
        let mut read = after;
        loop {
            let count = *line_count.borrow_and_update();
            if let Some(found) = self.lines_from(read).iter().find_map(|line| find(line)) {
                return Some(found);
            }
            read = count.max(read);
            line_count.changed().await.ok()?;
        }
    }

    fn read_from(&self, from: impl AsyncRead + Unpin + Send + 'static) {
        let log = self.clone();
        log.open.send_modify(|count| *count += 1);
        tokio::spawn(async move {
            let mut reader = BufReader::new(from);
            let mut line = Vec::new();
            while matches!(reader.read_until(b'\n', &mut line).await, Ok(1..)) {
                log.push(String::from_utf8_lossy(&line).trim_end().to_owned());
                line.clear();
            }
            log.open.send_modify(|count| *count -= 1);
        });
    }

    /// Waits until both pipes are read to the end: after an exit they may still hold output.
    async fn wait_until_read(&self) {
        // It cannot fail: this value holds the sender.
        let _ = self.open.subscribe().wait_for(|open| *open == 0).await;
    }

    fn push(&self, line: String) {
        {
            let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
            lines.kept.push_back(line);
            if lines.kept.len() > MAX_LOG_LINES {
                lines.kept.pop_front();
                lines.dropped += 1;
            }
        }
        self.line_count.send_modify(|count| *count += 1);
    }

    fn lines_from(&self, first: usize) -> Vec<String> {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.kept.iter().skip(first.saturating_sub(lines.dropped)).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn a_line_is_found_and_killing_the_process_kills_its_children() {
        let mut process =
            ChildProcess::spawn("sh", Command::new("sh").args(["-c", "sleep 60 & echo port 7; wait"])).unwrap();
        let port = process.wait_for_line(TIMEOUT, |line| line.strip_prefix("port ").map(str::to_owned)).await.unwrap();
        assert_eq!(port, "7");
        let pid = process.pid.unwrap();
        let children: Vec<_> = parent_table().into_iter().filter(|(_, parent)| *parent == pid).collect();
        assert_eq!(children.len(), 1, "the shell's sleep");
        process.kill().await.unwrap();
        let sleep = children.first().unwrap().0;
        let left = parent_table().into_iter().any(|(pid, parent)| pid == sleep && parent != Pid::from_raw(1).unwrap());
        assert!(!left, "the shell's sleep outlived it");
    }

    #[tokio::test]
    async fn an_early_exit_is_an_error_with_the_output() {
        let mut process = ChildProcess::spawn("sh", Command::new("sh").args(["-c", "echo sorry >&2"])).unwrap();
        let error = process.wait_for_line(TIMEOUT, |_| None::<()>).await.unwrap_err().to_string();
        assert!(error.contains("exited early"), "{error}");
    }
}
