//! Phones run no server: their systems stop what runs in the background.

use std::path::Path;

use hutong_core::app::{AppProblem, Embedded};

/// No server.
#[derive(Debug)]
pub enum EmbeddedServer {}

impl EmbeddedServer {
    /// There is none, and that is no problem.
    ///
    /// # Errors
    ///
    /// None.
    pub async fn start(_directory: &Path, _wanted: Option<u16>) -> Result<Option<Self>, AppProblem> {
        Ok(None)
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        match *self {}
    }

    /// What the interface shows of it.
    #[must_use]
    pub fn view(&self) -> Embedded {
        match *self {}
    }

    /// Opens it to the network, or closes it.
    ///
    /// # Errors
    ///
    /// None.
    pub async fn share(&mut self, _on: bool) -> Result<(), AppProblem> {
        match *self {}
    }

    /// Looks for new addresses.
    pub async fn refresh(&mut self) -> bool {
        match *self {}
    }

    /// Waits until it has stopped by itself.
    pub async fn failed(&self) {
        match *self {}
    }

    /// Ends it.
    pub async fn stop(self) {
        match self {}
    }
}
