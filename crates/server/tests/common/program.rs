//! The program `hutong-server` as a process of its own, with what it writes and the numbers that the system has of it.

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

use super::soon;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_hutong-server");

/// The running program. Dropping it kills it.
pub struct Program {
    child: Child,
    pub address: SocketAddr,
    said: Arc<watch::Sender<String>>,
    reader: JoinHandle<()>,
}

/// What the system says of the process.
#[derive(Clone, Copy, Debug)]
pub struct Numbers {
    /// Memory in use, in KiB: resident pages.
    pub memory: usize,
    /// The most that it ever was.
    pub peak: usize,
    /// Open descriptors.
    pub files: usize,
}

impl Program {
    /// The program on a free port of loopback, with these arguments.
    pub async fn start(arguments: &[&str]) -> Self {
        Self::start_by("exec \"$0\" \"$@\"", arguments).await
    }

    /// A shell command that becomes the program, for what only a shell can set.
    pub async fn start_by(shell: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", shell, PROGRAM]).args(arguments).env_clear().env("HUTONG_LISTEN", "127.0.0.1:0");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let said = Arc::new(watch::Sender::new(String::new()));
        let (found, mut address) = watch::channel(None);
        let log = said.clone();
        let reader = tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                if line.contains("listening on")
                    && let Some((_, url)) = line.rsplit_once("http://")
                {
                    found.send_replace(url.split('/').next().and_then(|address| address.parse().ok()));
                }
                log.send_modify(|log| {
                    log.push_str(&line);
                    log.push('\n');
                });
            }
        });
        let address = soon("the address", address.wait_for(Option::is_some)).await;
        let address = address.map(|address| address.unwrap());
        let address = address.unwrap_or_else(|_| panic!("it does not run: {}", *said.borrow()));
        Self { child, address, said, reader }
    }

    /// What it has written so far.
    pub fn said(&self) -> String {
        self.said.borrow().clone()
    }

    /// Waits until it has written this so many times.
    pub async fn until_said(&self, what: &str, times: usize) {
        let mut said = self.said.subscribe();
        soon(what, said.wait_for(|log| log.matches(what).count() >= times)).await.unwrap();
    }

    /// Sends it a signal, such as `-TERM`.
    pub async fn signal(&self, name: &str) {
        let id = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args([name, &id]).status().await.unwrap().success());
    }

    /// Waits for its end, and gives what it has written.
    pub async fn ended(mut self) -> (ExitStatus, String) {
        let status = soon("the end", self.child.wait()).await.unwrap();
        soon("the end of the log", &mut self.reader).await.unwrap();
        (status, self.said())
    }

    /// What the system says of it now.
    pub fn numbers(&self) -> Numbers {
        let id = self.child.id().expect("the program runs");
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.split_whitespace().next().unwrap().parse().unwrap()
        };
        let files = std::fs::read_dir(format!("/proc/{id}/fd")).unwrap().count();
        Numbers { memory: field("VmRSS:"), peak: field("VmHWM:"), files }
    }

    /// Waits until it has no more descriptors open than these, and gives how long that took.
    pub async fn has_no_more_files_than(&self, files: usize, patience: Duration) -> Duration {
        let start = Instant::now();
        loop {
            let now = self.numbers().files;
            if now <= files {
                return start.elapsed();
            }
            assert!(start.elapsed() < patience, "{now} descriptors are open where {files} were before");
            // There is no event to wait for: the system tells nobody that a process has closed something.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}
