//! Settings: what the person chose and the known server keys, stored as JSON in the data directory.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use hutong_core::host_messages::{AppProblem, WhenClosed};
use hutong_durable_file as durable_file;
use serde::{Deserialize, Serialize};

use crate::{
    address::ServerAddress,
    invitation::Invitation,
    tls::{KeyFingerprint, KeyTrust},
};

/// The stored settings. Missing fields get their defaults, so older files remain readable.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// The server that the client uses.
    pub server: SavedServer,
    /// Whether the embedded server is open to the network.
    pub share: bool,
    /// The embedded server's port; `None` for the default one.
    pub port: Option<u16>,
    /// What closing the window does while there is no call.
    pub when_closed: WhenClosed,
    /// Whether the person has answered the offer to open `hutong:` links with this program.
    pub link_offer: LinkOffer,
    /// Keys that were trusted on first use, by host and port.
    pub known_servers: BTreeMap<String, KeyFingerprint>,
    /// Keys from invitations, by host and port; stored after a server has proved that it holds the key.
    pub pinned_servers: BTreeMap<String, KeyFingerprint>,
}

impl Settings {
    /// What is known about the key of the server at this address.
    #[must_use]
    pub fn trust(&self, address: &ServerAddress) -> KeyTrust {
        let authority = address.authority();
        match (self.pinned_servers.get(&authority), self.known_servers.get(&authority)) {
            (Some(key), _) => KeyTrust::Pinned(key.clone()),
            (None, Some(key)) => KeyTrust::FirstUse(key.clone()),
            (None, None) => KeyTrust::Unknown,
        }
    }

    /// Pins the key of the server at this address, in place of one trusted on first use. Returns whether that changed the
    /// settings.
    pub fn pin(&mut self, address: &ServerAddress, key: &KeyFingerprint) -> bool {
        let authority = address.authority();
        let removed = self.known_servers.remove(&authority).is_some();
        let before = self.pinned_servers.insert(authority, key.clone());
        removed || before.as_ref() != Some(key)
    }
}

/// The offer to open `hutong:` links with this program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkOffer {
    /// To be made.
    #[default]
    Open,
    /// Answered. The answer itself is in the desktop's list of applications.
    Answered,
}

/// The stored choice of server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum SavedServer {
    /// The server inside this app; on phones, which have none, no server yet.
    #[default]
    Embedded,
    /// Another server.
    Other {
        /// The address in its normal form, with the key of its invitation if there was one.
        address: String,
    },
}

impl SavedServer {
    /// The problem with the stored address, if it is invalid: the file may have been edited by hand or written by an
    /// older app.
    #[must_use]
    pub fn problem(&self) -> Option<AppProblem> {
        match self {
            Self::Embedded => None,
            Self::Other { address } => Invitation::parse(address).err(),
        }
    }
}

/// Version of the file's format. A higher one makes this app leave the file alone.
const FILE_VERSION: u32 = 1;

/// Unreadable settings files that are kept. When all names are taken, the settings are not written any more.
const MAX_UNREADABLE: usize = 8;

/// The settings file.
#[derive(Clone, Debug)]
pub struct SettingsFile {
    path: PathBuf,
}

/// What reading the settings file gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingsRead {
    /// The settings, or the defaults if there is no file yet.
    Usable(Settings),
    /// The file was invalid and now has another name. The defaults apply and may be written.
    SetAside,
    /// The file is unreadable, and could not be given another name. The defaults apply, and must not be written over it.
    Unreadable,
    /// A newer app has written the file. The defaults apply, and must not be written over it.
    Newer,
}

impl SettingsRead {
    /// The settings that apply.
    #[must_use]
    pub fn into_settings(self) -> Settings {
        match self {
            Self::Usable(settings) => settings,
            Self::SetAside | Self::Unreadable | Self::Newer => Settings::default(),
        }
    }
}

/// The settings as stored.
#[derive(Serialize)]
struct StoredSettings<'s> {
    version: u32,
    #[serde(flatten)]
    settings: &'s Settings,
}

/// The part of a file that every version has. The first files had none.
#[derive(Deserialize)]
struct StoredVersion {
    #[serde(default)]
    version: u32,
}

impl SettingsFile {
    /// The settings file in this data directory.
    #[must_use]
    pub fn in_directory(directory: &Path) -> Self {
        Self { path: directory.join("settings.json") }
    }

    /// Reads the settings. An invalid file is renamed to `settings.json.unreadable-1` (2, 3 …), so that what it holds, such as
    /// pinned keys, is never lost.
    #[must_use]
    pub fn read(&self) -> SettingsRead {
        let text = match fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return SettingsRead::Usable(Settings::default()),
            // It may be readable at the next start.
            Err(error) => {
                tracing::error!(%error, "settings file cannot be read; the defaults apply, and changes are not saved");
                return SettingsRead::Unreadable;
            }
        };
        // First, because a newer file may differ in everything else.
        if let Ok(StoredVersion { version }) = serde_json::from_slice(&text)
            && version > FILE_VERSION
        {
            tracing::error!(
                version,
                "a newer app has written the settings; the defaults apply, and changes are not saved"
            );
            return SettingsRead::Newer;
        }
        let error = match parse(&text) {
            Ok(settings) => return SettingsRead::Usable(settings),
            Err(error) => error,
        };
        match durable_file::set_aside(&self.path, "unreadable", MAX_UNREADABLE) {
            Ok(Some(kept)) => {
                tracing::error!(%error, kept = %kept.display(), "settings file invalid and renamed; the defaults apply");
                SettingsRead::SetAside
            }
            failed => {
                tracing::error!(
                    %error, ?failed,
                    "settings file invalid and not renamed; the defaults apply, and changes are not saved"
                );
                SettingsRead::Unreadable
            }
        }
    }

    /// Replaces the file durably.
    ///
    /// # Errors
    ///
    /// When a step fails; the file then has its old or its new content.
    pub fn write(&self, settings: &Settings) -> io::Result<()> {
        if let Some(directory) = self.path.parent() {
            fs::create_dir_all(directory)?;
        }
        let stored = StoredSettings { version: FILE_VERSION, settings };
        durable_file::replace(&self.path, &serde_json::to_vec_pretty(&stored)?)
    }
}

