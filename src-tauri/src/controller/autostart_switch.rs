//! The switch "start with the system": what the system does now, and how the person changes it.

use hutong_core::app::AppProblem;
use tokio::task::spawn_blocking;

use crate::autostart::Autostart;

/// The system's list of what it starts, and what the list said last.
#[derive(Debug)]
pub struct AutostartSwitch {
    autostart: Option<Autostart>,
    is_on: Option<bool>,
}

impl AutostartSwitch {
    /// Reads the list, where there is one.
    pub async fn read(autostart: Option<Autostart>) -> Self {
        let is_on = read(autostart.clone()).await;
        Self { autostart, is_on }
    }

    /// Whether the system starts the app; `None` where that cannot be chosen.
    #[must_use]
    pub const fn is_on(&self) -> Option<bool> {
        self.is_on
    }

    /// Has the system start the app, or not.
    ///
    /// # Errors
    ///
    /// [`AppProblem::AutostartFailed`] when the system refuses.
    pub async fn set(&mut self, on: bool) -> Result<(), AppProblem> {
        let Some(autostart) = self.autostart.clone() else { return Ok(()) };
        let set = spawn_blocking(move || autostart.set(on)).await;
        let set = set.map_err(|error| error.to_string()).and_then(|set| set).map_err(|error| {
            tracing::warn!(%error, "changing the system's autostart list failed");
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
