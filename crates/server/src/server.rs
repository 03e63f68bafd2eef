//! A running server: binds the ports and owns all tasks.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    sync::Arc,
    time::Duration,
};

use prometheus_client::registry::Registry;
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::{sync::DropGuard, task::AbortOnDropHandle};

use crate::{
    admission::{AccessKey, AdmissionControl, ChangedSecrets, DenyList, SecretsInFile},
    drain::drain,
    gateway::Gateway,
    host_name::HostName,
    hub::Hub,
    listener::Listener,
    metrics::{self, Exposition, Metrics, MetricsHandler},
    options::Options,
    refusal_slots::RefusalSlots,
    registry::RegistryConfig,
    revocation_file::RevocationFile,
    revocation_writer::RevocationWriter,
    routes::{self, Routes},
    served_hosts::ServedHosts,
    server_state::{ServedProtocols, ServerState},
    shutdown::ConnectionGroup,
    sockets::{BindError, listen, listen_everywhere},
    supervisor::{Supervisor, TaskFailure, blocking},
    ticket_key::TicketKey,
    tls::{self, Tls},
    turn::{CredentialIssuer, IceServerSource, TurnListeners, TurnOptions, TurnServer},
};

/// How long a shutdown waits for the disk to store the last revoked tickets. A tenth of a second is usual.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// A running server. [`shutdown`](Self::shutdown) stops it gracefully; dropping it stops it at once.
#[derive(Debug)]
pub struct Server {
    hub: Hub,
    state: Arc<ServerState>,
    addresses: Vec<SocketAddr>,
    turn_addresses: Vec<SocketAddr>,
    metrics_address: Option<SocketAddr>,
    listeners: Vec<Listener>,
    /// Connections from loopback, and all connections on the configured addresses.
    local: ConnectionGroup,
    /// Connections from other machines while the server is open to the network.
    network: Option<ConnectionGroup>,
    turn: TurnListeners,
    /// Accept loops of ports that serve TURN alone.
    turn_listeners: Vec<Listener>,
    supervisor: Supervisor,
    revocations: Option<RevocationWriter>,
    _background_tasks: Vec<AbortOnDropHandle<()>>,
    /// Keeps the certificate current while the server is open to the network.
    network_certificate_task: Option<AbortOnDropHandle<()>>,
    /// Asks all connections to close on drop.
    _stop: DropGuard,
}

impl Server {
    /// Starts a server. It accepts connections when this returns.
    ///
    /// # Errors
    ///
    /// [`BindError`] if an address cannot be bound, or a file of the options cannot be used.
    pub async fn bind(options: Options) -> Result<Self, BindError> {
        let connection_limit = options.connection_limit();
        let key = options.ticket_key.map_or_else(TicketKey::random, Ok).map_err(|_| BindError::NoRandomness)?;
        let config = RegistryConfig {
            max_users: options.max_users,
            whole_roster: options.whole_roster,
            ticket_key: *key.signing_key(),
            session_seed: random_key()?,
        };
        let admission = Arc::new(AdmissionControl::new(options.admission).map_err(BindError::Admission)?);
        let (metrics, counters) = Metrics::new();
        let issuer = Arc::new(CredentialIssuer::new(options.turn_secret, &key));
        let own_turn_addresses = options.turn.as_ref().map(|turn| turn.listen.clone()).unwrap_or_default();
        let turn = options.turn.as_ref().map(|turn| new_turn_server(turn, &issuer)).transpose()?;
        let ice_servers = IceServerSource::new(options.ice_servers, issuer, turn.clone());
        let supervisor = Supervisor::default();
        let hub = Hub::new(config, metrics.clone(), Arc::new(ice_servers), supervisor.clone());
        hub.set_ticket_key(&key);
        let mut background_tasks = spawn_hub_tasks(&supervisor, &hub);
        let revocations = options.revocation_file.map(|path| restore_revocations(&hub, &path));
        background_tasks.extend(revocations.clone().map(|writer| supervisor.spawn("revoked tickets", writer.run())));
        if let Some(turn) = turn.clone() {
            background_tasks.push(supervisor.spawn("TURN allocations", turn.run_expiry()));
        }
        if admission.has_reloadable_files() {
            background_tasks.push(spawn_admission_files(&supervisor, &hub, &admission));
        }
        let hosts = Arc::new(ServedHosts::new(own_names(options.names, options.turn.as_ref())));
        let mut metrics_address = None;
        if let Some(address) = options.metrics {
            let handler = metrics_handler(counters, hub.clone(), hosts.clone(), options.tls.clone());
            let (address, task) = serve_metrics(address, handler, &supervisor)?;
            metrics_address = Some(address);
            background_tasks.push(task);
        }
        background_tasks.extend(options.tls.clone().map(|tls| supervisor.spawn("certificate", tls::keep_current(tls))));
        let gateway = Gateway::new(hub.clone(), admission.clone(), options.allow_origins, options.deadlines);
        let state = ServerState {
            handler: Arc::new(Routes { hub: hub.clone(), admission: admission.clone(), gateway, hosts }),
            admission,
            metrics,
            tls: options.tls,
            permits: Arc::new(Semaphore::new(connection_limit.min(Semaphore::MAX_PERMITS))),
            refusals: Arc::new(RefusalSlots::new()),
            turn: turn.clone().filter(|_| own_turn_addresses.is_empty()),
            served: ServedProtocols::WebAndTurn,
        };
        let mut server = Self {
            hub,
            state: Arc::new(state),
            addresses: Vec::new(),
            turn_addresses: Vec::new(),
            metrics_address,
            listeners: Vec::new(),
            local: ConnectionGroup::new(&supervisor.stop),
            network: None,
            turn: TurnListeners::new(turn.clone()),
            turn_listeners: Vec::new(),
            _stop: supervisor.stop.clone().drop_guard(),
            supervisor,
            revocations,
            _background_tasks: background_tasks,
            network_certificate_task: None,
        };
        for address in options.listen {
            let socket = listen(address)?;
            server.addresses.push(socket.local_addr().map_err(|error| BindError::new(address, error))?);
            server.start_listener(socket);
        }
        if server.addresses.is_empty() {
            return Err(BindError::NoAddress);
        }
        if let Some(turn) = turn {
            server.listen_for_turn(turn, own_turn_addresses)?;
        }
        Ok(server)
    }

