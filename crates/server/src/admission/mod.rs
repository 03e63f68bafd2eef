//! Admission control: secrets, rate limits, the deny list and trusted proxies.
//!
//! Every `hello` passes it before the registry, which knows neither addresses nor secrets.

mod deny_list;
mod failure_tracker;
mod forwarded;
mod guess_limits;
mod limits;
mod options;
mod password_check;
mod proxies;
mod reloadable_file;
#[cfg(test)]
mod scoreboard_tests;
mod secrets;

use std::{
    net::IpAddr,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use hutong_protocol::{Name, NameKey, RefusedCode, Secret, SessionTicket};
use hyper::HeaderMap;

use self::{
    failure_tracker::SecretVerdict,
    guess_limits::{BudgetAttempt, DeviceAttempt, GuessLimits, KnownDevice},
    limits::SecretAttempt,
    password_check::{Busy, CheckPriority, PasswordChecker},
    proxies::{ResolvedAddr, TrustedProxies},
    reloadable_file::ReloadableFile,
    secrets::UserPasswords,
};
use crate::{
    addr_prefix::AddrPrefix,
    registry::{AdmittedLogin, CallOrigin, Credential, GenuineTicket, NameRight, ResumeRefusal},
    slot_counts::SlotGuard,
    supervisor::blocking,
};

pub(crate) use deny_list::DenyList;
pub(crate) use limits::{AdmissionLimits, LOGINS_PER_CONNECTION};
#[cfg(test)]
pub(crate) use limits::{NAME_LOCKOUT, PREFIX_LOCKOUT};

pub use deny_list::parse_network;
pub use forwarded::ProxyHeader;
pub(crate) use forwarded::forwarded_hosts;
pub use options::{AdmissionOptions, SecretRequirement};
pub use reloadable_file::AdmissionFileError;
pub use secrets::{AccessKey, InvalidAccessKey, UsersFileLineError, users_file_line};

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
    guesses: GuessLimits,
}

/// The secrets that logins are checked against.
#[derive(Debug)]
enum SecretStore {
    /// An access key that the server's owner sets while it runs. Without one, logins need no secret.
    Switchable(RwLock<Option<Arc<AccessKey>>>),
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
        self.is_limited.then(|| AddrPrefix::of(self.ip).origin_number())
    }

    /// An address to which limits apply.
    #[cfg(test)]
    pub(crate) fn limited(ip: impl Into<IpAddr>) -> Self {
        Self { ip: ip.into(), is_limited: true }
    }
}

/// Secrets that have changed in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ChangedSecrets {
    /// The access key.
    AccessKey,
    /// The passwords of these names, changed or removed.
    Passwords(Vec<NameKey>),
}

/// Error: the options name a file of secrets, so they cannot be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server's secrets are in a file")]
pub struct SecretsInFile;

/// What a `hello` asks for.
#[derive(Debug)]
pub(crate) struct LoginRequest {
    pub name: String,
    pub resume: Option<SessionTicket>,
    pub secret: Option<Secret>,
    /// Whether a call of the name's user on another device may end.
    pub replace: bool,
}

