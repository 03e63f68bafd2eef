//! Settings: what the person chose and the known server keys, stored as JSON in the data directory.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use hutong_core::host_messages::AppProblem;
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

/// The settings file.
#[derive(Clone, Debug)]
pub struct SettingsFile {
    path: PathBuf,
}

impl SettingsFile {
    /// The settings file in this data directory.
    #[must_use]
    pub fn in_directory(directory: &Path) -> Self {
        Self { path: directory.join("settings.json") }
    }

    /// Reads the settings. A missing or unreadable file gives the defaults. An invalid file too; it is renamed to
    /// `settings.broken.json`, so that manual edits are not lost.
    #[must_use]
    pub fn read(&self) -> Settings {
        let text = match fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Settings::default(),
            Err(error) => {
                tracing::warn!(%error, "reading the settings failed; using the defaults");
                return Settings::default();
            }
        };
        match serde_json::from_slice(&text) {
            Ok(settings) => settings,
            Err(error) => {
                let backup = self.path.with_extension("broken.json");
                let backed_up = fs::rename(&self.path, &backup).is_ok();
                tracing::warn!(%error, backed_up, "settings file invalid; using the defaults");
                Settings::default()
            }
        }
    }

    /// Writes the settings atomically, by renaming a temporary file.
    ///
    /// # Errors
    ///
    /// When writing or renaming fails; the old file stays.
    pub fn write(&self, settings: &Settings) -> io::Result<()> {
        if let Some(directory) = self.path.parent() {
            fs::create_dir_all(directory)?;
        }
        let temporary = self.path.with_extension("new.json");
        let mut file = fs::File::create(&temporary)?;
        file.write_all(&serde_json::to_vec_pretty(settings)?)?;
        file.sync_all()?;
        drop(file);
        fs::rename(&temporary, &self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Settings {
        Settings {
            server: SavedServer::Other { address: "https://192.168.1.20:8017".into() },
            share: true,
            port: Some(9000),
            known_servers: [("192.168.1.20:8017".to_owned(), KeyFingerprint::of(b"a key"))].into(),
            pinned_servers: [("192.168.1.21:8017".to_owned(), KeyFingerprint::of(b"another key"))].into(),
        }
    }

    #[test]
    fn written_settings_are_read_back() {
        let directory = tempfile::tempdir().unwrap();
        let file = SettingsFile::in_directory(&directory.path().join("not/there/yet"));
        assert_eq!(file.read(), Settings::default());
        for settings in [sample(), Settings::default()] {
            file.write(&settings).unwrap();
            assert_eq!(file.read(), settings);
        }
    }

    #[test]
    fn an_invalid_file_gives_the_defaults_and_is_renamed() {
        for broken in ["", "{", "7", r#"{"server":{"is":"moon"}}"#, r#"{"share":"yes"}"#, "\u{0}\u{1}"] {
            let directory = tempfile::tempdir().unwrap();
            let file = SettingsFile::in_directory(directory.path());
            fs::write(directory.path().join("settings.json"), broken).unwrap();
            assert_eq!(file.read(), Settings::default(), "{broken:?}");
            assert_eq!(fs::read_to_string(directory.path().join("settings.broken.json")).unwrap(), broken);
            file.write(&sample()).unwrap();
            assert_eq!(file.read(), sample());
        }
    }

    #[test]
    fn missing_fields_get_defaults_and_unknown_fields_are_ignored() {
        let directory = tempfile::tempdir().unwrap();
        let file = SettingsFile::in_directory(directory.path());
        fs::write(directory.path().join("settings.json"), r#"{"share":true,"colour":"red"}"#).unwrap();
        assert_eq!(file.read(), Settings { share: true, ..Settings::default() });
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
