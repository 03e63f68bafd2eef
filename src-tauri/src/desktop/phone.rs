//! A phone: its system runs one app of a kind, remembers no window's size, and shows no tray.

use std::path::Path;

use tauri::{App, Context, Manager, WebviewWindow};

use crate::{autostart::Autostart, controller::Control, launch::LaunchContext, links, profile::Profile};

/// Has only links to listen for.
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

    /// None: a phone starts no apps by itself.
    #[must_use]
    pub fn autostart(&self) -> Option<Autostart> {
        None
    }

    /// Listens for links that the system opens.
    ///
    /// # Errors
    ///
    /// When the plugin does not start.
    pub fn start(
        self,
        window: &WebviewWindow,
        control: &Control,
        _launch: &LaunchContext,
        _directory: &Path,
    ) -> tauri::Result<()> {
        links::hear(window.app_handle(), control)
    }
}

/// Never: a phone starts an app once.
pub fn hand_over(_profile: Option<&Profile>) -> bool {
    false
}

/// Does nothing: a phone has one profile.
pub fn set_identifier(_context: &mut Context, _profile: Option<&Profile>) {}
