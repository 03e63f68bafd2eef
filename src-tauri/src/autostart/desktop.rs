//! A desktop's: a file in `~/.config/autostart` on Linux, a launch agent on macOS, a value of the registry on Windows.

use std::path::Path;

use tauri::AppHandle;
use tauri_plugin_autostart::ManagerExt;

use crate::profile::Profile;

/// What the app is called in the system's list.
const NAME: &str = "Hutong";

/// The system's own list of what it starts. Its functions read and write files.
#[derive(Clone, Debug)]
pub struct Autostart(AppHandle);

impl Autostart {
    /// Makes ready what reads and writes the list, and changes nothing in it. `None` where the program's path or the profile's
    /// directory cannot be written into the list: then there is nothing to choose.
    ///
    /// # Errors
    ///
    /// Where the program does not know its own path.
    pub fn prepare(app: &AppHandle, profile: Option<&Profile>) -> tauri::Result<Option<Self>> {
        let program = std::env::var_os("APPIMAGE").map_or_else(std::env::current_exe, |image| Ok(image.into()))?;
        if cfg!(target_os = "linux") && !is_plain(&program) {
            return Ok(None);
        }
        let mut plugin = tauri_plugin_autostart::Builder::new().app_name(NAME);
        if let Some(profile) = profile {
            let Some(directory) = written(profile.directory()) else { return Ok(None) };
            plugin = plugin.app_name(format!("{NAME}-{}", profile.id())).arg("--profile").arg(directory);
        }
        app.plugin(plugin.build())?;
        Ok(Some(Self(app.clone())))
    }

    /// Whether the system starts the app.
    #[must_use]
    pub fn is_on(&self) -> bool {
        let asked = self.0.autolaunch().is_enabled();
        asked.inspect_err(|error| tracing::warn!(%error, "the system does not say what it starts")).unwrap_or(false)
    }

    /// Has the system start the app, or not.
    ///
    /// # Errors
    ///
    /// What the system says.
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

/// Whether a path means itself in a desktop entry's `Exec` without quotes, which the library puts around none.
fn is_plain(program: &Path) -> bool {
    program.to_str().is_some_and(|text| text.chars().all(|c| c.is_alphanumeric() || "/._-+@".contains(c)))
}

/// A directory as an argument in the list, where the library that writes it puts no quotes.
fn written(directory: &Path) -> Option<String> {
    let text = directory.to_str().filter(|text| !text.contains(char::is_control))?;
    if cfg!(target_os = "macos") {
        // An element of a property list.
        Some(text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"))
    } else if cfg!(windows) {
        // A file's name holds no quote there, and no directory is given with a last backslash.
        Some(format!("\"{text}\""))
    } else {
        Some(quoted_for_exec(text))
    }
}

/// Desktop Entry Specification, "The Exec key": in quotes, with a backslash before what a shell would read, which a string's
/// own rules double; and a percent sign is a field code unless it is two.
fn quoted_for_exec(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '\\' => quoted.push_str("\\\\\\\\"),
            '"' | '`' | '$' => {
                quoted.push_str("\\\\");
                quoted.push(c);
            }
            '%' => quoted.push_str("%%"),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_whose_path_wants_quotes_is_not_offered_to_the_system() {
        for (path, plain) in [
            ("/usr/bin/hutong-app", true),
            ("/home/小明/Hutong_0.1.0_amd64.AppImage", true),
            ("/home/ana/My Apps/Hutong.AppImage", false),
            ("/home/ana/100%/Hutong.AppImage", false),
            ("/home/ana/$x/Hutong.AppImage", false),
        ] {
            assert_eq!(is_plain(Path::new(path)), plain, "{path}");
        }
    }

    #[test]
    fn a_directory_is_one_argument_whatever_it_is_called() {
        for (path, expected) in [
            ("/home/ana/two words", r#""/home/ana/two words""#),
            ("/home/ana/小明", r#""/home/ana/小明""#),
            ("/a$b`c\"d", r#""/a\\$b\\`c\\"d""#),
            ("/a\\b", r#""/a\\\\b""#),
            ("/100%u", r#""/100%%u""#),
        ] {
            assert_eq!(quoted_for_exec(path), expected);
        }
        assert_eq!(written(Path::new("/two\nlines")), None);
    }
}