impl AdmissionControl {
    /// Reads the files that the options name.
    pub(crate) fn new(options: AdmissionOptions) -> Result<Self, AdmissionFileError> {
        Ok(Self {
            secrets: match options.secret {
                SecretRequirement::None => SecretStore::Switchable(RwLock::default()),
                SecretRequirement::AccessKey(key) => SecretStore::Switchable(RwLock::new(Some(Arc::new(key)))),
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
            guesses: GuessLimits::new(Instant::now()),
        })
    }

    /// Whether there are files for [`reload_files`](Self::reload_files).
    pub(crate) const fn has_reloadable_files(&self) -> bool {
        self.deny_list.is_some() || !matches!(self.secrets, SecretStore::Switchable(_))
    }

    /// Sets or removes the access key. Returns whether that changed it.
    pub(crate) fn set_access_key(&self, key: Option<AccessKey>) -> Result<bool, SecretsInFile> {
        let SecretStore::Switchable(current) = &self.secrets else { return Err(SecretsInFile) };
        let mut current = current.write().unwrap_or_else(PoisonError::into_inner);
        let is_changed = key.as_ref() != current.as_deref();
        *current = key.map(Arc::new);
        Ok(is_changed)
    }

    /// Reloads the files when they change, forever. Calls `on_deny_list` with each new deny list, and `on_secrets` with what has
    /// changed in the secrets, so that users who are online and not admitted any more can be disconnected.
    ///
    /// Both run on a thread for blocking work, because they may take as long as comparing all connections.
    pub(crate) async fn reload_files(
        self: Arc<Self>,
        on_deny_list: impl Fn(&DenyList) + Send + Sync + 'static,
        on_secrets: impl Fn(&Self, ChangedSecrets) + Send + Sync + 'static,
    ) {
        let callbacks = Arc::new((on_deny_list, on_secrets));
        loop {
            tokio::time::sleep(FILE_POLL_INTERVAL).await;
            let (admission, callbacks) = (self.clone(), callbacks.clone());
            blocking(move || {
                let (on_deny_list, on_secrets) = &*callbacks;
                if let Some(secrets) = admission.refresh_secrets() {
                    on_secrets(&admission, secrets);
                }
                if let Some(deny_list) = admission.refresh_deny_list() {
                    on_deny_list(&deny_list);
                }
            })
            .await;
        }
    }

    /// Returns what has changed in the secrets. Blocks.
    fn refresh_secrets(&self) -> Option<ChangedSecrets> {
        match &self.secrets {
            SecretStore::Switchable(_) => None,
            SecretStore::AccessKey(file) => {
                let old = file.get();
                let is_changed = file.refresh() && old.credential() != file.get().credential();
                is_changed.then_some(ChangedSecrets::AccessKey)
            }
            SecretStore::Passwords(file) => {
                let old = file.get();
                let names = if file.refresh() { old.names_changed_in(&file.get()) } else { Vec::new() };
                (!names.is_empty()).then_some(ChangedSecrets::Passwords(names))
            }
        }
    }

    /// Returns the deny list if it has changed. Blocks.
    fn refresh_deny_list(&self) -> Option<Arc<DenyList>> {
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

    /// Admits a login. The registry may still refuse it.
    ///
    /// `check_resume` checks a ticket for the name and the credential.
    pub(crate) async fn admit(
        &self,
        client: ClientAddr,
        login: LoginRequest,
        check_resume: impl Fn(&SessionTicket, &NameKey, Option<Credential>) -> Result<GenuineTicket, ResumeRefusal>,
    ) -> Result<AdmittedLogin, RefusedCode> {
        let LoginRequest { name: typed, resume, secret, replace } = login;
        let now = Instant::now();
        if client.is_limited && !self.limits.take_login(client.ip, now) {
            return Err(RefusedCode::TooMany);
        }
        let admitted =
            |name, resume, credential| AdmittedLogin { name, resume, credential, right: NameRight::FirstCome };
        // The registry refuses an invalid name.
        let Ok(name) = Name::new(&typed).map(|name| name.key()) else {
            return Ok(admitted(typed, None, Credential::NONE));
        };
        if self.is_denied(client, &name) {
            return Err(RefusedCode::NotWelcome);
        }
        let mut device = None;
        if let Some(ticket) = resume {
            let credential = self.credential(&name);
            match (check_resume(&ticket, &name, credential), credential) {
                (Ok(valid), Some(credential)) => {
                    let is_within_rate = self.limits.take_resume(valid.user, now);
                    let login = admitted(typed, Some(ticket), credential);
                    return is_within_rate.then_some(login).ok_or(RefusedCode::TooMany);
                }
                // A genuine ticket helps even so, if there is a secret to check.
                (Err(ResumeRefusal { genuine: Some(ticket), .. }), _) if secret.is_some() && self.requires_secret() => {
                    device = self.known_device(&ticket, &name);
                }
                (Err(refusal), _) => return Err(refusal.code),
                (Ok(_), None) => return Err(RefusedCode::TicketInvalid),
            }
        }
        if !self.requires_secret() {
            return Ok(admitted(typed, None, Credential::NONE));
        }
        let secret = secret.ok_or(RefusedCode::SecretRequired)?;
        let credential = self.check_secret(client, &name, secret, device).await?;
        let right = match &self.secrets {
            // Everybody has the access key, so it proves nothing about a name.
            SecretStore::Switchable(_) | SecretStore::AccessKey(_) => NameRight::FirstCome,
            SecretStore::Passwords(_) => {
                if !self.guesses.take_login_with_password(&name, Instant::now()) {
                    return Err(RefusedCode::TooMany);
                }
                if replace { NameRight::OwnerEndingCall } else { NameRight::Owner }
            }
        };
        Ok(AdmittedLogin { name: typed, resume: None, credential, right })
    }

    /// Checks whether a login that was admitted with this credential still would be: the secret or the deny list may have changed
    /// while it was being checked.
    pub(crate) fn check_again(
        &self,
        client: ClientAddr,
        name: &NameKey,
        credential: Credential,
    ) -> Result<(), RefusedCode> {
        if self.is_denied(client, name) {
            return Err(RefusedCode::NotWelcome);
        }
        if self.is_current(name, credential) { Ok(()) } else { Err(RefusedCode::SecretChanged) }
    }

    /// Whether this still is the credential of the name.
    pub(crate) fn is_current(&self, name: &NameKey, credential: Credential) -> bool {
        self.credential(name) == Some(credential)
    }

    fn is_denied(&self, client: ClientAddr, name: &NameKey) -> bool {
        let deny_list = self.deny_list.as_ref().map(ReloadableFile::get);
        deny_list.is_some_and(|list| list.contains_address(client.ip) || list.contains_name(name))
    }

    fn requires_secret(&self) -> bool {
        matches!(self.secrets, SecretStore::Passwords(_)) || self.access_key().is_some()
    }

    /// The access key that all users share, if there is one.
    fn access_key(&self) -> Option<Arc<AccessKey>> {
        match &self.secrets {
            SecretStore::Switchable(key) => key.read().unwrap_or_else(PoisonError::into_inner).clone(),
            SecretStore::AccessKey(file) => Some(file.get()),
            SecretStore::Passwords(_) => None,
        }
    }

    /// The allowance of a device with this ticket. `None`: that of unknown devices.
    fn known_device(&self, ticket: &GenuineTicket, name: &NameKey) -> Option<KnownDevice> {
        match &self.secrets {
            _ if ticket.has_credential => Some(KnownDevice::Session(ticket.session)),
            SecretStore::Passwords(_) => Some(KnownDevice::FormerPassword(name.clone())),
            // Who had the former access key could have tickets of any number of names.
            SecretStore::Switchable(_) | SecretStore::AccessKey(_) => None,
        }
    }

    async fn check_secret(
        &self,
        client: ClientAddr,
        name: &NameKey,
        secret: Secret,
        device: Option<KnownDevice>,
    ) -> Result<Credential, RefusedCode> {
        let attempt = self.begin_attempt(client, name, device, Instant::now()).ok_or(RefusedCode::TooMany)?;
        let credential = match &self.secrets {
            SecretStore::Switchable(_) | SecretStore::AccessKey(_) => match self.access_key() {
                Some(key) => key.verify(&secret).then(|| key.credential()),
                // Removed since the login began.
                None => Some(Credential::NONE),
            },
            SecretStore::Passwords(users) => {
                let users = users.get();
                let (hash, known) = users.hash_of(name);
                let correct = self.passwords.is_password(attempt.priority(), hash, secret).await;
                let correct = correct.map_err(|Busy| RefusedCode::TooMany)?;
                (correct && known).then(|| users.credential(name)).flatten()
            }
        };
        let verdict = if credential.is_some() { SecretVerdict::Correct } else { SecretVerdict::Wrong };
        attempt.finish(verdict, Instant::now());
        credential.ok_or(RefusedCode::SecretWrong)
    }

    /// Begins to check a secret. `None` while too many wrong ones forbid it.
    fn begin_attempt(
        &self,
        client: ClientAddr,
        name: &NameKey,
        device: Option<KnownDevice>,
        now: Instant,
    ) -> Option<Attempt<'_>> {
        if let Some(attempt) = device.and_then(|device| self.guesses.begin_known(device, now)) {
            return Some(Attempt::KnownDevice(attempt));
        }
        let address = AddrPrefix::of(client.ip);
        // A wrong access key is no attack on the name, so only passwords count against it.
        let attacked_name = matches!(self.secrets, SecretStore::Passwords(_)).then_some(name);
        let begin = |name| self.limits.begin_attempt(client.ip, name, now);
        let limits = begin(attacked_name).or_else(|| {
            let may_try = self.guesses.take_try_while_locked(attacked_name?, address, now);
            may_try.then(|| begin(None)).flatten()
        })?;
        let budget = self.guesses.begin_unknown(address, now)?;
        Some(Attempt::Unknown { limits, budget })
    }

    /// The credential that a ticket of this name has to be bound to now. `None` if the users file does not have the name.
    fn credential(&self, name: &NameKey) -> Option<Credential> {
        match &self.secrets {
            SecretStore::Switchable(_) | SecretStore::AccessKey(_) => {
                Some(self.access_key().map_or(Credential::NONE, |key| key.credential()))
            }
            SecretStore::Passwords(users) => users.get().credential(name),
        }
    }

    /// Whether limits per address do not apply, because many clients may share the address.
    fn is_exempt(&self, address: IpAddr) -> bool {
        address.is_loopback() || self.proxies.contains(address)
    }
}

/// RAII guard: a secret that is being checked, with the allowances that pay for a wrong one.
#[derive(Debug)]
enum Attempt<'a> {
    KnownDevice(DeviceAttempt<'a>),
    Unknown { limits: SecretAttempt<'a>, budget: BudgetAttempt<'a> },
}

impl Attempt<'_> {
    const fn priority(&self) -> CheckPriority {
        match self {
            Self::KnownDevice(_) => CheckPriority::KnownDevice,
            Self::Unknown { .. } => CheckPriority::Unknown,
        }
    }

