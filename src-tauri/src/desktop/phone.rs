//! Phone variant of the desktop integration, with the same API: listens for call links (`hutong://`); the rest does nothing.

use std::path::Path;

use tauri::{App, Context, Manager, WebviewWindow};

use crate::{autostart::Autostart, controller::ControllerHandle, deep_links, launch::LaunchContext, profile::Profile};

/// Listens for call links; nothing else.
#[derive(Debug)]
pub struct DesktopIntegration;

impl DesktopIntegration {
    /// Nothing to prepare.
    ///
    /// # Errors
    ///
    /// None.
    pub fn prepare(_app: &App, _launch: &LaunchContext, _directory: &Path) -> tauri::Result<Self> {
        Ok(Self)
    }

    /// `None`: phones have no autostart.
    #[must_use]
    pub fn autostart(&self) -> Option<Autostart> {
        None
    }

    /// Listens for call links.
    ///
    /// # Errors
    ///
    /// When the plugin does not start.
    pub fn start(
        self,
        window: &WebviewWindow,
        control: &ControllerHandle,
        _launch: &LaunchContext,
        _directory: &Path,
    ) -> tauri::Result<()> {
        deep_links::listen(window.app_handle(), control)
    }
}

/// Does nothing: the system runs one instance.
pub fn forward_to_running_instance(_profile: Option<&Profile>) -> bool {
    false
}

/// Does nothing: there is one profile.
pub fn set_identifier(_context: &mut Context, _profile: Option<&Profile>) {}
