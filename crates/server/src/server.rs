//! A running server: its ports, and everything behind them.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::{sync::DropGuard, task::AbortOnDropHandle};

use crate::{
    drain::drain,
    entry::{DenyList, Entry},
    gateway::Gateway,
    hub::Hub,
    listener::{Listener, ServerState},
    metrics::{self, Exposition, Metrics},
    options::Options,
    registry::Config,
    routes::{self, Routes},
    shutdown::ConnectionGroup,
    sockets::{BindError, listen, listen_everywhere},
    supervisor::{Supervisor, TaskFailure},
    ticket_key::TicketKey,
    tls::{self, Tls},
};

/// Connections that have no user: pages being loaded, and sockets that have not said hello yet.
const CONNECTIONS_WITHOUT_USER: usize = 1_024;

/// A running server. Dropping it stops it at once; [`shutdown`](Self::shutdown) is the polite way.
#[derive(Debug)]
pub struct Server {
    hub: Hub,
    state: Arc<ServerState>,
    addresses: Vec<SocketAddr>,
    metrics_address: Option<SocketAddr>,
    listeners: Vec<Listener>,
    /// Whoever came from this machine, and everybody where `listen` itself names more than loopback.
    local: ConnectionGroup,
    network: Option<ConnectionGroup>,
    supervisor: Supervisor,
    /// What has to run beside the connections.
    _tasks: Vec<AbortOnDropHandle<()>>,
    /// Keeps the certificate up to date that is shown while it is open to the network.
    network_certificate: Option<AbortOnDropHandle<()>>,
    /// Asks all connections to close when it is dropped.
    _stop: DropGuard,
}

impl Server {
    /// Starts a server. When this returns, connections are taken.
    ///
    /// # Errors
    ///
    /// [`BindError`], for the first address that cannot be listened on.
    pub async fn bind(options: Options) -> Result<Self, BindError> {
        let key = match options.ticket_key {
            Some(key) => key,
            None => TicketKey::random().map_err(|_| BindError::NoRandomness)?,
        };
        let config = Config {
            max_users: options.max_users,
            whole_roster: options.whole_roster,
            ice_servers: options.ice_servers,
            ticket_key: *key.signs(),
        };
        let entry = Arc::new(Entry::new(options.entry).map_err(BindError::Entry)?);
        let (metrics, counters) = Metrics::new();
        let hub = Hub::new(config, metrics.clone());
        hub.set_ticket_key(&key);
        let supervisor = Supervisor::default();
        let mut tasks = vec![supervisor.spawn("deadlines", hub.clone().keep_deadlines())];
        if entry.has_files() {
            let hub = hub.clone();
            let disconnect = move |listed: &DenyList| hub.disconnect_where(|name, address| listed.has(name, address));
            tasks.push(supervisor.spawn("admission files", entry.clone().reload_files(disconnect)));
        }
        let mut metrics_address = None;
        if let Some(address) = options.metrics {
            let socket = listen(address)?;
            metrics_address = Some(socket.local_addr().map_err(|error| BindError::new(address, error))?);
            let hub = hub.clone();
            let exposition = Exposition::new(counters, move || hub.gauges());
            let answer = Arc::new(move |request: &_| routes::metrics(request, &exposition));
            tasks.push(supervisor.spawn("metrics listener", metrics::serve(socket, answer)));
        }
        tasks.extend(options.tls.clone().map(|tls| supervisor.spawn("certificate", tls::keep(tls))));
        let gateway = Gateway::new(hub.clone(), entry.clone(), options.allow_origins, options.deadlines);
        let all_permits = options.max_users.saturating_add(CONNECTIONS_WITHOUT_USER).min(Semaphore::MAX_PERMITS);
        let state = ServerState {
            handler: Arc::new(Routes { hub: hub.clone(), entry: entry.clone(), gateway }),
            entry,
            metrics,
            tls: options.tls,
            permits: Arc::new(Semaphore::new(all_permits)),
        };
        let mut server = Self {
            hub,
            state: Arc::new(state),
            addresses: Vec::new(),
            metrics_address,
            listeners: Vec::new(),
            local: ConnectionGroup::new(&supervisor.stop),
            network: None,
            _stop: supervisor.stop.clone().drop_guard(),
            supervisor,
            _tasks: tasks,
            network_certificate: None,
        };
        for address in options.listen {
            let socket = listen(address)?;
            server.addresses.push(socket.local_addr().map_err(|error| BindError::new(address, error))?);
            server.take_connections(socket);
        }
        if server.addresses.is_empty() {
            return Err(BindError::NoAddress);
        }
        Ok(server)
    }

