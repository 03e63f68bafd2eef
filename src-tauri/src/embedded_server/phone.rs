//! Phones have no embedded server: their systems stop apps in the background.

use std::path::Path;

use hutong_core::host_messages::{AppProblem, EmbeddedServerView};
use hutong_protocol::Secret;

/// Uninhabited: no value exists on phones.
#[derive(Debug)]
pub enum EmbeddedServer {}

impl EmbeddedServer {
    /// Returns `None`.
    ///
    /// # Errors
    ///
    /// None.
    pub async fn start(_directory: &Path, _wanted: Option<u16>) -> Result<Option<Self>, AppProblem> {
        Ok(None)
    }

    /// The port that it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        match *self {}
    }

    /// The server's state for the page.
    #[must_use]
    pub fn view(&self) -> EmbeddedServerView {
        match *self {}
    }

    /// Opens the server to the network, or closes it again.
    ///
    /// # Errors
    ///
    /// None.
    pub async fn share(&mut self, _on: bool) -> Result<(), AppProblem> {
        match *self {}
    }

    /// The access key that logins require, if any.
    #[must_use]
    pub fn access_key(&self) -> Option<&Secret> {
        match *self {}
    }

    /// Stores a new access key, or removes it.
    ///
    /// # Errors
    ///
    /// None.
    pub async fn store_access_key(&mut self, _on: bool) -> Result<(), AppProblem> {
        match *self {}
    }

    /// Requires the stored access key of all logins.
    pub async fn apply_access_key(&self) {
        match *self {}
    }

    /// Checks this computer's addresses and the certificate for changes.
    pub async fn refresh(&mut self) -> bool {
        match *self {}
    }

    /// Waits until the server has failed.
    pub async fn failed(&self) {
        match *self {}
    }

    /// Stops the server.
    pub async fn stop(self) {
        match self {}
    }
}
