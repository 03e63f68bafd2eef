//! Processes that end with the value that stands for them, with all that they started.

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

/// The last lines of its output that are kept for a failure's report.
const LINES_KEPT: usize = 2_000;

/// A process in a group of its own. Dropping it kills it and everything under it.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    pid: Option<Pid>,
    log: Log,
}

impl Process {
    /// Starts it, with its output gathered.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    pub fn spawn(name: &str, command: &mut Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {name}"))?;
        let log = Log::default();
        if let Some(stdout) = child.stdout.take() {
            log.gather(stdout);
        }
        if let Some(stderr) = child.stderr.take() {
            log.gather(stderr);
        }
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        Ok(Self { name: name.to_owned(), child, pid, log })
    }

    /// What it is called in reports.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Waits for a line of its output in which `find` finds something.
    ///
    /// # Errors
    ///
    /// When it ends before, or does not say it in time.
    pub async fn wait_for_line<T>(&mut self, limit: Duration, find: impl Fn(&str) -> Option<T>) -> Result<T> {
        let search = async {
            tokio::select! {
                found = self.log.find(0, &find) => found,
                _ = self.child.wait() => {
                    self.log.all_read().await;
                    self.log.lines_from(0).iter().find_map(|line| find(line))
                }
            }
        };
        match timeout(limit, search).await {
            Ok(Some(found)) => Ok(found),
            Ok(None) => Err(anyhow!("{} ended early:\n{}", self.name, self.log.text())),
            Err(_) => Err(anyhow!("{} did not say in {limit:?} what was awaited:\n{}", self.name, self.log.text())),
        }
    }

    /// Its number, until it was waited for.
    #[must_use]
    pub fn pid(&self) -> Option<Pid> {
        self.child.id().and(self.pid)
    }

    /// What it writes; also after it has ended.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Asks it to end as Ctrl-C does, and waits for that.
    ///
    /// # Errors
    ///
    /// When it does not end in time.
    pub async fn interrupt(&mut self, limit: Duration) -> Result<ExitStatus> {
        let pid = self.pid.context("it has ended already")?;
        kill_process(pid, Signal::INT).with_context(|| format!("interrupting {}", self.name))?;
        match timeout(limit, self.child.wait()).await {
            Ok(status) => Ok(status?),
            Err(_) => bail!("{} did not end within {limit:?} of Ctrl-C", self.name),
        }
    }

    /// Waits for it to end by itself, and well.
    ///
    /// # Errors
    ///
    /// When it does not in time, or says that it failed.
    pub async fn ends_well(&mut self, limit: Duration) -> Result<()> {
        match timeout(limit, self.child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(status) => {
                self.log.all_read().await;
                bail!("{} ended with {:?}:\n{}", self.name, status?, self.log.text())
            }
            Err(_) => bail!("{} did not end within {limit:?}:\n{}", self.name, self.log.text()),
        }
    }

    /// Kills it with everything under it, and waits until it is gone.
    ///
    /// # Errors
    ///
    /// When its end cannot be awaited.
    pub async fn kill(&mut self) -> Result<()> {
        self.kill_now();
        self.child.wait().await?;
        Ok(())
    }

    fn kill_now(&self) {
        // Its number is somebody else's once it was waited for.
        if let (Some(pid), Some(_)) = (self.pid, self.child.id()) {
            kill_tree(pid);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill_now();
    }
}

/// Kills a process, its group, and all its descendants with their groups (chromedriver puts browsers in their own).
pub fn kill_tree(root: Pid) {
    for pid in tree(root) {
        // Most are no leaders of a group, and some are gone already: nothing to do about that.
        let _ = kill_process_group(pid, Signal::KILL);
        let _ = kill_process(pid, Signal::KILL);
    }
}

/// A process and all its descendants.
#[must_use]
pub fn tree(root: Pid) -> Vec<Pid> {
    let mut found = vec![root];
    let parents = parents();
    let mut next = 0;
    while let Some(&pid) = found.get(next) {
        next += 1;
        found.extend(parents.iter().filter(|(_, parent)| *parent == pid).map(|(child, _)| *child));
    }
    found
}

/// What a process calls itself, of which the kernel keeps 15 bytes; `None` where it has ended.
#[must_use]
pub fn name(pid: Pid) -> Option<String> {
    let name = fs::read_to_string(format!("/proc/{}/comm", pid.as_raw_nonzero())).ok()?;
    Some(name.trim_end().to_owned())
}

