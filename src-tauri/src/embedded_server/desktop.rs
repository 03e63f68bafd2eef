//! A desktop's own server: on loopback, and on the network while it is shared.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    path::{Path, PathBuf},
};

use hutong_core::app::{AppProblem, Embedded};
use hutong_server::{BindError, Options, Server, TicketKey, Tls, TlsError};

use crate::address::{self, DEFAULT_PORT};

/// The server, running.
#[derive(Debug)]
pub struct EmbeddedServer {
    server: Server,
    directory: PathBuf,
    wanted_port_taken: Option<u16>,
    addresses: Vec<IpAddr>,
    /// The certificate that it is shared with.
    tls: Option<Tls>,
    /// Its fingerprint, as it was told last.
    fingerprint: Option<String>,
}

impl EmbeddedServer {
    /// Starts the server on loopback; where its port is taken, on a free one.
    ///
    /// # Errors
    ///
    /// [`AppProblem::EmbeddedFailed`] when it cannot listen at all.
    pub async fn start(directory: &Path, wanted: Option<u16>) -> Result<Option<Self>, AppProblem> {
        let wanted = wanted.unwrap_or(DEFAULT_PORT);
        let ticket_key = ticket_key(directory);
        let bind = |port: u16| {
            let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            Server::bind(Options { ticket_key: ticket_key.clone(), ..Options::listen_on(loopback) })
        };
        let (bound, wanted_port_taken) = match bind(wanted).await {
            Err(error @ (BindError::AddressInUse(_) | BindError::Denied(_))) => {
                tracing::warn!(%error, "the embedded server takes a free port");
                (bind(0).await, Some(wanted))
            }
            bound => (bound, None),
        };
        match bound {
            Ok(server) => {
                tracing::info!(address = %server.local_addr(), "the embedded server runs");
                Ok(Some(Self {
                    server,
                    directory: directory.to_owned(),
                    wanted_port_taken,
                    addresses: Vec::new(),
                    tls: None,
                    fingerprint: None,
                }))
            }
            Err(error) => {
                tracing::error!(%error, "the embedded server does not run");
                Err(AppProblem::EmbeddedFailed)
            }
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.server.local_addr().port()
    }

    /// What the interface shows of it.
    #[must_use]
    pub fn view(&self) -> Embedded {
        let port = self.port();
        let shared = self.server.is_open_to_network();
        let addresses = if shared { self.addresses.as_slice() } else { &[] };
        let key = self.tls.as_ref().and_then(Tls::key_to_pin).map(|key| format!("/#key={key}")).unwrap_or_default();
        Embedded {
            port,
            wanted_port_taken: self.wanted_port_taken,
            shared,
            addresses: addresses.iter().map(|ip| address::https(*ip, port) + &key).collect(),
            fingerprint: self.fingerprint.clone().filter(|_| shared),
        }
    }

    /// Opens it to the network, or closes it.
    ///
    /// # Errors
    ///
    /// [`AppProblem::NoNetwork`] when it is open, but no address of this computer can be reached; [`AppProblem::EmbeddedFailed`] when
    /// it is as it was.
    pub async fn share(&mut self, on: bool) -> Result<(), AppProblem> {
        if !on {
            return self.server.close_to_network().await.map_err(|error| {
                tracing::error!(%error, "the embedded server is not back on loopback");
                AppProblem::EmbeddedFailed
            });
        }
        self.addresses = addresses().await;
        self.open().await?;
        // It stays open: the network may come later.
        if self.addresses.is_empty() { Err(AppProblem::NoNetwork) } else { Ok(()) }
    }

    /// Looks whether the computer has moved to another network; says whether that changed anything to be shown.
    pub async fn refresh(&mut self) -> bool {
        if !self.server.is_open_to_network() {
            return false;
        }
        let now = addresses().await;
        if now == self.addresses {
            // The server makes its certificate anew before it ends.
            let fingerprint = self.tls.as_ref().and_then(Tls::fingerprint);
            let renewed = fingerprint != self.fingerprint;
            self.fingerprint = fingerprint;
            return renewed;
        }
        self.addresses = now;
        // The certificate has to name the new addresses. Where that fails the old one goes on; the log says why.
        let _renewed: Result<(), AppProblem> = self.open().await;
        true
    }

    /// Waits until it has stopped by itself, since a task of it has panicked.
    pub async fn failed(&self) {
        let failure = self.server.failed().await;
        tracing::error!(%failure, "embedded server stopped");
    }

    /// Tells everybody, and ends it.
    pub async fn stop(self) {
        self.server.shutdown().await;
    }

    /// Has the server stop by itself.
    #[cfg(test)]
    pub fn break_timer(&self) {
        self.server.break_timer();
    }

    async fn open(&mut self) -> Result<(), AppProblem> {
        let names = self.addresses.iter().map(IpAddr::to_string).collect();
        let tls = certificate(self.directory.clone(), names).await.map_err(|error| {
            tracing::error!(%error, "there is no certificate to share with");
            AppProblem::EmbeddedFailed
        })?;
        self.server.open_to_network(tls.clone()).await.map_err(|error| {
            tracing::error!(%error, "the embedded server cannot be shared");
            AppProblem::EmbeddedFailed
        })?;
        self.fingerprint = tls.fingerprint();
        self.tls = Some(tls);
        Ok(())
    }
}

/// With a kept key, whoever was logged in or in a call is known again when the app is started again.
fn ticket_key(directory: &Path) -> Option<TicketKey> {
    let kept = std::fs::create_dir_all(directory)
        .map_err(|error| error.to_string())
        .and_then(|()| TicketKey::from_file(&directory.join("ticket.key")).map_err(|error| error.to_string()));
    kept.inspect_err(|error| tracing::warn!(%error, "the ticket key is not kept")).ok()
}

async fn certificate(directory: PathBuf, names: Vec<String>) -> Result<Tls, Box<dyn std::error::Error + Send + Sync>> {
    let made = tokio::task::spawn_blocking(move || Tls::self_signed(&directory, &names)).await?;
    made.map_err(|error: TlsError| error.to_string().into())
}

async fn addresses() -> Vec<IpAddr> {
    tokio::task::spawn_blocking(|| {
        let interfaces = if_addrs::get_if_addrs().unwrap_or_else(|error| {
            tracing::warn!(%error, "the network interfaces cannot be listed");
            Vec::new()
        });
        address::for_others(interfaces.iter().map(if_addrs::Interface::ip).collect(), outward())
    })
    .await
    .unwrap_or_default()
}

/// The address that this computer's default route starts from: the network that people mean, rather than a virtual
/// machine's. Connecting a UDP socket only looks the route up; nothing is sent.
fn outward() -> Option<IpAddr> {
    /// A documentation address (RFC 5737): routed like any public one.
    const ANYWHERE: (Ipv4Addr, u16) = (Ipv4Addr::new(192, 0, 2, 1), 9);
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect(ANYWHERE).ok()?;
    socket.local_addr().ok().map(|address| address.ip())
}
