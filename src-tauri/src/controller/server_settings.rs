//! The controller's settings: the client's server, known server keys, and their changes and storage.

use std::path::Path;

use hutong_core::host_messages::{AppProblem, ServerChoice, WhenClosed};

use crate::{
    address::ServerAddress,
    call_link::CallLink,
    invitation::Invitation,
    server_link::ServerTarget,
    settings::{LinkOffer, SavedServer, Settings, SettingsFile, SettingsRead},
    tls::{KeyFingerprint, KeyTrust},
};

/// The current settings, their file, and the embedded server's port.
#[derive(Debug)]
pub struct ServerSettings {
    file: SettingsFile,
    storage: Storage,
    settings: Settings,
    /// The embedded server's port, if it runs.
    embedded: Option<u16>,
}

/// Whether changes are written to the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Storage {
    Writable,
    /// No: the file holds what this app could not read. The problem is the answer to each change.
    Blocked(AppProblem),
}

impl ServerSettings {
    /// Reads the settings in this data directory, without an embedded server. Returns the problem of an unreadable file too:
    /// [`AppProblem::SettingsUnreadable`] or [`AppProblem::SettingsNewer`].
    #[must_use]
    pub fn read(directory: &Path) -> (Self, Option<AppProblem>) {
        let file = SettingsFile::in_directory(directory);
        let read = file.read();
        let (storage, problem) = match &read {
            SettingsRead::Usable(_) => (Storage::Writable, None),
            SettingsRead::SetAside => (Storage::Writable, Some(AppProblem::SettingsUnreadable)),
            SettingsRead::Unreadable => (Storage::Blocked(AppProblem::NotSaved), Some(AppProblem::SettingsUnreadable)),
            SettingsRead::Newer => (Storage::Blocked(AppProblem::SettingsNewer), Some(AppProblem::SettingsNewer)),
        };
        (Self { file, storage, settings: read.into_settings(), embedded: None }, problem)
    }

    /// The settings.
    #[must_use]
    pub const fn stored(&self) -> &Settings {
        &self.settings
    }

    /// Sets the port of the running embedded server; stores it in the settings if `keep`.
    pub fn set_embedded_port(&mut self, port: u16, keep: bool) {
        self.embedded = Some(port);
        if keep {
            self.settings.port = Some(port);
        }
    }

    /// Sets whether the embedded server is open to the network.
    pub fn set_share(&mut self, on: bool) {
        self.settings.share = on;
    }

    /// Sets what closing the window does while there is no call.
    pub fn set_when_closed(&mut self, to: WhenClosed) {
        self.settings.when_closed = to;
    }

    /// Notes that the person has answered the offer to open links.
    pub fn answer_link_offer(&mut self) {
        self.settings.link_offer = LinkOffer::Answered;
    }

    /// Writes the settings.
    ///
    /// # Errors
    ///
    /// [`AppProblem::NotSaved`] when the file cannot be written, or holds what could not be read;
    /// [`AppProblem::SettingsNewer`] when a newer app has written it.
    pub async fn save(&self) -> Result<(), AppProblem> {
        if let Storage::Blocked(problem) = self.storage {
            return Err(problem);
        }
        let (file, settings) = (self.file.clone(), self.settings.clone());
        let written = tokio::task::spawn_blocking(move || file.write(&settings)).await;
        written.map_err(std::io::Error::other).and_then(|written| written).map_err(|error| {
            tracing::warn!(%error, "saving the settings failed; changes are lost when the app exits");
            AppProblem::NotSaved
        })
    }

    /// The server that the client uses.
    #[must_use]
    pub fn target(&self) -> Option<ServerTarget> {
        match &self.settings.server {
            SavedServer::Embedded => {
                Some(ServerTarget { address: ServerAddress::embedded(self.embedded?), trust: KeyTrust::Unknown })
            }
            // A stored address may be invalid; then there is no server until the person enters one.
            SavedServer::Other { address } => {
                let Invitation { address, key, .. } = Invitation::parse(address).ok()?;
                let trust = key.map_or_else(|| self.settings.trust(&address), KeyTrust::Pinned);
                Some(ServerTarget { address, trust })
            }
        }
    }

    /// The address of the server that the client uses.
    #[must_use]
    pub fn current_address(&self) -> Option<ServerAddress> {
        self.target().map(|target| target.address)
    }

