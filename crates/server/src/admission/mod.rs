//! Admission control: secrets, rate limits, the deny list and trusted proxies.
//!
//! Every `hello` passes it before the registry, which knows neither addresses nor secrets.

mod deny_list;
mod failure_tracker;
mod forwarded;
mod limits;
mod options;
mod password_check;
mod proxies;
mod reloadable_file;
mod secrets;
mod slot_counts;

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use hutong_protocol::{Name, NameKey, RefusedCode, Secret, SessionTicket, Token};
use hyper::HeaderMap;

use self::{
    failure_tracker::SecretVerdict,
    password_check::{Busy, PasswordChecker},
    proxies::{ResolvedAddr, TrustedProxies},
    reloadable_file::ReloadableFile,
    secrets::{AccessKey, UserPasswords},
};
use crate::{
    addr_prefix::AddrPrefix,
    registry::{CallOrigin, Credential},
    supervisor::blocking,
};

pub(crate) use deny_list::DenyList;
pub(crate) use limits::{AdmissionLimits, LOGINS_PER_CONNECTION};
#[cfg(test)]
pub(crate) use limits::{NAME_LOCKOUT, PREFIX_LOCKOUT};
pub(crate) use slot_counts::SlotGuard;

pub use deny_list::parse_network;
pub use forwarded::ProxyHeader;
pub(crate) use forwarded::forwarded_hosts;
pub use options::{AdmissionOptions, SecretRequirement};
pub use reloadable_file::AdmissionFileError;
pub use secrets::{UsersFileLineError, users_file_line};

/// How often the files are checked for changes.
const FILE_POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Admission control of a server, shared by all connections.
#[derive(Debug)]
pub(crate) struct AdmissionControl {
    secrets: SecretStore,
    deny_list: Option<ReloadableFile<DenyList>>,
    proxies: TrustedProxies,
    passwords: PasswordChecker,
    limits: Arc<AdmissionLimits>,
}

/// The secrets that logins are checked against.
#[derive(Debug)]
enum SecretStore {
    /// Logins need no secret.
    None,
    AccessKey(ReloadableFile<AccessKey>),
    Passwords(ReloadableFile<UserPasswords>),
}

/// Client address of a request, and whether limits per address apply to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClientAddr {
    pub ip: IpAddr,
    /// False for loopback and trusted proxies, which many clients share.
    is_limited: bool,
}

impl ClientAddr {
    /// The number under which calls from this address are limited.
    pub(crate) fn call_origin(self) -> CallOrigin {
        self.is_limited.then(|| AddrPrefix::of(self.ip).to_number())
    }

    /// An address to which limits apply.
    #[cfg(test)]
    pub(crate) fn limited(ip: impl Into<IpAddr>) -> Self {
        Self { ip: ip.into(), is_limited: true }
    }
}

/// What a `hello` asks for.
#[derive(Debug)]
pub(crate) struct LoginRequest {
    pub name: String,
    pub resume: Option<SessionTicket>,
    pub secret: Option<Secret>,
}

impl AdmissionControl {
    /// Reads the files that the options name.
    pub(crate) fn new(options: AdmissionOptions) -> Result<Self, AdmissionFileError> {
        Ok(Self {
            secrets: match options.secret {
                SecretRequirement::None => SecretStore::None,
                SecretRequirement::AccessKeyFile(path) => {
                    SecretStore::AccessKey(ReloadableFile::open(&path, AccessKey::parse)?)
                }
                SecretRequirement::UsersFile(path) => {
                    SecretStore::Passwords(ReloadableFile::open(&path, UserPasswords::parse)?)
                }
            },
            deny_list: options.deny_file.map(|path| ReloadableFile::open(&path, DenyList::parse)).transpose()?,
            proxies: TrustedProxies { networks: options.trusted_proxies, header: options.proxy_header },
            passwords: PasswordChecker::new(),
            limits: Arc::new(AdmissionLimits::new(options.max_per_address)),
        })
    }

