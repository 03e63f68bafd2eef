//! What the person chose, in a file of the app's data directory.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use hutong_core::app::AppProblem;
use serde::{Deserialize, Serialize};

use crate::{
    address::Address,
    invitation::Invitation,
    tls::{Fingerprint, Trust},
};

/// What the person chose. Fields that an older app did not know come with their defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Which server the client uses.
    pub server: Choice,
    /// Whether the embedded server is open to the network.
    pub share: bool,
    /// The port that the embedded server wants; `None` for the usual one.
    pub port: Option<u16>,
    /// The keys of the own network's servers, by host and port: each as it was met first.
    pub known_servers: BTreeMap<String, Fingerprint>,
    /// The keys that invitations told, by host and port: each once a server has shown that it has it.
    pub pinned_servers: BTreeMap<String, Fingerprint>,
}

impl Settings {
    /// What is known of the key of the server at this address.
    #[must_use]
    pub fn trust(&self, address: &Address) -> Trust {
        let authority = address.authority();
        match (self.pinned_servers.get(&authority), self.known_servers.get(&authority)) {
            (Some(key), _) => Trust::Pinned(key.clone()),
            (None, Some(key)) => Trust::Met(key.clone()),
            (None, None) => Trust::Unknown,
        }
    }

    /// The server there is what an invitation said. Says whether that is new.
    pub fn pin(&mut self, address: &Address, key: &Fingerprint) -> bool {
        let authority = address.authority();
        let met = self.known_servers.remove(&authority).is_some();
        let before = self.pinned_servers.insert(authority, key.clone());
        met || before.as_ref() != Some(key)
    }
}

/// Which server the client uses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Choice {
    /// The one inside this app; on a phone, which has none, none yet.
    #[default]
    Embedded,
    /// Another one.
    Other {
        /// The address in its normal form, with the key that an invitation told.
        address: String,
    },
}

impl Choice {
    /// What is wrong with it: a file edited by hand, or by an older app, may hold anything.
    #[must_use]
    pub fn problem(&self) -> Option<AppProblem> {
        match self {
            Self::Embedded => None,
            Self::Other { address } => Invitation::parse(address).err(),
        }
    }
}

/// The settings' file.
#[derive(Clone, Debug)]
pub struct File {
    path: PathBuf,
}

impl File {
    /// The settings' file in this directory.
    #[must_use]
    pub fn within(directory: &Path) -> Self {
        Self { path: directory.join("settings.json") }
    }

    /// Reads the settings. Where there are none, they are the defaults; where they are broken too, and the broken file is
    /// kept aside, since somebody may have edited it.
    #[must_use]
    pub fn read(&self) -> Settings {
        let text = match fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Settings::default(),
            Err(error) => {
                tracing::warn!(%error, "the settings cannot be read");
                return Settings::default();
            }
        };
        match serde_json::from_slice(&text) {
            Ok(settings) => settings,
            Err(error) => {
                let aside = self.path.with_extension("broken.json");
                let kept = fs::rename(&self.path, &aside).is_ok();
                tracing::warn!(%error, kept, "the settings are broken, and the defaults are taken");
                Settings::default()
            }
        }
    }

    /// Writes the settings: all of them or, when something goes wrong, none.
    ///
    /// # Errors
    ///
    /// What the disk says.
    pub fn write(&self, settings: &Settings) -> io::Result<()> {
        if let Some(directory) = self.path.parent() {
            fs::create_dir_all(directory)?;
        }
        let draft = self.path.with_extension("new.json");
        let mut file = fs::File::create(&draft)?;
        file.write_all(&serde_json::to_vec_pretty(settings)?)?;
        file.sync_all()?;
        drop(file);
        fs::rename(&draft, &self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> Settings {
        Settings {
            server: Choice::Other { address: "https://192.168.1.20:8017".into() },
            share: true,
            port: Some(9000),
            known_servers: [("192.168.1.20:8017".to_owned(), Fingerprint::of(b"a key"))].into(),
            pinned_servers: [("192.168.1.21:8017".to_owned(), Fingerprint::of(b"another key"))].into(),
        }
    }

    #[test]
    fn settings_are_read_as_they_were_written() {
        let directory = tempfile::tempdir().unwrap();
        let file = File::within(&directory.path().join("not/there/yet"));
        assert_eq!(file.read(), Settings::default());
        for settings in [some(), Settings::default()] {
            file.write(&settings).unwrap();
            assert_eq!(file.read(), settings);
        }
    }

    #[test]
    fn a_broken_file_gives_the_defaults_and_is_kept_aside() {
        for broken in ["", "{", "7", r#"{"server":{"is":"moon"}}"#, r#"{"share":"yes"}"#, "\u{0}\u{1}"] {
            let directory = tempfile::tempdir().unwrap();
            let file = File::within(directory.path());
            fs::write(directory.path().join("settings.json"), broken).unwrap();
            assert_eq!(file.read(), Settings::default(), "{broken:?}");
            assert_eq!(fs::read_to_string(directory.path().join("settings.broken.json")).unwrap(), broken);
            file.write(&some()).unwrap();
            assert_eq!(file.read(), some());
        }
    }

    #[test]
    fn what_is_missing_or_unknown_does_no_harm() {
        let directory = tempfile::tempdir().unwrap();
        let file = File::within(directory.path());
        fs::write(directory.path().join("settings.json"), r#"{"share":true,"colour":"red"}"#).unwrap();
        assert_eq!(file.read(), Settings { share: true, ..Settings::default() });
    }

    #[test]
    fn a_pin_counts_before_a_key_that_was_met() {
        let mut settings = some();
        let address = Address::parse("192.168.1.20").unwrap();
        let key = Fingerprint::of(b"a key");
        assert_eq!(settings.trust(&address), Trust::Met(key.clone()));
        assert!(settings.pin(&address, &key));
        assert!(!settings.pin(&address, &key));
        assert_eq!(settings.trust(&address), Trust::Pinned(key));
        assert_eq!(settings.trust(&Address::parse("calls.example").unwrap()), Trust::Unknown);
    }

    #[test]
    fn a_directory_that_cannot_be_written_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let in_the_way = directory.path().join("file");
        fs::write(&in_the_way, "").unwrap();
        assert!(File::within(&in_the_way).write(&some()).is_err());
    }
}