    fn listen_for_turn(&mut self, turn: Arc<TurnServer>, own_addresses: Vec<SocketAddr>) -> Result<(), BindError> {
        let state = Arc::new(self.state.for_turn_only(turn));
        for address in own_addresses {
            let socket = self.turn.listen_on_own_port(address, &self.supervisor)?;
            self.turn_addresses.push(socket.local_addr().map_err(|error| BindError::new(address, error))?);
            let listener = Listener::start(socket, state.clone(), &self.supervisor, &self.local, &self.local);
            self.turn_listeners.push(listener);
        }
        self.turn.listen_on_web_ports(&self.addresses, self.state.tls.as_ref(), &self.supervisor);
        Ok(())
    }

    /// The first address that the server listens on, with its actual port.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.addresses.first().copied().unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, crate::DEFAULT_PORT)))
    }

    /// The addresses of [`Options::listen`], with their actual ports. Opening to the network does not change them.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The addresses of [`TurnOptions::listen`](crate::TurnOptions::listen), with their actual ports.
    #[must_use]
    pub fn turn_addresses(&self) -> &[SocketAddr] {
        &self.turn_addresses
    }

    /// The address of `/metrics`, with its actual port. `None` without [`Options::metrics`].
    #[must_use]
    pub const fn metrics_addr(&self) -> Option<SocketAddr> {
        self.metrics_address
    }

    /// Number of online users.
    #[must_use]
    pub fn users_online(&self) -> usize {
        self.hub.users_online()
    }

    /// Opens a connection without a socket, and returns the client's end. `None` if the server has no free slot.
    ///
    /// For tests with tokio's paused clock, which jumps ahead while data is in flight through a real socket.
    #[cfg(any(test, feature = "inspect"))]
    #[must_use]
    pub fn connect_in_memory(&self) -> Option<tokio::io::DuplexStream> {
        crate::listener::connect_in_memory(&self.state, &self.local)
    }

    /// Makes a critical task panic, for tests of the consequences.
    #[cfg(any(test, feature = "inspect"))]
    pub fn break_timer(&self) {
        self.hub.break_timer();
    }

    /// Makes the hub panic, for tests of the consequences.
    #[cfg(any(test, feature = "inspect"))]
    pub fn break_registry(&self) {
        let hub = self.hub.clone();
        let _panic = std::thread::spawn(move || hub.break_registry()).join();
    }

    /// Replaces the ticket key. Tickets signed with it or one of its former keys are accepted.
    pub fn set_ticket_key(&self, key: &TicketKey) {
        self.hub.set_ticket_key(key);
        self.hub.renew_ice_servers();
    }

    /// Drains the server before a [`shutdown`](Self::shutdown): refuses logins, answers `/readyz` with 503, and disconnects all
    /// clients with `shutting_down`.
    ///
    /// Disconnects are spread over the duration `over`, so that not all clients reconnect at the same moment. Returns at once if
    /// there are no clients. Calls continue: both members claim theirs at the next server.
    pub async fn drain(&self, over: Duration) {
        drain(&self.hub, over).await;
    }

    /// Waits until a critical background task panics, and returns which one. The server has then stopped: its ports are closed,
    /// and clients are disconnected with `shutting_down`.
    ///
    /// Callers should always wait for this, and then start another server or end the process. The future outlives the server, so
    /// it also reports a panic during [`shutdown`](Self::shutdown).
    pub fn failed(&self) -> impl Future<Output = TaskFailure> + Send + use<> {
        let supervisor = self.supervisor.clone();
        async move { supervisor.failed().await }
    }

    /// Whether the server is open to the network, after [`open_to_network`](Self::open_to_network).
    #[must_use]
    pub const fn is_open_to_network(&self) -> bool {
        self.network.is_some()
    }

    /// Listens on every interface, on the port of [`local_addr`](Self::local_addr), with https beside http. Open connections
    /// continue.
    ///
    /// Plain http from another machine gets the page only, which asks the user to switch to https: browsers grant no camera to
    /// plain http, and the server refuses the WebSocket there.
    ///
    /// On a server that is already open, this replaces the certificate.
    ///
    /// # Errors
    ///
    /// [`BindError`] if another program has the port on some interface. The server then listens as before.
    pub async fn open_to_network(&mut self, tls: Tls) -> Result<(), BindError> {
        let port = self.local_addr().port();
        let certificate_task = self.supervisor.spawn("certificate", tls::keep_current(tls.clone()));
        self.stop_listening().await;
        let (sockets, state, result) = match listen_everywhere(port) {
            Ok(socket) => (vec![socket], Arc::new(self.state.with_tls(tls.clone())), Ok(())),
            Err(error) => (self.listen_on_configured()?, self.state.clone(), Err(error)),
        };
        self.network_certificate_task = result.is_ok().then_some(certificate_task);
        if result.is_ok() {
            let network = self.network.get_or_insert_with(|| ConnectionGroup::new(&self.supervisor.stop));
            for socket in sockets {
                self.listeners.push(Listener::start(socket, state.clone(), &self.supervisor, &self.local, network));
            }
            self.turn.open_to_network(port, tls, &self.supervisor);
        } else {
            if let Some(network) = self.network.take() {
                network.shutdown.cancel();
            }
            self.turn.close_to_network();
            for socket in sockets {
                self.start_listener(socket);
            }
        }
        self.hub.renew_ice_servers();
        result
    }

    /// Requires this access key of all logins, or none. If that changes it, all sessions end as `secret_changed`, and their tickets
    /// are revoked.
    ///
    /// # Errors
    ///
    /// [`SecretsInFile`] if the options name a file of secrets.
    pub async fn set_access_key(&self, key: Option<AccessKey>) -> Result<(), SecretsInFile> {
        if self.state.admission.set_access_key(key)? {
            let (hub, admission) = (self.hub.clone(), self.state.admission.clone());
            blocking(move || end_sessions(&hub, &admission, &ChangedSecrets::AccessKey)).await;
        }
        Ok(())
    }

    /// Listens on the addresses of [`Options::listen`] only, as before [`open_to_network`](Self::open_to_network).
    ///
    /// Clients from other machines are disconnected with `shutting_down` before this returns. Connections from loopback continue.
    ///
    /// # Errors
    ///
    /// [`BindError`] if another program took an address meanwhile. The server then accepts no new connections.
    pub async fn close_to_network(&mut self) -> Result<(), BindError> {
        let Some(network) = self.network.take() else { return Ok(()) };
        self.network_certificate_task = None;
        self.stop_listening().await;
        self.turn.close_to_network();
        self.hub.renew_ice_servers();
        network.close().await;
        for socket in self.listen_on_configured()? {
            self.start_listener(socket);
        }
        Ok(())
    }

    /// Stops the server gracefully: disconnects all clients (`refused` with `shutting_down`, close code 1001), and waits at most
    /// a few seconds for the close handshakes.
    pub async fn shutdown(mut self) {
        self.stop_listening().await;
        for listener in std::mem::take(&mut self.turn_listeners) {
            listener.stop().await;
        }
        match self.network.take() {
            Some(network) => {
                tokio::join!(self.local.close(), network.close());
            }
            None => self.local.close().await,
        }
        if let Some(revocations) = &self.revocations {
            revocations.flush(FLUSH_TIMEOUT).await;
        }
    }

    fn start_listener(&mut self, socket: TcpListener) {
        self.listeners.push(Listener::start(socket, self.state.clone(), &self.supervisor, &self.local, &self.local));
    }

    fn listen_on_configured(&self) -> Result<Vec<TcpListener>, BindError> {
        self.addresses.iter().copied().map(listen).collect()
    }

    async fn stop_listening(&mut self) {
        for listener in self.listeners.drain(..) {
            listener.stop().await;
        }
    }
}