    /// Whether there are files for [`reload_files`](Self::reload_files).
    pub(crate) const fn has_reloadable_files(&self) -> bool {
        self.deny_list.is_some() || !matches!(self.secrets, SecretStore::None)
    }

    /// Reloads the files when they change, forever. Calls `on_deny_list` with each new deny list, so that users who are
    /// online and now denied can be disconnected.
    ///
    /// `on_deny_list` runs on a thread for blocking work, because it may take as long as comparing all connections.
    pub(crate) async fn reload_files(self: Arc<Self>, on_deny_list: impl Fn(&DenyList) + Send + Sync + 'static) {
        let on_deny_list = Arc::new(on_deny_list);
        loop {
            tokio::time::sleep(FILE_POLL_INTERVAL).await;
            let (admission, on_deny_list) = (self.clone(), on_deny_list.clone());
            blocking(move || {
                if let Some(deny_list) = admission.refresh_files() {
                    on_deny_list(&deny_list);
                }
            })
            .await;
        }
    }

    /// Returns the deny list if it has changed. Blocks.
    fn refresh_files(&self) -> Option<Arc<DenyList>> {
        match &self.secrets {
            SecretStore::None => {}
            SecretStore::AccessKey(key) => drop(key.refresh()),
            SecretStore::Passwords(users) => drop(users.refresh()),
        }
        self.deny_list.as_ref().filter(|deny_list| deny_list.refresh()).map(ReloadableFile::get)
    }

    pub(crate) fn is_trusted_proxy(&self, peer: IpAddr) -> bool {
        self.proxies.contains(peer)
    }

    /// Resolves the client address of a request from its peer and headers.
    pub(crate) fn client_addr(&self, peer: IpAddr, headers: &HeaderMap) -> ClientAddr {
        match self.proxies.resolve(peer, headers) {
            ResolvedAddr::Client(ip) => {
                if ip.is_loopback() && !self.proxies.contains(ip) && forwarded::is_forwarded(headers) {
                    self.limits.warn_untrusted_proxy(ip, Instant::now());
                }
                ClientAddr { ip, is_limited: !self.is_exempt(ip) }
            }
            ResolvedAddr::BehindProxy(ip) => ClientAddr { ip, is_limited: true },
        }
    }

    /// The header in which the peer records addresses, if it is a trusted proxy.
    pub(crate) fn trusted_proxy_header(&self, peer: IpAddr) -> Option<ProxyHeader> {
        self.proxies.contains(peer).then_some(self.proxies.header)
    }

    /// Whether a trusted proxy passed the request on: it comes from one, and has its header.
    pub(crate) fn is_proxied(&self, peer: IpAddr, headers: &HeaderMap) -> bool {
        self.proxies.contains(peer) && self.proxies.header.is_in(headers)
    }

    /// Counts a new TCP connection. `None` if its address has too many; the caller drops the connection.
    pub(crate) fn acquire_connection(&self, peer: IpAddr) -> Option<SlotGuard> {
        let peer = peer.to_canonical();
        self.limits.acquire_connection((!self.is_exempt(peer)).then_some(peer), Instant::now())
    }

    /// Counts a new WebSocket, unless its address is denied or has too many.
    pub(crate) fn acquire_websocket(&self, client: ClientAddr) -> Result<SlotGuard, RefusedCode> {
        if self.deny_list.as_ref().is_some_and(|deny_list| deny_list.get().contains_address(client.ip)) {
            return Err(RefusedCode::NotWelcome);
        }
        self.limits.acquire_websocket(client.is_limited.then_some(client.ip)).ok_or(RefusedCode::TooMany)
    }