    /// Sets the server.
    pub fn choose(&mut self, choice: SavedServer) {
        self.settings.server = choice;
    }

    /// Forgets a key that was trusted on first use: the person has entered the address again, and accepts the server's
    /// current key. A key from an invitation stays until another invitation replaces it.
    pub fn forget_key(&mut self, address: &ServerAddress) {
        self.settings.known_servers.remove(&address.authority());
    }

    /// Whether a call link contains another key than the known one of its server. Links are untrusted and never replace a
    /// key.
    #[must_use]
    pub fn has_key_conflict(&self, link: &CallLink) -> bool {
        let known = match self.target() {
            // The server in use: its invitation's key counts before the server has proved that it holds it.
            Some(target) if target.address == link.server => target.trust,
            _ => self.settings.trust(&link.server),
        };
        link.key.as_ref().is_some_and(|key| known.key().is_some_and(|known| known != key))
    }

    /// Stores the key of the current server's invitation, after the server has proved that it holds it. Returns whether
    /// the settings changed.
    pub fn store_pinned_key(&mut self) -> bool {
        match self.target() {
            Some(ServerTarget { address, trust: KeyTrust::Pinned(key) }) => self.settings.pin(&address, &key),
            _ => false,
        }
    }

    /// Stores the current server's key, trusted on first use. Returns whether there is a current server.
    pub fn store_first_use_key(&mut self, key: KeyFingerprint) -> bool {
        let Some(target) = self.target() else { return false };
        self.settings.known_servers.insert(target.address.authority(), key);
        true
    }

    /// The problem to show when the current server presented another key than the known one.
    #[must_use]
    pub fn key_mismatch_problem(&self) -> AppProblem {
        match self.target().map(|target| target.trust) {
            Some(KeyTrust::Pinned(_)) => AppProblem::ServerKeyWrong,
            _ => AppProblem::ServerKeyChanged,
        }
    }

    /// The choice of server for the page. The address contains a key from an invitation, so that entering it again gives
    /// the same server; it contains no key trusted on first use.
    #[must_use]
    pub fn choice(&self) -> ServerChoice {
        match (&self.settings.server, self.embedded) {
            (SavedServer::Other { address }, _) => ServerChoice::Other {
                address: self.target().map_or_else(
                    || address.clone(),
                    |target| match &target.trust {
                        KeyTrust::Pinned(key) => invitation(&target, Some(key)),
                        KeyTrust::Unknown | KeyTrust::FirstUse(_) => invitation(&target, None),
                    },
                ),
            },
            (SavedServer::Embedded, Some(_)) => ServerChoice::Embedded,
            (SavedServer::Embedded, None) => ServerChoice::None,
        }
    }

    /// The invitation to the current server, for other people; `None` for the embedded server, whose addresses are in its
    /// view.
    #[must_use]
    pub fn invitation(&self) -> Option<String> {
        match &self.settings.server {
            SavedServer::Embedded => None,
            SavedServer::Other { .. } => self.target().map(|target| invitation(&target, target.trust.key())),
        }
    }
}

fn invitation(target: &ServerTarget, key: Option<&KeyFingerprint>) -> String {
    // A plain address has no key, even if one is known from TLS on the same port.
    let key = key.filter(|_| target.address.secure()).cloned();
    Invitation { address: target.address.clone(), key, access_key: None }.to_string()
}

#[cfg(test)]
mod tests {
    use hutong_protocol::Name;

    use super::*;

    const ADDRESS: &str = "https://192.168.1.20:8017";

    fn key(seed: &str) -> KeyFingerprint {
        KeyFingerprint::of(seed.as_bytes())
    }

    fn with_key(seed: &str) -> String {
        Invitation::new(ServerAddress::parse(ADDRESS).unwrap(), Some(key(seed))).unwrap().to_string()
    }

    fn link(seed: &str) -> CallLink {
        let name = Name::new("Ana").unwrap();
        CallLink { name, server: ServerAddress::parse(ADDRESS).unwrap(), key: Some(key(seed)) }
    }

    /// Settings of a new data directory.
    fn settings_with(choice: SavedServer) -> ServerSettings {
        let directory = tempfile::tempdir().unwrap();
        let (mut settings, problem) = ServerSettings::read(directory.path());
        assert_eq!(problem, None);
        settings.choose(choice);
        settings
    }