/// The configured names, and the host of the TURN server if it is a name.
fn own_names(mut names: Vec<HostName>, turn: Option<&TurnOptions>) -> Vec<HostName> {
    names.extend(turn.and_then(|turn| turn.host.as_ref()?.host().parse::<HostName>().ok()));
    names
}

fn metrics_handler(counters: Registry, hub: Hub, hosts: Arc<ServedHosts>, tls: Option<Tls>) -> Arc<MetricsHandler> {
    let exposition = Exposition::new(counters, move || hub.gauges());
    Arc::new(move |request: &_| routes::metrics(request, &exposition, &hosts, tls.as_ref()))
}

/// Starts the metrics port, and returns its actual address.
fn serve_metrics(
    address: SocketAddr,
    handler: Arc<MetricsHandler>,
    supervisor: &Supervisor,
) -> Result<(SocketAddr, AbortOnDropHandle<()>), BindError> {
    let socket = listen(address)?;
    let address = socket.local_addr().map_err(|error| BindError::new(address, error))?;
    Ok((address, supervisor.spawn("metrics listener", metrics::serve(socket, handler))))
}

fn new_turn_server(options: &TurnOptions, issuer: &Arc<CredentialIssuer>) -> Result<Arc<TurnServer>, BindError> {
    Ok(Arc::new(TurnServer::new(options, issuer.clone(), &random_key()?)))
}