    fn finish(self, verdict: SecretVerdict, now: Instant) {
        match self {
            Self::KnownDevice(attempt) => attempt.finish(verdict),
            Self::Unknown { limits, budget } => {
                limits.finish(verdict, now);
                budget.finish(verdict);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::time::timeout;

    use super::*;
    use crate::supervisor::Supervisor;

    #[tokio::test]
    async fn a_login_is_refused_if_the_deny_list_has_changed_while_it_was_checked() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("deny");
        std::fs::write(&path, "").unwrap();
        let options = AdmissionOptions { deny_file: Some(path.clone()), ..AdmissionOptions::default() };
        let admission = AdmissionControl::new(options).unwrap();
        let client = ClientAddr::limited(Ipv4Addr::new(192, 0, 2, 1));
        let ana = Name::new("Ana").unwrap().key();
        let again = || admission.check_again(client, &ana, Credential::NONE);
        assert_eq!(again(), Ok(()));
        for denied in ["Ana\n", "192.0.2.0/24\n"] {
            std::fs::write(&path, denied).unwrap();
            assert!(admission.refresh_deny_list().is_some());
            assert_eq!(again(), Err(RefusedCode::NotWelcome));
        }
    }

    #[tokio::test]
    async fn a_panic_while_parsing_a_file_stops_the_server_with_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        std::fs::write(&path, "correct horse").unwrap();
        let parse = |text: &str| if text.contains("battery") { panic!("staple") } else { AccessKey::parse(text) };
        let mut admission = AdmissionControl::new(AdmissionOptions::default()).unwrap();
        admission.secrets = SecretStore::AccessKey(ReloadableFile::open(&path, parse).unwrap());
        let supervisor = Supervisor::default();
        let _task = supervisor.spawn("admission files", Arc::new(admission).reload_files(|_| {}, |_, _| {}));
        std::fs::write(&path, "correct horse battery").unwrap();
        let failure = timeout(Duration::from_secs(20), supervisor.failed()).await.unwrap();
        assert!(failure.to_string().ends_with("has panicked: staple"), "{failure}");
    }
}
