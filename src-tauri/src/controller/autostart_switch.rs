//! The autostart switch: its current state and how it is changed. Runs the blocking [`Autostart`] methods on other threads.

use hutong_core::host_messages::AppProblem;
use tokio::task::spawn_blocking;

use crate::autostart::Autostart;

/// The autostart entry, if there can be one, and its last known state.
#[derive(Debug)]
pub struct AutostartSwitch {
    autostart: Option<Autostart>,
    is_on: Option<bool>,
}

impl AutostartSwitch {
    /// Reads the state of the entry.
    pub async fn read(autostart: Option<Autostart>) -> Self {
        let is_on = read(autostart.clone()).await;
        Self { autostart, is_on }
    }

    /// Whether autostart is on; `None` when it cannot be changed.
    #[must_use]
    pub const fn is_on(&self) -> Option<bool> {
        self.is_on
    }

    /// Switches autostart on or off.
    ///
    /// # Errors
    ///
    /// [`AppProblem::AutostartFailed`] when the entry cannot be changed.
    pub async fn set(&mut self, on: bool) -> Result<(), AppProblem> {
        let Some(autostart) = self.autostart.clone() else { return Ok(()) };
        let set = spawn_blocking(move || autostart.set(on)).await;
        let set = set.map_err(|error| error.to_string()).and_then(|set| set).map_err(|error| {
            tracing::warn!(%error, "cannot add or remove the autostart entry; the app shows an error");
            AppProblem::AutostartFailed
        });
        self.is_on = read(self.autostart.clone()).await;
        set
    }
}

async fn read(autostart: Option<Autostart>) -> Option<bool> {
    let autostart = autostart?;
    spawn_blocking(move || autostart.is_on()).await.ok()
}
