//! The embedded server on desktops: listens on loopback, and on the network while it is shared.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    path::{Path, PathBuf},
};

use hutong_core::host_messages::{AppProblem, EmbeddedServerView};
use hutong_protocol::Secret;
use hutong_server::{
    AccessKey, BindError, Options, SecretRequirement, Server, TicketKey, Tls, TlsError, revocation_file_beside,
};

use super::access_key::AccessKeyFile;
use crate::{
    address::{self, DEFAULT_PORT},
    invitation,
};

/// The running server, with its addresses and its certificate.
#[derive(Debug)]
pub struct EmbeddedServer {
    server: Server,
    directory: PathBuf,
    wanted_port_taken: Option<u16>,
    addresses: Vec<IpAddr>,
    /// The certificate for sharing; made when the server is first shared.
    tls: Option<Tls>,
    /// The certificate's fingerprint as last shown.
    fingerprint: Option<String>,
    /// What logins require, and the addresses for others contain.
    access_key: Option<Secret>,
}

impl EmbeddedServer {
    /// Starts the server on loopback; on any free port when the wanted one is taken.
    ///
    /// # Errors
    ///
    /// [`AppProblem::EmbeddedFailed`] when it cannot listen.
    pub async fn start(directory: &Path, wanted: Option<u16>) -> Result<Option<Self>, AppProblem> {
        let wanted = wanted.unwrap_or(DEFAULT_PORT);
        let ticket_key = ticket_key(directory);
        let access_key = stored_access_key(directory).await?;
        let requirement = requirement(access_key.as_ref());
        let bind = |port: u16| {
            let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            // Without a stored key, the tickets do not outlast the process either.
            let revocation_file = ticket_key.is_some().then(|| revocation_file_beside(&ticket_key_file(directory)));
            let ticket_key = ticket_key.clone();
            let mut options = Options { ticket_key, revocation_file, ..Options::listen_on(loopback) };
            options.admission.secret = requirement.clone();
            Server::bind(options)
        };
        let (bound, wanted_port_taken) = match bind(wanted).await {
            Err(error @ (BindError::AddressInUse(_) | BindError::Denied(_))) => {
                tracing::warn!(%error, "embedded server cannot use the wanted port; it uses a free port instead");
                (bind(0).await, Some(wanted))
            }
            bound => (bound, None),
        };
        match bound {
            Ok(server) => {
                tracing::info!(address = %server.local_addr(), "embedded server started");
                Ok(Some(Self {
                    server,
                    directory: directory.to_owned(),
                    wanted_port_taken,
                    addresses: Vec::new(),
                    tls: None,
                    fingerprint: None,
                    access_key,
                }))
            }
            Err(error) => {
                tracing::error!(%error, "embedded server failed to start");
                Err(AppProblem::EmbeddedFailed)
            }
        }
    }

