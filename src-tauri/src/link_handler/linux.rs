//! Linux: a desktop entry of the user, made the default application for the scheme by `GLib`, which edits `mimeapps.list`.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use gtk::{
    gio::{self, prelude::AppInfoExt},
    glib,
};
use hutong_durable_file as durable_file;

use super::RegisteredHandler;
use crate::{
    desktop_entry::{self, quoted_for_exec},
    profile::Profile,
};

/// The name of the entry. `GLib` removes only entries of this prefix, with their associations.
const ENTRY: &str = "userapp-hutong-links.desktop";

/// The MIME type that stands for the scheme (Shared MIME-info specification, section 2.13).
const SCHEME_TYPE: &str = "x-scheme-handler/hutong";

/// Registers this program for `hutong:` links of this user. Its methods block on file I/O.
#[derive(Clone, Debug)]
pub struct LinkHandler {
    entry: PathBuf,
    text: String,
}

impl LinkHandler {
    /// The handler of this program. `None` for a profile, because a link names none; in development; and when the program's
    /// path cannot be written into an entry.
    #[must_use]
    pub fn prepare(profile: Option<&Profile>) -> Option<Self> {
        if profile.is_some() || tauri::is_dev() {
            return None;
        }
        let entry = glib::user_data_dir().join("applications").join(ENTRY);
        Some(Self { entry, text: entry_text(&desktop_entry::program().ok()?)? })
    }

    /// Who opens the links. Rewrites this program's entry first if the program has moved: `GLib` ignores an entry whose program
    /// does not exist.
    #[must_use]
    pub fn registered(&self) -> RegisteredHandler {
        if fs::read_to_string(&self.entry).is_ok_and(|text| text != self.text)
            && let Err(error) = durable_file::replace(&self.entry, self.text.as_bytes())
        {
            tracing::warn!(%error, "cannot rewrite the entry for links; they open the program at its earlier place, or nothing");
        }
        match gio::AppInfo::default_for_type(SCHEME_TYPE, true) {
            Some(info) if info.id().as_deref() == Some(ENTRY) => RegisteredHandler::ThisProgram,
            Some(_) => RegisteredHandler::Another,
            None => RegisteredHandler::Nothing,
        }
    }

    /// Makes this program open the links, or removes its entry.
    ///
    /// # Errors
    ///
    /// When the entry or the list of default applications cannot be written.
    pub fn set(&self, on: bool) -> io::Result<()> {
        if on { self.register() } else { self.remove() }
    }

    fn register(&self) -> io::Result<()> {
        if let Some(directory) = self.entry.parent() {
            fs::create_dir_all(directory)?;
        }
        durable_file::replace(&self.entry, self.text.as_bytes())?;
        let info = gio::DesktopAppInfo::from_filename(&self.entry)
            .ok_or_else(|| io::Error::other("the desktop does not accept the entry"))?;
        info.set_as_default_for_type(SCHEME_TYPE).map_err(io::Error::other)
    }

    fn remove(&self) -> io::Result<()> {
        // Removing the entry alone would leave its name as the default.
        if self.registered() == RegisteredHandler::ThisProgram {
            gio::AppInfo::reset_type_associations(SCHEME_TYPE);
        }
        match gio::DesktopAppInfo::from_filename(&self.entry) {
            Some(info) if info.delete() => Ok(()),
            _ => match fs::remove_file(&self.entry) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            },
        }
    }
}

/// The desktop entry for this program. `None` for a path that is not UTF-8 or contains control characters.
fn entry_text(program: &Path) -> Option<String> {
    let program = program.to_str().filter(|text| !text.contains(char::is_control))?;
    // Not in menus: a program that is not installed has no place there. The startup notification brings the window to the front.
    Some(format!(
        "[Desktop Entry]\n\
         Type=Application\n\
         Name=Hutong\n\
         Name[zh]=互通\n\
         Exec={} %u\n\
         StartupNotify=true\n\
         StartupWMClass=hutong-app\n\
         Terminal=false\n\
         NoDisplay=true\n\
         MimeType={SCHEME_TYPE};\n",
        quoted_for_exec(program)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entry_starts_the_program_with_the_link() {
        let text = entry_text(Path::new("/home/ana/My Apps/Hutong 100%.AppImage")).unwrap();
        assert!(text.contains("\nExec=\"/home/ana/My Apps/Hutong 100%%.AppImage\" %u\n"), "{text}");
        assert!(
            text.contains("\nMimeType=x-scheme-handler/hutong;\n") && text.contains("\nNoDisplay=true\n"),
            "{text}"
        );
        assert_eq!(entry_text(Path::new("/two\nlines")), None, "a path must not add lines to the entry");
    }
}
