//! Which server the client uses, and what is known of servers' keys: the settings, as the controller changes and saves them.

use std::path::Path;

use hutong_core::app::{AppProblem, ServerChoice};

use crate::{
    address::Address,
    call_link::CallLink,
    invitation::Invitation,
    link::Target,
    settings::{Choice, File, Settings},
    tls::{Fingerprint, Trust},
};

/// The settings, with their file.
#[derive(Debug)]
pub struct Servers {
    file: File,
    settings: Settings,
    /// The embedded server's port, if there is such a server.
    embedded: Option<u16>,
}

impl Servers {
    /// Reads the settings in this directory. The embedded server does not run yet.
    #[must_use]
    pub fn read(directory: &Path) -> Self {
        let file = File::within(directory);
        let settings = file.read();
        Self { file, settings, embedded: None }
    }

    /// The settings.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The embedded server runs, on this port, which it is to keep from now on if `keeps`.
    pub fn embedded_on(&mut self, port: u16, keeps: bool) {
        self.embedded = Some(port);
        if keeps {
            self.settings.port = Some(port);
        }
    }

    /// Remembers whether the embedded server is open to the network.
    pub fn set_share(&mut self, on: bool) {
        self.settings.share = on;
    }

    /// Writes the settings.
    ///
    /// # Errors
    ///
    /// [`AppProblem::NotSaved`] when the disk refuses.
    pub async fn save(&self) -> Result<(), AppProblem> {
        let (file, settings) = (self.file.clone(), self.settings.clone());
        let written = tokio::task::spawn_blocking(move || file.write(&settings)).await;
        written.map_err(std::io::Error::other).and_then(|written| written).map_err(|error| {
            tracing::warn!(%error, "settings not saved; changes are lost when the app ends");
            AppProblem::NotSaved
        })
    }

    /// The server that the client uses.
    #[must_use]
    pub fn target(&self) -> Option<Target> {
        match &self.settings.server {
            Choice::Embedded => Some(Target { address: Address::embedded(self.embedded?), trust: Trust::Unknown }),
            // A file edited by hand may hold anything; then there is no server until one is entered.
            Choice::Other { address } => {
                let Invitation { address, key } = Invitation::parse(address).ok()?;
                let trust = key.map_or_else(|| self.settings.trust(&address), Trust::Pinned);
                Some(Target { address, trust })
            }
        }
    }

    /// The address of the server that the client uses.
    #[must_use]
    pub fn here(&self) -> Option<Address> {
        self.target().map(|target| target.address)
    }

    /// Chooses a server.
    pub fn choose(&mut self, choice: Choice) {
        self.settings.server = choice;
    }

    /// The person entered this address: they mean the server that is there now, whatever key it had before. A key that an
    /// invitation named stays until another invitation names another.
    pub fn forget_key(&mut self, address: &Address) {
        self.settings.known_servers.remove(&address.authority());
    }

    /// Whether a link names another key for a server than the one that is known. Links come from anywhere, and never change that.
    #[must_use]
    pub fn contradicts(&self, link: &CallLink) -> bool {
        let known = match self.target() {
            // In use, with a key that has yet to prove itself.
            Some(target) if target.address == link.server => target.trust,
            _ => self.settings.trust(&link.server),
        };
        link.key.as_ref().is_some_and(|key| known.key().is_some_and(|known| known != key))
    }

    /// The server answers, and has the key that an invitation named, if one did. Returns whether that is new, and to be saved.
    pub fn confirm_key(&mut self) -> bool {
        match self.target() {
            Some(Target { address, trust: Trust::Pinned(key) }) => self.settings.pin(&address, &key),
            _ => false,
        }
    }

    /// Remembers the key of the server in use, which was met first. Returns whether there is such a server.
    pub fn remember_key(&mut self, key: Fingerprint) -> bool {
        let Some(target) = self.target() else { return false };
        self.settings.known_servers.insert(target.address.authority(), key);
        true
    }

    /// The problem where the server in use has another key than it should.
    #[must_use]
    pub fn other_key(&self) -> AppProblem {
        match self.target().map(|target| target.trust) {
            Some(Trust::Pinned(_)) => AppProblem::ServerKeyWrong,
            _ => AppProblem::ServerKeyChanged,
        }
    }

    /// The choice as the page shows it: the address with the key that an invitation named, so that whoever enters it again means
    /// the same server.
    #[must_use]
    pub fn choice(&self) -> ServerChoice {
        match (&self.settings.server, self.embedded) {
            (Choice::Other { address }, _) => ServerChoice::Other {
                address: self.target().map_or_else(
                    || address.clone(),
                    |target| match &target.trust {
                        Trust::Pinned(key) => invitation(&target, Some(key)),
                        Trust::Unknown | Trust::Met(_) => invitation(&target, None),
                    },
                ),
            },
            (Choice::Embedded, Some(_)) => ServerChoice::Embedded,
            (Choice::Embedded, None) => ServerChoice::None,
        }
    }