/// How nice those threads of a process are whose name begins so (getpriority(2)).
#[must_use]
pub fn niceness(pid: Pid, threads: &str) -> Vec<i32> {
    let tasks = fs::read_dir(format!("/proc/{}/task", pid.as_raw_nonzero())).into_iter().flatten().flatten();
    let named =
        tasks.filter(|task| fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name.starts_with(threads)));
    let ids = named.filter_map(|task| Pid::from_raw(task.file_name().to_str()?.parse().ok()?));
    ids.filter_map(|id| getpriority_process(Some(id)).ok()).collect()
}

/// Every process with its parent.
fn parents() -> Vec<(Pid, Pid)> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let pid = Pid::from_raw(entry.file_name().to_str()?.parse().ok()?)?;
            Some((pid, parent(&entry.path())?))
        })
        .collect()
}

fn parent(folder: &Path) -> Option<Pid> {
    let stat = fs::read_to_string(folder.join("stat")).ok()?;
    // "1 (a name) S 0 ...": the name may itself hold parentheses.
    let after_name = stat.rsplit_once(')')?.1;
    Pid::from_raw(after_name.split_whitespace().nth(1)?.parse().ok()?)
}

/// What a process wrote to both its streams. Clones are the same log.
#[derive(Clone, Debug, Default)]
pub struct Log {
    lines: Arc<Mutex<Lines>>,
    /// How many lines there were so far.
    said: Arc<watch::Sender<usize>>,
    /// How many of its streams are still open.
    open: Arc<watch::Sender<usize>>,
}

#[derive(Debug, Default)]
struct Lines {
    dropped: usize,
    kept: VecDeque<String>,
}

impl Log {
    /// All lines (the last of them, if there were many).
    #[must_use]
    pub fn text(&self) -> String {
        self.lines_from(0).join("\n")
    }

    /// All lines past the first ones.
    #[must_use]
    pub fn since(&self, after: usize) -> String {
        self.lines_from(after).join("\n")
    }

    /// How many lines there were so far.
    #[must_use]
    pub fn length(&self) -> usize {
        *self.said.borrow()
    }

    /// Waits for a line in which `find` finds something, past the first ones.
    ///
    /// # Errors
    ///
    /// When there is none in time.
    pub async fn wait_for_line<T>(&self, after: usize, limit: Duration, find: impl Fn(&str) -> Option<T>) -> Result<T> {
        let found = timeout(limit, self.find(after, &find)).await.ok().flatten();
        found.with_context(|| format!("in {limit:?} it was not said what was awaited:\n{}", self.text()))
    }

    async fn find<T>(&self, after: usize, find: &impl Fn(&str) -> Option<T>) -> Option<T> {
        let mut said = self.said.subscribe();
        let mut read = after;
        loop {
            let seen = *said.borrow_and_update();
            if let Some(found) = self.lines_from(read).iter().find_map(|line| find(line)) {
                return Some(found);
            }
            read = seen.max(read);
            said.changed().await.ok()?;
        }
    }

    fn gather(&self, from: impl AsyncRead + Unpin + Send + 'static) {
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

    /// What an ended process wrote last may still be in its pipes.
    async fn all_read(&self) {
        // It cannot fail: the sender is ours.
        let _ = self.open.subscribe().wait_for(|open| *open == 0).await;
    }

    fn push(&self, line: String) {
        {
            let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
            lines.kept.push_back(line);
            if lines.kept.len() > LINES_KEPT {
                lines.kept.pop_front();
                lines.dropped += 1;
            }
        }
        self.said.send_modify(|count| *count += 1);
    }

    fn lines_from(&self, first: usize) -> Vec<String> {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.kept.iter().skip(first.saturating_sub(lines.dropped)).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn a_line_is_found_and_the_process_ends_with_its_value() {
        let mut process =
            Process::spawn("sh", Command::new("sh").args(["-c", "sleep 60 & echo port 7; wait"])).unwrap();
        let port = process.wait_for_line(SOON, |line| line.strip_prefix("port ").map(str::to_owned)).await.unwrap();
        assert_eq!(port, "7");
        let pid = process.pid.unwrap();
        let children: Vec<_> = parents().into_iter().filter(|(_, parent)| *parent == pid).collect();
        assert_eq!(children.len(), 1, "the shell's sleep");
        process.kill().await.unwrap();
        let sleep = children.first().unwrap().0;
        let left = parents().into_iter().any(|(pid, parent)| pid == sleep && parent != Pid::from_raw(1).unwrap());
        assert!(!left, "the shell's sleep outlived it");
    }

    #[tokio::test]
    async fn an_early_end_is_told_with_its_output() {
        let mut process = Process::spawn("sh", Command::new("sh").args(["-c", "echo sorry >&2"])).unwrap();
        let error = process.wait_for_line(SOON, |_| None::<()>).await.unwrap_err().to_string();
        assert!(error.contains("ended early"), "{error}");
    }
}
