//! The embedded server or none: the controller's view of a server that may not run.

use std::{future::pending, path::Path};

use hutong_core::host_messages::{AppProblem, EmbeddedServerView};

use crate::embedded_server::EmbeddedServer;

/// The embedded server, if it runs.
#[derive(Debug)]
pub struct OptionalServer(Option<EmbeddedServer>);

impl OptionalServer {
    /// Starts the server. Returns the problem if it fails; a phone has no server and no problem.
    pub async fn start(directory: &Path, port: Option<u16>) -> (Self, Option<AppProblem>) {
        match EmbeddedServer::start(directory, port).await {
            Ok(server) => (Self(server), None),
            Err(problem) => (Self(None), Some(problem)),
        }
    }

    /// The server's port; constant until the server stops.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.0.as_ref().map(EmbeddedServer::port)
    }

    /// The server's state for the page.
    #[must_use]
    pub fn view(&self) -> Option<EmbeddedServerView> {
        self.0.as_ref().map(EmbeddedServer::view)
    }

    /// Opens the server to the network, or closes it again.
    ///
    /// # Errors
    ///
    /// Those of [`EmbeddedServer::share`], and [`AppProblem::EmbeddedFailed`] when there is no server.
    pub async fn share(&mut self, on: bool) -> Result<(), AppProblem> {
        match &mut self.0 {
            Some(server) => server.share(on).await,
            None => Err(AppProblem::EmbeddedFailed),
        }
    }

    /// Checks the server's addresses and certificate. After a change that the page shows, returns whether it has
    /// addresses now.
    pub async fn refresh(&mut self) -> Option<Reachable> {
        let server = self.0.as_mut()?;
        let changed = server.refresh().await;
        changed.then(|| Reachable(!server.view().addresses.is_empty()))
    }

    /// Waits until the server has failed, and drops it. Pending forever when there is no server.
    pub async fn failed(&mut self) {
        match &self.0 {
            Some(server) => server.failed().await,
            None => pending().await,
        }
        self.0 = None;
    }

    /// Disconnects all clients and stops the server.
    pub async fn stop(self) {
        if let Some(server) = self.0 {
            server.stop().await;
        }
    }
}

/// Whether the server has an address that other devices can reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reachable(pub bool);

#[cfg(all(test, desktop))]
mod tests {
    use std::time::Duration;

    use tokio::{net::TcpStream, time::timeout};

    use super::*;

    #[tokio::test]
    async fn a_failed_server_is_dropped_and_cannot_be_shared() {
        let directory = tempfile::tempdir().unwrap();
        let (mut embedded, problem) = OptionalServer::start(directory.path(), Some(0)).await;
        assert_eq!(problem, None);
        let port = embedded.port().unwrap();
        embedded.0.as_ref().unwrap().break_timer();
        timeout(Duration::from_secs(20), embedded.failed()).await.unwrap();
        assert_eq!((embedded.port(), embedded.view()), (None, None));
        assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err(), "the port is still open");
        assert_eq!(embedded.share(true).await, Err(AppProblem::EmbeddedFailed));
    }
}