    fn other(address: &str) -> SavedServer {
        SavedServer::Other { address: address.to_owned() }
    }

    #[test]
    fn the_embedded_server_is_the_target_when_it_runs() {
        let mut settings = settings_with(SavedServer::Embedded);
        assert!(settings.target().is_none());
        assert_eq!(settings.choice(), ServerChoice::None);
        settings.set_embedded_port(9000, true);
        assert_eq!(settings.current_address(), Some(ServerAddress::embedded(9000)));
        assert_eq!((settings.choice(), settings.invitation()), (ServerChoice::Embedded, None));
        assert_eq!(settings.stored().port, Some(9000));
    }

    #[test]
    fn the_address_shows_a_pinned_key_and_the_invitation_any_known_key() {
        let shown = |settings: &ServerSettings| (settings.choice(), settings.invitation());
        let choice = |address: &str| ServerChoice::Other { address: address.to_owned() };
        let mut first_use = settings_with(other(ADDRESS));
        assert_eq!(shown(&first_use), (choice(ADDRESS), Some(ADDRESS.to_owned())));
        assert!(first_use.store_first_use_key(key("first")));
        assert_eq!(shown(&first_use), (choice(ADDRESS), Some(with_key("first"))));
        assert_eq!(first_use.key_mismatch_problem(), AppProblem::ServerKeyChanged);
        let pinned = settings_with(other(&with_key("pinned")));
        assert_eq!(shown(&pinned), (choice(&with_key("pinned")), Some(with_key("pinned"))));
        assert_eq!(pinned.key_mismatch_problem(), AppProblem::ServerKeyWrong);
        let invalid = settings_with(other("two words"));
        assert_eq!(shown(&invalid), (choice("two words"), None));
    }

    #[test]
    fn an_invitations_key_is_stored_once_and_survives_entering_the_address() {
        let mut settings = settings_with(other(&with_key("pinned")));
        assert!(settings.stored().pinned_servers.is_empty());
        assert!(settings.store_pinned_key());
        assert!(!settings.store_pinned_key(), "the same key was stored again");
        assert_eq!(settings.stored().trust(&ServerAddress::parse(ADDRESS).unwrap()), KeyTrust::Pinned(key("pinned")));
        settings.forget_key(&ServerAddress::parse(ADDRESS).unwrap());
        settings.choose(other(ADDRESS));
        assert_eq!(settings.target().map(|target| target.trust), Some(KeyTrust::Pinned(key("pinned"))));
    }

    #[tokio::test]
    async fn a_file_that_could_not_be_read_is_never_overwritten() {
        let newer = r#"{"version":1000,"share":"soon"}"#;
        let (unreadable, not_saved) = (AppProblem::SettingsUnreadable, AppProblem::NotSaved);
        for (text, names_taken, problem, saved) in [
            (newer, false, AppProblem::SettingsNewer, Err(AppProblem::SettingsNewer)),
            ("half a fi", true, unreadable, Err(not_saved)),
            ("half a fi", false, unreadable, Ok(())),
        ] {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("settings.json");
            std::fs::write(&path, text).unwrap();
            for number in (1..=20).filter(|_| names_taken) {
                std::fs::write(directory.path().join(format!("settings.json.unreadable-{number}")), "").unwrap();
            }
            let (mut settings, found) = ServerSettings::read(directory.path());
            assert_eq!(found, Some(problem), "{text}");
            assert_eq!(settings.stored(), &Settings::default());
            settings.set_share(true);
            assert_eq!(settings.save().await, saved, "{text}");
            let kept = if saved.is_ok() { directory.path().join("settings.json.unreadable-1") } else { path };
            assert_eq!(std::fs::read_to_string(kept).unwrap(), text);
        }
    }

    #[test]
    fn a_link_conflicts_with_a_stored_key_or_the_current_invitations_key() {
        let mut settings = settings_with(other("https://calls.example"));
        assert!(!settings.has_key_conflict(&link("link")), "no key is known");
        settings.choose(other(&with_key("invitation")));
        assert!(settings.has_key_conflict(&link("link")));
        assert!(!settings.has_key_conflict(&link("invitation")));
        assert!(!settings.has_key_conflict(&CallLink { key: None, ..link("link") }));
        assert!(settings.store_pinned_key());
        settings.choose(SavedServer::Embedded);
        assert!(settings.has_key_conflict(&link("link")));
    }
}