    /// The port that it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.server.local_addr().port()
    }

    /// The server's state for the page.
    #[must_use]
    pub fn view(&self) -> EmbeddedServerView {
        let port = self.port();
        let shared = self.server.is_open_to_network();
        let addresses = if shared { self.addresses.as_slice() } else { &[] };
        let fragment = invitation::fragment(self.tls.as_ref().and_then(Tls::key_to_pin), self.access_key.as_ref());
        EmbeddedServerView {
            port,
            wanted_port_taken: self.wanted_port_taken,
            shared,
            addresses: addresses.iter().map(|ip| address::https_url(*ip, port) + &fragment).collect(),
            requires_access_key: self.access_key.is_some(),
            fingerprint: self.fingerprint.clone().filter(|_| shared),
        }
    }

    /// The access key that logins require, if any.
    #[must_use]
    pub const fn access_key(&self) -> Option<&Secret> {
        self.access_key.as_ref()
    }

    /// Stores a new access key, or removes it. [`apply_access_key`](Self::apply_access_key) makes the server require it.
    ///
    /// # Errors
    ///
    /// [`AppProblem::NotSaved`] when the file cannot be changed. The old key remains then.
    pub async fn store_access_key(&mut self, on: bool) -> Result<(), AppProblem> {
        let file = AccessKeyFile::in_directory(&self.directory);
        let change = move || if on { file.create().map(Some) } else { file.remove().map(|()| None) };
        let changed = tokio::task::spawn_blocking(change).await;
        self.access_key = changed.map_err(io::Error::other).and_then(|changed| changed).map_err(|error| {
            tracing::warn!(%error, "cannot store or remove the access key; it stays as it was");
            AppProblem::NotSaved
        })?;
        Ok(())
    }

    /// Requires the stored access key of all logins, or none. All sessions end as `secret_changed`.
    pub async fn apply_access_key(&self) {
        let key = self.access_key.as_ref().and_then(|key| AccessKey::new(key.expose()).ok());
        if let Err(error) = self.server.set_access_key(key).await {
            tracing::error!(%error, "cannot set the access key of the embedded server");
        }
    }

    /// Opens the server to the network, or closes it again.
    ///
    /// # Errors
    ///
    /// [`AppProblem::NoNetwork`] when the server is open, but this computer has no address that others can reach;
    /// [`AppProblem::EmbeddedFailed`] when the server cannot listen as requested.
    pub async fn share(&mut self, on: bool) -> Result<(), AppProblem> {
        if !on {
            return self.server.close_to_network().await.map_err(|error| {
                tracing::error!(%error, "embedded server cannot listen on loopback again; it accepts no connections");
                AppProblem::EmbeddedFailed
            });
        }
        self.addresses = addresses().await;
        self.open().await?;
        // The server stays open: a network may appear later.
        if self.addresses.is_empty() { Err(AppProblem::NoNetwork) } else { Ok(()) }
    }

    /// Checks this computer's addresses and the certificate for changes. Returns whether the page must be updated.
    pub async fn refresh(&mut self) -> bool {
        if !self.server.is_open_to_network() {
            return false;
        }
        let now = addresses().await;
        if now == self.addresses {
            // The server renews its certificate before it expires.
            let fingerprint = self.tls.as_ref().and_then(Tls::fingerprint);
            let renewed = fingerprint != self.fingerprint;
            self.fingerprint = fingerprint;
            return renewed;
        }
        self.addresses = now;
        // The certificate must contain the new addresses. On failure, which is logged, the old one stays in use.
        let _renewed: Result<(), AppProblem> = self.open().await;
        true
    }

    /// Waits until the server has stopped because one of its tasks panicked.
    pub async fn failed(&self) {
        let failure = self.server.failed().await;
        tracing::error!(%failure, "embedded server stopped: one of its tasks panicked");
    }

    /// Disconnects all clients and stops the server.
    pub async fn stop(self) {
        self.server.shutdown().await;
    }

    /// Makes the server fail.
    #[cfg(test)]
    pub fn break_timer(&self) {
        self.server.break_timer();
    }

    async fn open(&mut self) -> Result<(), AppProblem> {
        let names = self.addresses.iter().map(IpAddr::to_string).collect();
        let tls = certificate(self.directory.clone(), names).await.map_err(|error| {
            tracing::error!(%error, "cannot load or create the embedded server's certificate; sharing stays as it was");
            AppProblem::EmbeddedFailed
        })?;
        self.server.open_to_network(tls.clone()).await.map_err(|error| {
            tracing::error!(%error, "cannot open the embedded server to the network; only this computer can use it");
            AppProblem::EmbeddedFailed
        })?;
        self.fingerprint = tls.fingerprint();
        self.tls = Some(tls);
        Ok(())
    }
}

/// Loads or creates the key of session and call tickets. A stored key lets clients resume after a restart of the app.
fn ticket_key(directory: &Path) -> Option<TicketKey> {
    let key = std::fs::create_dir_all(directory)
        .map_err(|error| error.to_string())
        .and_then(|()| TicketKey::from_file(&ticket_key_file(directory)).map_err(|error| error.to_string()));
    key.inspect_err(|error| {
        tracing::warn!(%error, "cannot load or store the ticket key; sessions end when the app exits");
    })
    .ok()
}

fn ticket_key_file(directory: &Path) -> PathBuf {
    directory.join("ticket.key")
}

/// The stored access key. Fails if it cannot be read: the person does not want to let everybody in.
async fn stored_access_key(directory: &Path) -> Result<Option<Secret>, AppProblem> {
    let file = AccessKeyFile::in_directory(directory);
    let read = tokio::task::spawn_blocking(move || file.read()).await;
    read.map_err(io::Error::other).and_then(|read| read).map_err(|error| {
        tracing::error!(%error, "cannot read the access key; the embedded server does not start");
        AppProblem::EmbeddedFailed
    })
}

/// What logins require with this stored key.
fn requirement(key: Option<&Secret>) -> SecretRequirement {
    let key = key.and_then(|key| AccessKey::new(key.expose()).ok());
    key.map_or(SecretRequirement::None, SecretRequirement::AccessKey)
}

async fn certificate(directory: PathBuf, names: Vec<String>) -> Result<Tls, Box<dyn std::error::Error + Send + Sync>> {
    let made = tokio::task::spawn_blocking(move || Tls::self_signed(&directory, &names)).await?;
    made.map_err(|error: TlsError| error.to_string().into())
}

async fn addresses() -> Vec<IpAddr> {
    tokio::task::spawn_blocking(|| {
        let interfaces = if_addrs::get_if_addrs().unwrap_or_else(|error| {
            tracing::warn!(%error, "listing network interfaces failed; no addresses are shown");
            Vec::new()
        });
        address::reachable_addresses(interfaces.iter().map(if_addrs::Interface::ip).collect(), default_route_address())
    })
    .await
    .unwrap_or_default()
}

/// The source address of the default route: on the main network rather than a virtual machine's. Connecting a UDP socket only
/// selects the route; nothing is sent.
fn default_route_address() -> Option<IpAddr> {
    /// A documentation address (RFC 5737), routed like any public address. The port is arbitrary.
    const ANYWHERE: (Ipv4Addr, u16) = (Ipv4Addr::new(192, 0, 2, 1), 9);
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect(ANYWHERE).ok()?;
    socket.local_addr().ok().map(|address| address.ip())
}