    /// Admits a login, and returns the credential that its session ticket is bound to. The registry may still refuse it.
    ///
    /// `ticket_owner` returns the user of a ticket that is valid for the name and the credential.
    pub(crate) async fn admit(
        &self,
        client: ClientAddr,
        login: &LoginRequest,
        ticket_owner: impl Fn(&SessionTicket, &NameKey, Credential) -> Option<Token>,
    ) -> Result<Credential, RefusedCode> {
        let now = Instant::now();
        if client.is_limited && !self.limits.take_login(client.ip, now) {
            return Err(RefusedCode::TooMany);
        }
        // The registry refuses an invalid name.
        let Ok(name) = Name::new(&login.name).map(|name| name.key()) else { return Ok(Credential::NONE) };
        if let Some(deny_list) = self.deny_list.as_ref().map(ReloadableFile::get)
            && (deny_list.contains_address(client.ip) || deny_list.contains_name(&name))
        {
            return Err(RefusedCode::NotWelcome);
        }
        if let Some(ticket) = &login.resume {
            let credential = self.credential(&name).ok_or(RefusedCode::TicketInvalid)?;
            let user = ticket_owner(ticket, &name, credential).ok_or(RefusedCode::TicketInvalid)?;
            return self.limits.take_resume(user, now).then_some(credential).ok_or(RefusedCode::TooMany);
        }
        if matches!(self.secrets, SecretStore::None) {
            return Ok(Credential::NONE);
        }
        let secret = login.secret.clone().ok_or(RefusedCode::SecretRequired)?;
        self.check_secret(client, name, secret).await
    }

    async fn check_secret(&self, client: ClientAddr, name: NameKey, secret: Secret) -> Result<Credential, RefusedCode> {
        // A wrong access key is no attack on the name, so only passwords count against it.
        let attacked_name = matches!(self.secrets, SecretStore::Passwords(_)).then_some(&name);
        let attempt =
            self.limits.begin_attempt(client.ip, attacked_name, Instant::now()).ok_or(RefusedCode::TooMany)?;
        let credential = match &self.secrets {
            SecretStore::None => Some(Credential::NONE),
            SecretStore::AccessKey(key) => {
                let key = key.get();
                key.verify(&secret).then(|| key.credential())
            }
            SecretStore::Passwords(users) => {
                let users = users.get();
                let (hash, known) = users.hash_of(&name);
                let correct = self.passwords.is_password(hash, secret).await.map_err(|Busy| RefusedCode::TooMany)?;
                (correct && known).then(|| users.credential(&name)).flatten()
            }
        };
        let verdict = if credential.is_some() { SecretVerdict::Correct } else { SecretVerdict::Wrong };
        attempt.finish(verdict, Instant::now());
        credential.ok_or(RefusedCode::SecretWrong)
    }

    /// The credential that a ticket of this name has to be bound to now. `None` if the users file does not have the name.
    fn credential(&self, name: &NameKey) -> Option<Credential> {
        match &self.secrets {
            SecretStore::None => Some(Credential::NONE),
            SecretStore::AccessKey(key) => Some(key.get().credential()),
            SecretStore::Passwords(users) => users.get().credential(name),
        }
    }

    /// Whether limits per address do not apply, because many clients may share the address.
    fn is_exempt(&self, address: IpAddr) -> bool {
        address.is_loopback() || self.proxies.contains(address)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;
    use crate::supervisor::Supervisor;

    #[tokio::test]
    async fn a_panic_while_parsing_a_file_stops_the_server_with_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        std::fs::write(&path, "correct horse").unwrap();
        let parse = |text: &str| if text.contains("battery") { panic!("staple") } else { AccessKey::parse(text) };
        let mut admission = AdmissionControl::new(AdmissionOptions::default()).unwrap();
        admission.secrets = SecretStore::AccessKey(ReloadableFile::open(&path, parse).unwrap());
        let supervisor = Supervisor::default();
        let _task = supervisor.spawn("admission files", Arc::new(admission).reload_files(|_| {}));
        std::fs::write(&path, "correct horse battery").unwrap();
        let failure = timeout(Duration::from_secs(20), supervisor.failed()).await.unwrap();
        assert!(failure.to_string().ends_with("has panicked: staple"), "{failure}");
    }
}
