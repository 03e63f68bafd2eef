//! The program `hutong-server` as a child process, with its log and its resource usage.

use std::{
    net::SocketAddr,
    process::{ExitStatus, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    sync::watch,
    task::JoinHandle,
};

use super::with_timeout;

pub const SERVER_BINARY: &str = env!("CARGO_BIN_EXE_hutong-server");

/// Unit of the times in `/proc/PID/stat` on all common systems (`USER_HZ`).
const MILLIS_PER_TICK: u64 = 10;

/// The running program. Killed on drop.
pub struct ServerProgram {
    child: Child,
    pub address: SocketAddr,
    log: Arc<watch::Sender<String>>,
    reader: JoinHandle<()>,
}

/// Resource usage of the process, from `/proc`.
#[derive(Clone, Copy, Debug)]
pub struct ProcessStats {
    /// Resident memory in KiB.
    pub rss_kib: usize,
    /// Peak resident memory in KiB.
    pub peak_rss_kib: usize,
    /// Open file descriptors.
    pub open_files: usize,
    /// Processor time that it has used.
    pub cpu_time: Duration,
}

impl ServerProgram {
    /// Starts the program on a free loopback port with these arguments.
    pub async fn start(arguments: &[&str]) -> Self {
        Self::start_with_shell("exec \"$0\" \"$@\"", arguments).await
    }

    /// Starts the program by a shell command that execs it, for resource limits and environment variables.
    pub async fn start_with_shell(shell: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", shell, SERVER_BINARY]).args(arguments).env_clear().env("HUTONG_LISTEN", "127.0.0.1:0");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let log = Arc::new(watch::Sender::new(String::new()));
        let (found, mut address) = watch::channel(None);
        let lines_log = log.clone();
        let reader = tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                if line.contains("listening on")
                    && let Some((_, url)) = line.rsplit_once("http://")
                {
                    found.send_replace(url.split('/').next().and_then(|address| address.parse().ok()));
                }
                lines_log.send_modify(|log| {
                    log.push_str(&line);
                    log.push('\n');
                });
            }
        });
        let address = with_timeout("listening address", address.wait_for(Option::is_some)).await;
        let address = address.map(|address| address.unwrap());
        let address = address.unwrap_or_else(|_| panic!("server did not start: {}", *log.borrow()));
        Self { child, address, log, reader }
    }

    /// The process ID.
    pub fn id(&self) -> u32 {
        self.child.id().expect("program is running")
    }

    /// The log so far.
    pub fn log(&self) -> String {
        self.log.borrow().clone()
    }

    /// Waits until the log contains the text this many times.
    pub async fn wait_for_log(&self, text: &str, times: usize) {
        let mut log = self.log.subscribe();
        with_timeout(text, log.wait_for(|log| log.matches(text).count() >= times)).await.unwrap();
    }

    /// Sends a signal, such as `-TERM`.
    pub async fn signal(&self, name: &str) {
        let id = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args([name, &id]).status().await.unwrap().success());
    }

    /// Waits for the exit. Returns the status and the whole log.
    pub async fn wait(mut self) -> (ExitStatus, String) {
        let status = with_timeout("exit", self.child.wait()).await.unwrap();
        with_timeout("end of the log", &mut self.reader).await.unwrap();
        (status, self.log())
    }

    /// The current resource usage.
    pub fn stats(&self) -> ProcessStats {
        let id = self.id();
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.split_whitespace().next().unwrap().parse().unwrap()
        };
        let open_files = std::fs::read_dir(format!("/proc/{id}/fd")).unwrap().count();
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
        // User and system time are fields 14 and 15; field 2 may contain spaces.
        let times = stat.rsplit_once(')').unwrap().1.split_whitespace().skip(11).take(2);
        let ticks: u64 = times.map(|ticks| ticks.parse::<u64>().unwrap()).sum();
        let cpu_time = Duration::from_millis(ticks * MILLIS_PER_TICK);
        ProcessStats { rss_kib: field("VmRSS:"), peak_rss_kib: field("VmHWM:"), open_files, cpu_time }
    }

    /// Waits until at most `limit` file descriptors are open. Returns how long that took.
    pub async fn wait_for_open_files_at_most(&self, limit: usize, timeout: Duration) -> Duration {
        let start = Instant::now();
        loop {
            let now = self.stats().open_files;
            if now <= limit {
                return start.elapsed();
            }
            assert!(start.elapsed() < timeout, "{now} file descriptors are open, expected at most {limit}");
            // Polled: the system has no event for a descriptor that another process closes.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}
