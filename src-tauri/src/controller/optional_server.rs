//! The embedded server or none: the controller's view of a server that may not run.

use std::{
    future::pending,
    path::{Path, PathBuf},
    time::Duration,
};

use hutong_core::host_messages::{AppProblem, EmbeddedServerView};
use hutong_protocol::Secret;
use tokio::time::Instant;

use crate::embedded_server::EmbeddedServer;

/// Shortest time between two restarts of a server that fails. One that fails again sooner would do so for ever.
const RESTART_INTERVAL: Duration = Duration::from_secs(60);

/// The embedded server, if it runs.
#[derive(Debug)]
pub struct OptionalServer {
    server: Option<EmbeddedServer>,
    directory: PathBuf,
    restarted: Option<Instant>,
}

impl OptionalServer {
    /// Starts the server. Returns the problem if it fails; a phone has no server and no problem.
    pub async fn start(directory: &Path, port: Option<u16>) -> (Self, Option<AppProblem>) {
        let (server, problem) = match EmbeddedServer::start(directory, port).await {
            Ok(server) => (server, None),
            Err(problem) => (None, Some(problem)),
        };
        (Self { server, directory: directory.to_owned(), restarted: None }, problem)
    }

    /// The server's port; constant until the server fails or stops.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.server.as_ref().map(EmbeddedServer::port)
    }

    /// The server's state for the page.
    #[must_use]
    pub fn view(&self) -> Option<EmbeddedServerView> {
        self.server.as_ref().map(EmbeddedServer::view)
    }

    /// Opens the server to the network, or closes it again.
    ///
    /// # Errors
    ///
    /// Those of [`EmbeddedServer::share`], and [`AppProblem::EmbeddedFailed`] when there is no server.
    pub async fn share(&mut self, on: bool) -> Result<(), AppProblem> {
        match &mut self.server {
            Some(server) => server.share(on).await,
            None => Err(AppProblem::EmbeddedFailed),
        }
    }

    /// The access key that logins require, if there is a server and a key.
    #[must_use]
    pub fn access_key(&self) -> Option<Secret> {
        self.server.as_ref().and_then(EmbeddedServer::access_key).cloned()
    }

    /// Stores a new access key, or removes it. [`apply_access_key`](Self::apply_access_key) makes the server require it.
    ///
    /// # Errors
    ///
    /// Those of [`EmbeddedServer::store_access_key`], and [`AppProblem::EmbeddedFailed`] when there is no server.
    pub async fn store_access_key(&mut self, on: bool) -> Result<(), AppProblem> {
        match &mut self.server {
            Some(server) => server.store_access_key(on).await,
            None => Err(AppProblem::EmbeddedFailed),
        }
    }

    /// Requires the stored access key of all logins, or none.
    pub async fn apply_access_key(&self) {
        if let Some(server) = &self.server {
            server.apply_access_key().await;
        }
    }

    /// Checks the server's addresses and certificate. After a change that the page shows, returns whether it has
    /// addresses now.
    pub async fn refresh(&mut self) -> Option<Reachable> {
        let server = self.server.as_mut()?;
        let changed = server.refresh().await;
        changed.then(|| Reachable(!server.view().addresses.is_empty()))
    }

    /// Waits until the server has failed; then call [`restart`](Self::restart). Pending forever when there is no server.
    pub async fn failed(&self) {
        match &self.server {
            Some(server) => server.failed().await,
            None => pending().await,
        }
    }

    /// Replaces a failed server by a new one on the same port, if that is still free. Clients resume their sessions and calls
    /// there, since the ticket key is stored. It is not shared yet.
    ///
    /// # Errors
    ///
    /// [`AppProblem::EmbeddedFailed`] when it cannot start, or was restarted less than a minute ago. There is no server then.
    pub async fn restart(&mut self) -> Result<(), AppProblem> {
        let port = self.port();
        if let Some(failed) = self.server.take() {
            // Frees the port.
            failed.stop().await;
        }
        let now = Instant::now();
        if self.restarted.is_some_and(|at| now.duration_since(at) < RESTART_INTERVAL) {
            tracing::error!("embedded server failed again within a minute; it stays down");
            return Err(AppProblem::EmbeddedFailed);
        }
        self.restarted = Some(now);
        self.server = EmbeddedServer::start(&self.directory, port).await?;
        Ok(())
    }

    /// Disconnects all clients and stops the server.
    pub async fn stop(self) {
        if let Some(server) = self.server {
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
    async fn a_failed_server_is_restarted_on_its_port_and_stays_down_when_it_fails_again() {
        let directory = tempfile::tempdir().unwrap();
        let (mut embedded, problem) = OptionalServer::start(directory.path(), Some(0)).await;
        assert_eq!(problem, None);
        let port = embedded.port().unwrap();
        for restarted in [Ok(()), Err(AppProblem::EmbeddedFailed)] {
            embedded.server.as_ref().unwrap().break_timer();
            timeout(Duration::from_secs(20), embedded.failed()).await.unwrap();
            assert_eq!(embedded.restart().await, restarted);
            assert_eq!(embedded.port(), restarted.is_ok().then_some(port));
            assert_eq!(TcpStream::connect(("127.0.0.1", port)).await.is_ok(), restarted.is_ok());
        }
        assert_eq!(embedded.view(), None);
        assert_eq!(embedded.share(true).await, Err(AppProblem::EmbeddedFailed));
    }
}
