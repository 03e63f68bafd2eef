//! Who may come in: secrets, limits for each address and user, the list of those who are refused, and whom a proxy speaks for.
//!
//! All of it is asked before a `hello` reaches the registry, which knows nothing of addresses and secrets.

mod buckets;
mod deny_list;
mod failures;
mod forwarded;
mod hashing;
mod limits;
mod options;
mod proxies;
mod secrets;
mod site;
mod watched;

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use hutong_protocol::{Name, NameKey, RefusedCode, Secret, Ticket, Token};
use hyper::HeaderMap;

use self::{
    failures::Outcome,
    hashing::{Busy, Hashing},
    proxies::{Origin, Proxies},
    secrets::{AccessKey, Users},
    watched::Watched,
};
use crate::{registry::Credential, supervisor::blocking};

pub(crate) use deny_list::DenyList;
#[cfg(test)]
pub(crate) use limits::{BY_NAME, BY_SITE};
pub(crate) use limits::{Counted, LOG_INS_OF_A_CONNECTION, Limits};

pub use deny_list::network as parse_network;
pub use forwarded::ProxyHeader;
pub use options::{EntryOptions, SecretKind};
pub use secrets::{UsersFileLineError, users_file_line};
pub use watched::EntryFileError;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The server's door. Shared by all connections.
#[derive(Debug)]
pub(crate) struct Entry {
    secret: Asked,
    refused: Option<Watched<DenyList>>,
    proxies: Proxies,
    hashing: Hashing,
    limits: Arc<Limits>,
}

/// What a person has to know.
#[derive(Debug)]
enum Asked {
    Nothing,
    Key(Watched<AccessKey>),
    Password(Watched<Users>),
}

/// Where somebody comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Visitor {
    pub address: IpAddr,
    /// Not for this machine and the proxies: many come from there.
    counted: bool,
}

/// What somebody says to come in.
#[derive(Debug)]
pub(crate) struct Hello {
    pub name: String,
    pub resume: Option<Ticket>,
    pub secret: Option<Secret>,
}

impl Entry {
    /// Reads the files.
    pub(crate) fn new(options: EntryOptions) -> Result<Self, EntryFileError> {
        Ok(Self {
            secret: match options.secret {
                SecretKind::None => Asked::Nothing,
                SecretKind::AccessKey(path) => Asked::Key(Watched::open(&path, AccessKey::parse)?),
                SecretKind::Users(path) => Asked::Password(Watched::open(&path, Users::parse)?),
            },
            refused: options.refused_file.map(|path| Watched::open(&path, DenyList::parse)).transpose()?,
            proxies: Proxies { networks: options.trusted_proxies, header: options.proxy_header },
            hashing: Hashing::new(),
            limits: Arc::new(Limits::new(options.max_per_address)),
        })
    }

    /// Whether there is a file that [`reload_files`](Self::reload_files) has to look at.
    pub(crate) const fn has_files(&self) -> bool {
        self.refused.is_some() || !matches!(self.secret, Asked::Nothing)
    }