    /// The first address that it listens on, with the port it got.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.addresses.first().copied().unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, crate::DEFAULT_PORT)))
    }

    /// All addresses of [`Options::listen`], with the ports they got. Being open to the network changes nothing here.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Where `/metrics` is answered, with the port it got; `None` unless [`Options::metrics`] asks for it.
    #[must_use]
    pub const fn metrics_addr(&self) -> Option<SocketAddr> {
        self.metrics_address
    }

    /// How many users are online.
    #[must_use]
    pub fn users_online(&self) -> usize {
        self.hub.users_online()
    }

    /// The client's end of a connection without a socket. `None` when the server has as many connections as it takes.
    ///
    /// For tests with tokio's paused clock: it jumps ahead whenever all tasks wait, also for what is on its way through a socket.
    #[cfg(any(test, feature = "inspect"))]
    #[must_use]
    pub fn connect_in_memory(&self) -> Option<tokio::io::DuplexStream> {
        crate::listener::connect_in_memory(&self.state, &self.local)
    }

    /// Has a critical task panic, for tests of what follows.
    #[cfg(any(test, feature = "inspect"))]
    pub fn break_timer(&self) {
        self.hub.break_timer();
    }

    /// Signs tickets with this key from now on, and takes those that it or its former ones signed.
    pub fn set_ticket_key(&self, key: &TicketKey) {
        self.hub.set_ticket_key(key);
    }

    /// Gets ready to stop: from now on nobody can log in, `/readyz` says so, and everybody who is connected is told `shutting_down`,
    /// one after the other, so that they do not all come back in the same moment. Takes `over` at most, and no time where nobody
    /// is there. Calls go on: their clients claim them at whatever takes this server's place. [`shutdown`](Self::shutdown) is
    /// still to come.
    pub async fn drain(&self, over: Duration) {
        drain(&self.hub, over).await;
    }

    /// Waits until a background task that the server cannot do without has panicked, and returns which. The server has stopped then:
    /// its ports are closed, and everybody is told `shutting_down`.
    ///
    /// Whoever runs a server waits for this beside everything else, and starts another one or ends the process. The future outlives
    /// the server, so that a panic during [`shutdown`](Self::shutdown) is seen too.
    pub fn failed(&self) -> impl Future<Output = TaskFailure> + Send + use<> {
        let supervisor = self.supervisor.clone();
        async move { supervisor.failed().await }
    }

    /// Whether [`open_to_network`](Self::open_to_network) is in force.
    #[must_use]
    pub const fn is_open_to_network(&self) -> bool {
        self.network.is_some()
    }

    /// Takes connections from every interface, on the port of [`local_addr`](Self::local_addr), and answers https with this
    /// certificate beside http. Everybody who is connected stays so.
    ///
    /// Plain http from another machine gets the page alone, which tells the person to use https: browsers give no camera
    /// to plain http, and the WebSocket is refused there.
    ///
    /// Opening a server that is open changes its certificate.
    ///
    /// # Errors
    ///
    /// [`BindError`] when the port is somebody else's on another interface. The server then stays as it was.
    pub async fn open_to_network(&mut self, tls: Tls) -> Result<(), BindError> {
        let port = self.local_addr().port();
        let keeper = self.supervisor.spawn("certificate", tls::keep(tls.clone()));
        self.stop_listening().await;
        let (sockets, state, outcome) = match listen_everywhere(port) {
            Ok(socket) => (vec![socket], Arc::new(self.state.with_tls(tls)), Ok(())),
            Err(error) => (self.listen_at_home()?, self.state.clone(), Err(error)),
        };
        self.network_certificate = outcome.is_ok().then_some(keeper);
        if outcome.is_ok() {
            let network = self.network.get_or_insert_with(|| ConnectionGroup::new(&self.supervisor.stop));
            for socket in sockets {
                self.listeners.push(Listener::start(socket, state.clone(), &self.supervisor, &self.local, network));
            }
        } else {
            if let Some(network) = self.network.take() {
                network.shutdown.cancel();
            }
            for socket in sockets {
                self.take_connections(socket);
            }
        }
        outcome
    }

    /// Takes connections on the addresses of [`Options::listen`] alone again. Whoever came from another machine meanwhile is
    /// told `shutting_down`, and is gone when this returns; whoever came from this machine stays connected.
    ///
    /// # Errors
    ///
    /// [`BindError`] when an address was taken by another program in that moment. Nobody new can connect then.
    pub async fn close_to_network(&mut self) -> Result<(), BindError> {
        let Some(network) = self.network.take() else { return Ok(()) };
        self.network_certificate = None;
        self.stop_listening().await;
        network.close().await;
        for socket in self.listen_at_home()? {
            self.take_connections(socket);
        }
        Ok(())
    }

    /// Stops: tells everybody (`refused` with `shutting_down`, close code 1001), and waits a few seconds at most for them to
    /// take their leave.
    pub async fn shutdown(mut self) {
        self.stop_listening().await;
        match self.network.take() {
            Some(network) => {
                tokio::join!(self.local.close(), network.close());
            }
            None => self.local.close().await,
        }
    }

    fn take_connections(&mut self, socket: TcpListener) {
        self.listeners.push(Listener::start(socket, self.state.clone(), &self.supervisor, &self.local, &self.local));
    }

    fn listen_at_home(&self) -> Result<Vec<TcpListener>, BindError> {
        self.addresses.iter().copied().map(listen).collect()
    }

    async fn stop_listening(&mut self) {
        for listener in self.listeners.drain(..) {
            listener.stop().await;
        }
    }
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

    const PATIENCE: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn a_panic_of_the_hubs_timer_stops_the_server_with_an_error() {
        let server = Server::bind(Options::listen_on(([127, 0, 0, 1], 0).into())).await.unwrap();
        let address = server.local_addr();
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        assert_eq!(timeout(PATIENCE, client.read_u8()).await.unwrap().unwrap(), b'H', "it is answered");
        server.break_timer();
        let failed_afterwards = server.failed();
        let failure = timeout(PATIENCE, server.failed()).await.unwrap();
        assert!(failure.to_string().contains("\"deadlines\" has panicked"), "{failure}");
        timeout(PATIENCE, client.read_to_end(&mut Vec::new())).await.unwrap().unwrap();
        timeout(PATIENCE, server.shutdown()).await.unwrap();
        assert!(TcpStream::connect(address).await.is_err(), "the port is closed");
        assert_eq!(failed_afterwards.now_or_never(), Some(failure), "the reason outlives the server");
    }
}
