//! A phone's: its system keeps one app of a kind, remembers no window's size, and shows no tray.

use std::path::Path;

use tauri::{App, AppHandle, Context, WebviewWindow};

use crate::{autostart::Autostart, controller::Control, links, profile::Profile};

/// Nothing is said when an app is started.
#[derive(Debug)]
pub struct Place;

impl Place {
    /// Here.
    ///
    /// # Errors
    ///
    /// None.
    pub fn here() -> Result<Self, String> {
        Ok(Self)
    }

    /// None: the system keeps one place for the app.
    #[must_use]
    pub fn profile(&self) -> Option<&Profile> {
        None
    }

    /// Whether another app has taken what this start was to do: a phone starts an app once.
    #[must_use]
    pub fn hand_over(&self) -> bool {
        false
    }

    /// Changes nothing.
    pub fn mark(&self, _context: &mut Context) {}
}

/// Nothing to begin with.
///
/// # Errors
///
/// None.
pub fn begin(_app: &App, _place: &Place, _directory: &Path) -> tauri::Result<Option<Autostart>> {
    Ok(None)
}

/// Hears of links that are opened.
///
/// # Errors
///
/// Where the system does not tell of them.
pub fn keep(
    _window: &WebviewWindow,
    control: &Control,
    app: &App,
    _place: &Place,
    _directory: &Path,
) -> tauri::Result<()> {
    links::hear(app.handle(), control)
}

/// The system shows it.
pub fn show(_app: &AppHandle) {}