    /// Reads the files again whenever they change, for ever, and publishes each new deny list: those who are online and in it are
    /// to be disconnected.
    pub(crate) async fn reload_files(self: Arc<Self>, publish: impl Fn(&DenyList)) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let entry = self.clone();
            if let Some(deny_list) = blocking(move || entry.look()).await {
                publish(&deny_list);
            }
        }
    }

    /// Returns the deny list, if it has changed. Blocks.
    fn look(&self) -> Option<Arc<DenyList>> {
        match &self.secret {
            Asked::Nothing => {}
            Asked::Key(key) => drop(key.refresh()),
            Asked::Password(users) => drop(users.refresh()),
        }
        self.refused.as_ref().filter(|refused| refused.refresh()).map(Watched::get)
    }

    /// Whether this peer is a proxy that is believed.
    pub(crate) fn is_trusted_proxy(&self, peer: IpAddr) -> bool {
        self.proxies.contain(peer)
    }

    /// Where a request comes from.
    pub(crate) fn visitor(&self, peer: IpAddr, headers: &HeaderMap) -> Visitor {
        let exempt = |address: IpAddr| address.is_loopback() || self.proxies.contain(address);
        match self.proxies.speaks_for(peer, headers) {
            Origin::Known(address) => {
                if address.is_loopback() && !self.proxies.contain(address) && forwarded::is_forwarded(headers) {
                    self.limits.unknown_proxy(Instant::now());
                }
                Visitor { address, counted: !exempt(address) }
            }
            Origin::Behind(address) => Visitor { address, counted: true },
        }
    }

    /// A connection was made. `None`: more than one address may make; let it go.
    pub(crate) fn connected(&self, peer: IpAddr) -> Option<Counted> {
        let peer = peer.to_canonical();
        let exempt = peer.is_loopback() || self.proxies.contain(peer);
        self.limits.connected((!exempt).then_some(peer), Instant::now())
    }

    /// A WebSocket is opened.
    pub(crate) fn opened(&self, visitor: Visitor) -> Result<Counted, RefusedCode> {
        if self.refused.as_ref().is_some_and(|refused| refused.get().has_address(visitor.address)) {
            return Err(RefusedCode::NotWelcome);
        }
        let behind_a_proxy = visitor.counted.then_some(visitor.address);
        self.limits.opened(behind_a_proxy).ok_or(RefusedCode::TooMany)
    }

    /// Whether somebody may come in, and with what; the registry has yet to agree. `owner` tells whose a ticket is, if it is good
    /// for this name and credential.
    pub(crate) async fn admit(
        &self,
        visitor: Visitor,
        hello: &Hello,
        owner: impl Fn(&Ticket, &NameKey, Credential) -> Option<Token>,
    ) -> Result<Credential, RefusedCode> {
        let now = Instant::now();
        if visitor.counted && !self.limits.logs_in(visitor.address, now) {
            return Err(RefusedCode::TooMany);
        }
        // The registry says what is wrong with it.
        let Ok(name) = Name::new(&hello.name).map(|name| name.key()) else { return Ok(Credential::NONE) };
        if let Some(refused) = self.refused.as_ref().map(Watched::get)
            && (refused.has_address(visitor.address) || refused.has_name(&name))
        {
            return Err(RefusedCode::NotWelcome);
        }
        if let Some(ticket) = &hello.resume {
            let credential = self.credential(&name).ok_or(RefusedCode::TicketInvalid)?;
            let user = owner(ticket, &name, credential).ok_or(RefusedCode::TicketInvalid)?;
            return self.limits.comes_back(user, now).then_some(credential).ok_or(RefusedCode::TooMany);
        }
        if matches!(self.secret, Asked::Nothing) {
            return Ok(Credential::NONE);
        }
        let secret = hello.secret.clone().ok_or(RefusedCode::SecretRequired)?;
        self.try_secret(visitor, name, secret).await
    }

    async fn try_secret(&self, visitor: Visitor, name: NameKey, secret: Secret) -> Result<Credential, RefusedCode> {
        // One key is everybody's: guessing it says nothing about a name.
        let name_at_stake = matches!(self.secret, Asked::Password(_)).then_some(&name);
        let attempt = self.limits.tries(visitor.address, name_at_stake, Instant::now()).ok_or(RefusedCode::TooMany)?;
        let credential = match &self.secret {
            Asked::Nothing => Some(Credential::NONE),
            Asked::Key(key) => {
                let key = key.get();
                key.is(&secret).then(|| key.credential())
            }
            Asked::Password(users) => {
                let users = users.get();
                let (hash, known) = users.hash_of(&name);
                let right = self.hashing.is_password(hash, secret).await.map_err(|Busy| RefusedCode::TooMany)?;
                (right && known).then(|| users.credential(&name)).flatten()
            }
        };
        attempt.ends(if credential.is_some() { Outcome::Right } else { Outcome::Wrong }, Instant::now());
        credential.ok_or(RefusedCode::SecretWrong)
    }

    /// What a ticket of this name is bound to now. `None` when the name may not come in.
    fn credential(&self, name: &NameKey) -> Option<Credential> {
        match &self.secret {
            Asked::Nothing => Some(Credential::NONE),
            Asked::Key(key) => Some(key.get().credential()),
            Asked::Password(users) => users.get().credential(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;
    use crate::supervisor::Supervisor;

    #[tokio::test]
    async fn a_panic_where_a_file_is_read_stops_the_server_with_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        std::fs::write(&path, "correct horse").unwrap();
        let read = |text: &str| if text.contains("battery") { panic!("staple") } else { AccessKey::parse(text) };
        let mut entry = Entry::new(EntryOptions::default()).unwrap();
        entry.secret = Asked::Key(Watched::open(&path, read).unwrap());
        let supervisor = Supervisor::default();
        let _task = supervisor.spawn("admission files", Arc::new(entry).reload_files(|_| {}));
        std::fs::write(&path, "correct horse battery").unwrap();
        let failure = timeout(Duration::from_secs(20), supervisor.failed()).await.unwrap();
        assert!(failure.to_string().ends_with("has panicked: staple"), "{failure}");
    }
}