    /// What somebody else needs to meet the same server, where that is not the embedded one.
    #[must_use]
    pub fn invitation(&self) -> Option<String> {
        match &self.settings.server {
            Choice::Embedded => None,
            Choice::Other { .. } => self.target().map(|target| invitation(&target, target.trust.key())),
        }
    }
}

fn invitation(target: &Target, key: Option<&Fingerprint>) -> String {
    // A plain address has no key, whatever was met there in TLS.
    let key = key.filter(|_| target.address.secure()).cloned();
    Invitation { address: target.address.clone(), key }.to_string()
}

#[cfg(test)]
mod tests {
    use hutong_protocol::Name;

    use super::*;

    const ADDRESS: &str = "https://192.168.1.20:8017";

    fn key(seed: &str) -> Fingerprint {
        Fingerprint::of(seed.as_bytes())
    }

    fn with_key(seed: &str) -> String {
        Invitation { address: Address::parse(ADDRESS).unwrap(), key: Some(key(seed)) }.to_string()
    }

    fn link(seed: &str) -> CallLink {
        let name = Name::new("Ana").unwrap();
        CallLink { name, server: Address::parse(ADDRESS).unwrap(), key: Some(key(seed)) }
    }

    /// Of an app that has kept nothing yet.
    fn servers(choice: Choice) -> Servers {
        let directory = tempfile::tempdir().unwrap();
        let mut servers = Servers::read(directory.path());
        servers.choose(choice);
        servers
    }

    fn other(address: &str) -> Choice {
        Choice::Other { address: address.to_owned() }
    }

    #[test]
    fn the_embedded_server_is_a_target_once_it_runs() {
        let mut servers = servers(Choice::Embedded);
        assert!(servers.target().is_none());
        assert_eq!(servers.choice(), ServerChoice::None);
        servers.embedded_on(9000, true);
        assert_eq!(servers.here(), Some(Address::embedded(9000)));
        assert_eq!((servers.choice(), servers.invitation()), (ServerChoice::Embedded, None));
        assert_eq!(servers.settings().port, Some(9000));
    }

    #[test]
    fn a_pinned_key_is_shown_with_the_address_and_a_met_one_only_handed_on() {
        let shown = |servers: &Servers| (servers.choice(), servers.invitation());
        let choice = |address: &str| ServerChoice::Other { address: address.to_owned() };
        let mut met = servers(other(ADDRESS));
        assert_eq!(shown(&met), (choice(ADDRESS), Some(ADDRESS.to_owned())));
        assert!(met.remember_key(key("met")));
        assert_eq!(shown(&met), (choice(ADDRESS), Some(with_key("met"))));
        assert_eq!(met.other_key(), AppProblem::ServerKeyChanged);
        let pinned = servers(other(&with_key("pinned")));
        assert_eq!(shown(&pinned), (choice(&with_key("pinned")), Some(with_key("pinned"))));
        assert_eq!(pinned.other_key(), AppProblem::ServerKeyWrong);
        let broken = servers(other("two words"));
        assert_eq!(shown(&broken), (choice("two words"), None));
    }

    #[test]
    fn an_invitations_key_is_kept_once_the_server_has_shown_it() {
        let mut servers = servers(other(&with_key("pinned")));
        assert!(servers.settings().pinned_servers.is_empty());
        assert!(servers.confirm_key());
        assert!(!servers.confirm_key(), "nothing new to be saved");
        assert_eq!(servers.settings().trust(&Address::parse(ADDRESS).unwrap()), Trust::Pinned(key("pinned")));
        servers.forget_key(&Address::parse(ADDRESS).unwrap());
        servers.choose(other(ADDRESS));
        assert_eq!(servers.target().map(|target| target.trust), Some(Trust::Pinned(key("pinned"))));
    }

    #[test]
    fn a_link_contradicts_a_known_key_also_before_the_server_has_shown_it() {
        let mut servers = servers(other("https://calls.example"));
        assert!(!servers.contradicts(&link("link")), "no key is known");
        servers.choose(other(&with_key("invitation")));
        assert!(servers.contradicts(&link("link")));
        assert!(!servers.contradicts(&link("invitation")));
        assert!(!servers.contradicts(&CallLink { key: None, ..link("link") }));
        assert!(servers.confirm_key());
        servers.choose(Choice::Embedded);
        assert!(servers.contradicts(&link("link")));
    }
}
