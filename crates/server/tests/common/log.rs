//! Log of the servers that run in the test process, for tests that wait for a log line.

use std::{
    io,
    path::Path,
    sync::{LazyLock, Once},
};

use tokio::sync::watch;

use super::with_timeout;

static LOG: LazyLock<watch::Sender<String>> = LazyLock::new(watch::Sender::default);

/// Installs a global subscriber that collects the log lines of all tests of this process.
pub fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| tracing_subscriber::fmt().with_ansi(false).with_writer(|| LogCollector).init());
}

/// Waits until this many log lines contain both the event and the path.
pub async fn wait_for_line(event: &str, file: &Path, times: usize) {
    let file = file.display().to_string();
    let mut log = LOG.subscribe();
    let matches = |line: &&str| line.contains(event) && line.contains(&file);
    with_timeout(event, log.wait_for(|log| log.lines().filter(matches).count() >= times)).await.unwrap();
}

struct LogCollector;

impl io::Write for LogCollector {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        LOG.send_modify(|log| log.push_str(&String::from_utf8_lossy(line)));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