fn random_key() -> Result<[u8; 32], BindError> {
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(|_| BindError::NoRandomness)?;
    Ok(key)
}

fn spawn_hub_tasks(supervisor: &Supervisor, hub: &Hub) -> Vec<AbortOnDropHandle<()>> {
    vec![
        supervisor.spawn("deadlines", hub.clone().run_timer()),
        supervisor.spawn("ICE servers", hub.clone().run_ice_server_renewal()),
        supervisor.spawn("clock", hub.clone().run_clock_watch()),
    ]
}

fn restore_revocations(hub: &Hub, path: &Path) -> RevocationWriter {
    let (file, stored) = RevocationFile::open(path);
    hub.restore_revocations(stored.revocations, stored.is_complete);
    RevocationWriter::new(hub.clone(), file)
}

/// Starts the task that reloads secrets and deny list, and disconnects users who are not admitted any more.
fn spawn_admission_files(
    supervisor: &Supervisor,
    hub: &Hub,
    admission: &Arc<AdmissionControl>,
) -> AbortOnDropHandle<()> {
    let (hub, of_secrets) = (hub.clone(), hub.clone());
    let disconnect = move |listed: &DenyList| hub.disconnect_where(|name, address| listed.matches(name, address));
    let end_sessions = move |admission: &AdmissionControl, changed| end_sessions(&of_secrets, admission, &changed);
    supervisor.spawn("admission files", admission.clone().reload_files(disconnect, end_sessions))
}

/// Revokes the tickets of users whose secret has changed, and ends the sessions of those who are online.
fn end_sessions(hub: &Hub, admission: &AdmissionControl, changed: &ChangedSecrets) {
    hub.revoke_earlier(match changed {
        ChangedSecrets::AccessKey => None,
        ChangedSecrets::Passwords(names) => Some(names),
    });
    hub.end_sessions_without(|name, credential| admission.is_current(name, credential));
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
        time::timeout,
    };

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn a_panic_of_the_timer_task_stops_the_server_with_an_error() {
        let server = Server::bind(Options::listen_on(([127, 0, 0, 1], 0).into())).await.unwrap();
        let address = server.local_addr();
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        assert_eq!(
            timeout(TIMEOUT, client.read_u8()).await.unwrap().unwrap(),
            b'H',
            "the server responds before the panic"
        );
        server.break_timer();
        let failed_afterwards = server.failed();
        let failure = timeout(TIMEOUT, server.failed()).await.unwrap();
        assert!(failure.to_string().contains("\"deadlines\" has panicked"), "{failure}");
        timeout(TIMEOUT, client.read_to_end(&mut Vec::new())).await.unwrap().unwrap();
        timeout(TIMEOUT, server.shutdown()).await.unwrap();
        assert!(TcpStream::connect(address).await.is_err(), "the port is closed");
        assert_eq!(failed_afterwards.now_or_never(), Some(failure), "the reason outlives the server");
    }
}
