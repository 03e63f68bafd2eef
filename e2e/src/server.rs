//! The signalling server as a child process.

use std::{net::SocketAddr, rc::Rc, time::Duration};

use tokio::{process::Command, sync::Mutex};

use crate::{
    Context, Result,
    network::Namespace,
    paths,
    process::{ChildProcess, ProcessLog},
};

const START: Duration = Duration::from_secs(10);

/// A server on a loopback port. Dropping the last clone kills it.
#[derive(Clone, Debug)]
pub struct ServerProcess {
    process: Rc<Mutex<ChildProcess>>,
    log: ProcessLog,
    address: SocketAddr,
}

impl ServerProcess {
    /// Starts a server on this address.
    ///
    /// # Errors
    ///
    /// Returns an error when it is not built or does not start.
    pub async fn start(listen: &str) -> Result<Self> {
        Self::start_with(listen, &[]).await
    }

    /// Starts a server on this address with these command line options.
    ///
    /// # Errors
    ///
    /// Returns an error when it is not built or does not start.
    pub async fn start_with(listen: &str, options: &[&str]) -> Result<Self> {
        let program = paths::workspace_program("HUTONG_SERVER_BIN", "hutong-server")?;
        Self::spawn(Command::new(program), listen, options).await
    }

    /// Starts a server in this network namespace with these command line options.
    ///
    /// # Errors
    ///
    /// Returns an error when it is not built or does not start.
    pub async fn start_in(namespace: &Namespace, listen: &str, options: &[&str]) -> Result<Self> {
        let program = paths::workspace_program("HUTONG_SERVER_BIN", "hutong-server")?;
        Self::spawn(namespace.command(program), listen, options).await
    }

    async fn spawn(mut command: Command, listen: &str, options: &[&str]) -> Result<Self> {
        command.args(["--listen", listen]).args(options);
        // Settings of the developer's own server must not apply here.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("HUTONG_") {
                command.env_remove(name);
            }
        }
        let mut process = ChildProcess::spawn("hutong-server", &mut command)?;
        let address = process.wait_for_line(START, listening_on).await?;
        let log = process.log().clone();
        Ok(Self { process: Rc::new(Mutex::new(process)), log, address })
    }

    /// The listening address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// URL to open in a browser.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Kills the server; its clients get no close frame.
    ///
    /// # Errors
    ///
    /// Returns an error when waiting fails.
    pub async fn kill(&self) -> Result<()> {
        self.process.lock().await.kill().await
    }

    /// Stops the server with SIGINT, as Ctrl-C does.
    ///
    /// # Errors
    ///
    /// Returns an error when it does not exit in time, or not with success.
    pub async fn stop(&self) -> Result<()> {
        let status = self.process.lock().await.interrupt(Duration::from_secs(10)).await?;
        status.success().then_some(()).with_context(|| format!("the server exited with {status}:\n{}", self.log.text()))
    }

    /// Captured output.
    #[must_use]
    pub fn log(&self) -> &ProcessLog {
        &self.log
    }
}

/// Parses the address in a log line such as `listening on http://127.0.0.1:8017`.
fn listening_on(line: &str) -> Option<SocketAddr> {
    let address = line.split_once("http://")?.1;
    let end = address.find(|c: char| !(c.is_ascii_hexdigit() || "[]:.".contains(c))).unwrap_or(address.len());
    address.get(..end)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_listening_address_is_parsed() {
        for line in
            ["listening on http://127.0.0.1:8017", "\u{1b}[32mINFO listening on http://127.0.0.1:8017/ (open it)"]
        {
            assert_eq!(listening_on(line), Some(SocketAddr::from(([127, 0, 0, 1], 8017))), "{line}");
        }
        assert_eq!(listening_on("something else"), None);
    }
}
