//! The desktop's autostart entry: a file in `~/.config/autostart` on Linux, a launch agent on macOS, a registry value on
//! Windows.

use std::path::Path;

use tauri::AppHandle;
use tauri_plugin_autostart::ManagerExt;

use crate::{
    arguments::HIDDEN,
    desktop_entry::{self, quoted_for_exec},
    profile::Profile,
};

/// The name of the app's autostart entry.
const NAME: &str = "Hutong";

/// Reads and changes the app's entry in the system's autostart list. Its methods block on file I/O.
#[derive(Clone, Debug)]
pub struct Autostart(AppHandle);

impl Autostart {
    /// Registers the autostart plugin; changes no entry. Returns `None` when the program's path or the profile's
    /// directory cannot be written into an entry: the plugin does not quote them.
    ///
    /// # Errors
    ///
    /// When the program's path is unknown, or the plugin does not start.
    pub fn prepare(app: &AppHandle, profile: Option<&Profile>) -> tauri::Result<Option<Self>> {
        let program = desktop_entry::program()?;
        if cfg!(target_os = "linux") && !needs_no_quotes(&program) {
            return Ok(None);
        }
        let mut plugin = tauri_plugin_autostart::Builder::new().app_name(NAME).arg(HIDDEN);
        if let Some(profile) = profile {
            let Some(directory) = entry_argument(profile.directory()) else { return Ok(None) };
            plugin = plugin.app_name(format!("{NAME}-{}", profile.id())).arg("--profile").arg(directory);
        }
        app.plugin(plugin.build())?;
        Ok(Some(Self(app.clone())))
    }

    /// Whether the entry exists; `false` when the list cannot be read.
    #[must_use]
    pub fn is_on(&self) -> bool {
        let enabled = self.0.autolaunch().is_enabled();
        enabled
            .inspect_err(
                |error| tracing::warn!(%error, "cannot read the autostart list; the switch shows autostart as off"),
            )
            .unwrap_or(false)
    }

    /// Adds or removes the entry.
    ///
    /// # Errors
    ///
    /// The system's error message when the entry cannot be written.
    pub fn set(&self, on: bool) -> Result<(), String> {
        let list = self.0.autolaunch();
        let set = if on {
            list.enable()
        } else if self.is_on() {
            list.disable()
        } else {
            Ok(())
        };
        set.map_err(|error| error.to_string())
    }
}

/// Whether a path can stand unquoted in a desktop entry's `Exec` key: the plugin does not quote it.
fn needs_no_quotes(program: &Path) -> bool {
    program.to_str().is_some_and(|text| text.chars().all(|c| c.is_alphanumeric() || "/._-+@".contains(c)))
}

/// A directory as an argument in the platform's autostart entry, escaped because the plugin does not. `None` for paths
/// that are not UTF-8 or contain control characters.
fn entry_argument(directory: &Path) -> Option<String> {
    let text = directory.to_str().filter(|text| !text.contains(char::is_control))?;
    if cfg!(target_os = "macos") {
        // XML text in a property list.
        Some(text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"))
    } else if cfg!(windows) {
        // File names contain no quotes on Windows, and profile directories have no trailing backslash.
        Some(format!("\"{text}\""))
    } else {
        Some(quoted_for_exec(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn program_paths_that_need_quotes_are_detected() {
        for (path, expected) in [
            ("/usr/bin/hutong-app", true),
            ("/home/小明/Hutong_0.1.0_amd64.AppImage", true),
            ("/home/ana/My Apps/Hutong.AppImage", false),
            ("/home/ana/100%/Hutong.AppImage", false),
            ("/home/ana/$x/Hutong.AppImage", false),
        ] {
            assert_eq!(needs_no_quotes(Path::new(path)), expected, "{path}");
        }
    }

    #[test]
    fn directories_are_quoted_unless_they_contain_control_characters() {
        assert_eq!(entry_argument(Path::new("/two\nlines")), None);
        if cfg!(target_os = "linux") {
            assert_eq!(entry_argument(Path::new("/two words")).as_deref(), Some("\"/two words\""));
        }
    }
}
