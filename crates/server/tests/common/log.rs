//! The log of the servers that run in this process, for tests that wait for an event in it.

use std::{
    io,
    path::Path,
    sync::{LazyLock, Once},
};

use tokio::sync::watch;

use super::soon;

static LOG: LazyLock<watch::Sender<String>> = LazyLock::new(watch::Sender::default);

/// Collects what is logged from now on, by every test of this process.
pub fn collect() {
    static COLLECTING: Once = Once::new();
    COLLECTING.call_once(|| tracing_subscriber::fmt().with_ansi(false).with_writer(|| Collector).init());
}

/// Waits until an event about this file has been logged so many times.
pub async fn until(event: &str, file: &Path, times: usize) {
    let file = file.display().to_string();
    let mut log = LOG.subscribe();
    let is_about = |line: &&str| line.contains(event) && line.contains(&file);
    soon(event, log.wait_for(|log| log.lines().filter(is_about).count() >= times)).await.unwrap();
}

struct Collector;

impl io::Write for Collector {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        LOG.send_modify(|log| log.push_str(&String::from_utf8_lossy(line)));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
