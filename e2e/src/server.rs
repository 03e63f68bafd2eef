//! The real server, as a process.

use std::{net::SocketAddr, rc::Rc, time::Duration};

use tokio::{process::Command, sync::Mutex};

use crate::{
    Context, Result, paths,
    process::{Log, Process},
};

const START: Duration = Duration::from_secs(10);

/// A server on a loopback port. It ends with the last clone.
#[derive(Clone, Debug)]
pub struct Server {
    process: Rc<Mutex<Process>>,
    log: Log,
    address: SocketAddr,
}

impl Server {
    /// Starts it on this address.
    ///
    /// # Errors
    ///
    /// When it is not built or does not start.
    pub async fn start(listen: &str) -> Result<Self> {
        Self::start_with(listen, &[]).await
    }

    /// Starts it on this address, with these options.
    ///
    /// # Errors
    ///
    /// When it is not built or does not start.
    pub async fn start_with(listen: &str, options: &[&str]) -> Result<Self> {
        let program = paths::program("HUTONG_SERVER_BIN", "hutong-server")?;
        let mut command = Command::new(program);
        command.args(["--listen", listen]).args(options);
        // What the person at this machine has set for a server of their own is not for this one.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("HUTONG_") {
                command.env_remove(name);
            }
        }
        let mut process = Process::spawn("hutong-server", &mut command)?;
        let address = process.wait_for_line(START, listening_on).await?;
        let log = process.log().clone();
        Ok(Self { process: Rc::new(Mutex::new(process)), log, address })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address to open in a browser.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Kills it without a word to its clients.
    ///
    /// # Errors
    ///
    /// When its end cannot be awaited.
    pub async fn kill(&self) -> Result<()> {
        self.process.lock().await.kill().await
    }

    /// Ends it as Ctrl-C does.
    ///
    /// # Errors
    ///
    /// When it does not end in time, or not cleanly.
    pub async fn stop(&self) -> Result<()> {
        let status = self.process.lock().await.interrupt(Duration::from_secs(10)).await?;
        status.success().then_some(()).with_context(|| format!("the server ended with {status}:\n{}", self.log.text()))
    }

    /// What it wrote so far.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.log
    }
}

/// The address in a line that tells it, such as `listening on http://127.0.0.1:8017`.
fn listening_on(line: &str) -> Option<SocketAddr> {
    let address = line.split_once("http://")?.1;
    let end = address.find(|c: char| !(c.is_ascii_hexdigit() || "[]:.".contains(c))).unwrap_or(address.len());
    address.get(..end)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_found_in_the_line() {
        for line in
            ["listening on http://127.0.0.1:8017", "\u{1b}[32mINFO listening on http://127.0.0.1:8017/ (open it)"]
        {
            assert_eq!(listening_on(line), Some(SocketAddr::from(([127, 0, 0, 1], 8017))), "{line}");
        }
        assert_eq!(listening_on("something else"), None);
    }
}
