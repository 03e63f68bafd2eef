//! Which server the client goes to, and what is known of its key.

use hutong_core::app::AppProblem;

use super::Controller;
use crate::{
    address::Address,
    call_link::CallLink,
    invitation::Invitation,
    link::Target,
    settings::Choice,
    tls::{Fingerprint, Trust},
};

impl Controller {
    /// Where the settings say that the client goes.
    pub(super) fn target(&self) -> Option<Target> {
        match &self.settings.server {
            Choice::Embedded => {
                let address = Address::embedded(self.hosting.as_ref()?.port());
                Some(Target { address, trust: Trust::Unknown })
            }
            // A file edited by hand may hold anything; then there is no server until one is entered.
            Choice::Other { address } => {
                let Invitation { address, key } = Invitation::parse(address).ok()?;
                let trust = key.map_or_else(|| self.settings.trust(&address), Trust::Pinned);
                Some(Target { address, trust })
            }
        }
    }

    /// Whether a link names another key for a server than the one that is known. Links come from anywhere, and never change that.
    pub(super) fn contradicts(&self, link: &CallLink) -> bool {
        let known = match self.target() {
            // In use, with a key that has yet to prove itself.
            Some(target) if target.address == link.server => target.trust,
            _ => self.settings.trust(&link.server),
        };
        link.key.as_ref().is_some_and(|key| known.key().is_some_and(|known| known != key))
    }

    /// The server answers, and has the key that it should have.
    pub(super) async fn reached(&mut self) {
        if let Some(Target { address, trust: Trust::Pinned(key) }) = self.target()
            && self.settings.pin(&address, &key)
        {
            self.save().await;
        }
        // Back in the network where the name means what it did, or where the server is.
        let over = [AppProblem::AddressNotSecure, AppProblem::ServerKeyChanged, AppProblem::ServerKeyWrong];
        if self.problem.is_some_and(|problem| over.contains(&problem)) {
            self.problem = None;
            self.show_app();
        }
    }
}

/// The server's address, with the key that an invitation told: whoever enters that again means the same server.
pub(super) fn as_entered(target: &Target) -> String {
    match &target.trust {
        Trust::Pinned(key) => invitation(target, Some(key)),
        Trust::Unknown | Trust::Met(_) => invitation(target, None),
    }
}

/// What somebody else needs to meet the same server.
pub(super) fn to_hand_on(target: &Target) -> String {
    invitation(target, target.trust.key())
}

fn invitation(target: &Target, key: Option<&Fingerprint>) -> String {
    // A plain address has no key, whatever was met there in TLS.
    let key = key.filter(|_| target.address.secure()).cloned();
    Invitation { address: target.address.clone(), key }.to_string()
}
