//! The embedded server as the controller uses it: also where there is none.

use std::{future::pending, path::Path};

use hutong_core::app::{AppProblem, Embedded};

use crate::embedded_server::EmbeddedServer;

/// The embedded server, if it runs.
#[derive(Debug)]
pub struct OptionalServer(Option<EmbeddedServer>);

impl OptionalServer {
    /// Starts the server, and says what is wrong if it does not run though this system has one.
    pub async fn start(directory: &Path, port: Option<u16>) -> (Self, Option<AppProblem>) {
        match EmbeddedServer::start(directory, port).await {
            Ok(server) => (Self(server), None),
            Err(problem) => (Self(None), Some(problem)),
        }
    }

    /// The port that it listens on; the same until it stops.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.0.as_ref().map(EmbeddedServer::port)
    }

    /// What the page shows of it.
    #[must_use]
    pub fn view(&self) -> Option<Embedded> {
        self.0.as_ref().map(EmbeddedServer::view)
    }

    /// Opens it to the network, or closes it.
    ///
    /// # Errors
    ///
    /// Those of [`EmbeddedServer::share`], and [`AppProblem::EmbeddedFailed`] where there is none.
    pub async fn share(&mut self, on: bool) -> Result<(), AppProblem> {
        match &mut self.0 {
            Some(server) => server.share(on).await,
            None => Err(AppProblem::EmbeddedFailed),
        }
    }

    /// Reads the computer's addresses again. If anything changed that the page shows, returns whether the server has addresses now.
    pub async fn refresh(&mut self) -> Option<Reachable> {
        let server = self.0.as_mut()?;
        let changed = server.refresh().await;
        changed.then(|| Reachable(!server.view().addresses.is_empty()))
    }

    /// Waits until the server has stopped by itself, and drops it. Never ends where there is none.
    pub async fn failed(&mut self) {
        match &self.0 {
            Some(server) => server.failed().await,
            None => pending().await,
        }
        self.0 = None;
    }

    /// Disconnects everybody, and ends it.
    pub async fn stop(self) {
        if let Some(server) = self.0 {
            server.stop().await;
        }
    }
}

/// Whether others can reach the server under some address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reachable(pub bool);

#[cfg(all(test, desktop))]
mod tests {
    use std::time::Duration;

    use tokio::{net::TcpStream, time::timeout};

    use super::*;

    #[tokio::test]
    async fn a_server_that_has_stopped_by_itself_is_not_shown_any_more() {
        let directory = tempfile::tempdir().unwrap();
        let (mut embedded, problem) = OptionalServer::start(directory.path(), Some(0)).await;
        assert_eq!(problem, None);
        let port = embedded.port().unwrap();
        embedded.0.as_ref().unwrap().break_timer();
        timeout(Duration::from_secs(20), embedded.failed()).await.unwrap();
        assert_eq!((embedded.port(), embedded.view()), (None, None));
        assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err(), "the port is closed");
        assert_eq!(embedded.share(true).await, Err(AppProblem::EmbeddedFailed));
    }
}