fn parse(text: &[u8]) -> serde_json::Result<Settings> {
    let _version: StoredVersion = serde_json::from_slice(text)?;
    serde_json::from_slice(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Settings {
        Settings {
            server: SavedServer::Other { address: "https://192.168.1.20:8017".into() },
            share: true,
            port: Some(9000),
            link_offer: LinkOffer::Answered,
            when_closed: WhenClosed::Stay,
            known_servers: [("192.168.1.20:8017".to_owned(), KeyFingerprint::of(b"a key"))].into(),
            pinned_servers: [("192.168.1.21:8017".to_owned(), KeyFingerprint::of(b"another key"))].into(),
        }
    }

    #[test]
    fn written_settings_are_read_back() {
        let directory = tempfile::tempdir().unwrap();
        let file = SettingsFile::in_directory(&directory.path().join("not/there/yet"));
        assert_eq!(file.read(), SettingsRead::Usable(Settings::default()));
        for settings in [sample(), Settings::default()] {
            file.write(&settings).unwrap();
            assert_eq!(file.read(), SettingsRead::Usable(settings));
        }
        let text = fs::read_to_string(directory.path().join("not/there/yet/settings.json")).unwrap();
        assert!(text.contains("\"version\": 1"), "{text}");
    }

    #[test]
    fn an_invalid_file_is_renamed_and_never_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("settings.json");
        let file = SettingsFile::in_directory(directory.path());
        file.write(&sample()).unwrap();
        let whole = fs::read_to_string(&path).unwrap();
        // Cut off and zeroed, as by a power cut in an app that did not sync, and edited by hand.
        let (half, zeros) = (&whole[..whole.len() / 2], "\u{0}".repeat(100));
        let invalid =
            ["", "{", "7", half, &zeros, r#"{"server":{"is":"moon"}}"#, r#"{"share":"yes"}"#, r#"{"version":"new"}"#];
        assert_eq!(invalid.len(), MAX_UNREADABLE);
        for (number, text) in (1..).zip(invalid) {
            fs::write(&path, text).unwrap();
            assert_eq!(file.read(), SettingsRead::SetAside, "{text:?}");
            file.write(&sample()).unwrap();
            assert_eq!(file.read(), SettingsRead::Usable(sample()));
            let kept = directory.path().join(format!("settings.json.unreadable-{number}"));
            assert_eq!(fs::read_to_string(kept).unwrap(), text);
        }
        fs::write(&path, "one too many").unwrap();
        assert_eq!(file.read(), SettingsRead::Unreadable);
        assert_eq!(fs::read_to_string(&path).unwrap(), "one too many");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), MAX_UNREADABLE + 1);
    }

    #[test]
    fn a_newer_file_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("settings.json");
        for text in [r#"{"version":2}"#, r#"{"version":7,"share":"with friends","server":[]}"#] {
            fs::write(&path, text).unwrap();
            assert_eq!(SettingsFile::in_directory(directory.path()).read(), SettingsRead::Newer);
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_stays() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("settings.json")).unwrap();
        assert_eq!(SettingsFile::in_directory(directory.path()).read(), SettingsRead::Unreadable);
        assert!(directory.path().join("settings.json").is_dir());
    }

    #[test]
    fn a_draft_that_a_power_cut_left_behind_is_ignored() {
        let directory = tempfile::tempdir().unwrap();
        let file = SettingsFile::in_directory(directory.path());
        file.write(&sample()).unwrap();
        fs::write(directory.path().join("settings.json.draft"), r#"{"version":1,"sha"#).unwrap();
        assert_eq!(file.read(), SettingsRead::Usable(sample()));
        file.write(&Settings::default()).unwrap();
        assert_eq!(file.read(), SettingsRead::Usable(Settings::default()));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn missing_fields_get_defaults_and_unknown_fields_are_ignored() {
        let directory = tempfile::tempdir().unwrap();
        let file = SettingsFile::in_directory(directory.path());
        fs::write(directory.path().join("settings.json"), r#"{"share":true,"colour":"red"}"#).unwrap();
        assert_eq!(file.read(), SettingsRead::Usable(Settings { share: true, ..Settings::default() }));
    }

    #[test]
    fn a_pinned_key_replaces_a_key_trusted_on_first_use() {
        let mut settings = sample();
        let address = ServerAddress::parse("192.168.1.20").unwrap();
        let key = KeyFingerprint::of(b"a key");
        assert_eq!(settings.trust(&address), KeyTrust::FirstUse(key.clone()));
        assert!(settings.pin(&address, &key));
        assert!(!settings.pin(&address, &key));
        assert_eq!(settings.trust(&address), KeyTrust::Pinned(key));
        assert_eq!(settings.trust(&ServerAddress::parse("calls.example").unwrap()), KeyTrust::Unknown);
    }

    #[test]
    fn writing_to_an_unusable_directory_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let not_a_directory = directory.path().join("file");
        fs::write(&not_a_directory, "").unwrap();
        assert!(SettingsFile::in_directory(&not_a_directory).write(&sample()).is_err());
    }
}
