//! A running server: its ports, and everything behind them.

use std::{
    fmt, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use hutong_protocol::{IceServer, limits};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
};

use crate::{
    drain::drain,
    entry::{Doorkeeper, Entry, EntryFileError, EntryOptions},
    gateway::Deadlines,
    hub::{Hub, Timekeeper},
    listener::{Listener, Service},
    metrics::{Endpoint, Metrics, Now},
    registry::Config,
    ticket_key::TicketKey,
    tls::{Keeper, Tls},
};

/// How long a stopping server waits for its connections to take their leave. Each bounds its own farewell below this.
const FAREWELL: Duration = Duration::from_secs(5);

/// Connections that have no user: pages being loaded, and sockets that have not said hello yet.
const CONNECTIONS_WITHOUT_USER: usize = 1_024;

/// What a server is told when it is made. Start from [`Options::listen_on`] or the default, and change what differs.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen; at least one. Port 0 takes a free one.
    pub listen: Vec<SocketAddr>,
    /// With it, https is answered beside http on every address of `listen`.
    pub tls: Option<Tls>,
    /// Users that may be online at once; one more is refused as `full`.
    pub max_users: usize,
    /// Users online up to which everybody is shown everybody; past it clients are shown the part that they watch.
    pub whole_roster: usize,
    /// Handed to every client for its peer connections.
    pub ice_servers: Vec<IceServer>,
    /// The secret that tickets are signed with. `None`: a random one, so that nobody is known again after a restart.
    pub ticket_key: Option<TicketKey>,
    /// Origins whose pages may open the WebSocket, beside our own page and the app's: `https://example.org`.
    pub allow_origins: Vec<String>,
    /// Who may come in.
    pub entry: EntryOptions,
    /// How long a connection may take for what. The default is the protocol's; tests shorten it.
    pub deadlines: Deadlines,
    /// Where the server's numbers can be read, as `/metrics` in Prometheus' text format. Not where clients come: they tell when
    /// how many people call each other.
    pub metrics: Option<SocketAddr>,
}

impl Options {
    /// The default, on this one address.
    #[must_use]
    pub fn listen_on(address: SocketAddr) -> Self {
        Self { listen: vec![address], ..Self::default() }
    }
}

impl Default for Options {
    /// Plain http on loopback, port [`DEFAULT_PORT`](crate::DEFAULT_PORT), for up to 10,000 users.
    fn default() -> Self {
        Self {
            listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, crate::DEFAULT_PORT))],
            tls: None,
            max_users: 10_000,
            whole_roster: limits::WHOLE_ROSTER,
            ice_servers: Vec::new(),
            ticket_key: None,
            allow_origins: Vec::new(),
            entry: EntryOptions::default(),
            deadlines: Deadlines::default(),
            metrics: None,
        }
    }
}

/// A running server. Dropping it stops it at once; [`shutdown`](Self::shutdown) is the polite way.
#[derive(Debug)]
pub struct Server {
    base: Arc<Service>,
    addresses: Vec<SocketAddr>,
    listeners: Vec<Listener>,
    /// Whoever came from this machine, and everybody where `listen` itself names more than loopback.
    local: Scope,
    network: Option<Scope>,
    metrics: Option<Endpoint>,
    _certificate: Option<Keeper>,
    /// Keeps the certificate that is shown while it is open to the network.
    network_certificate: Option<Keeper>,
    _timekeeper: Timekeeper,
    _doorkeeper: Doorkeeper,
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
        let (metrics, numbers) = Metrics::new();
        let (hub, timekeeper) = Hub::start(config, metrics);
        hub.set_ticket_key(&key);
        let doorkeeper = entry.keep(hub.clone());
        let all_places = options.max_users.saturating_add(CONNECTIONS_WITHOUT_USER).min(Semaphore::MAX_PERMITS);
        let certificate = options.tls.as_ref().map(Keeper::start);
        let base =
            Arc::new(Service::new(hub, options.tls, entry, options.allow_origins, options.deadlines, all_places));
        let metrics = match options.metrics {
            Some(address) => {
                let socket = listen(address)?;
                let bound = socket.local_addr().map_err(|error| BindError::new(address, error))?;
                let now = Now { hub: base.hub().clone() };
                Some(Endpoint::start(socket, bound, numbers, now))
            }
            None => None,
        };
        let mut server = Self {
            base,
            addresses: Vec::new(),
            listeners: Vec::new(),
            local: Scope::new(),
            network: None,
            metrics,
            _certificate: certificate,
            network_certificate: None,
            _timekeeper: timekeeper,
            _doorkeeper: doorkeeper,
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
    pub fn metrics_addr(&self) -> Option<SocketAddr> {
        self.metrics.as_ref().map(|endpoint| endpoint.address)
    }

    /// How many users are online.
    #[must_use]
    pub fn users_online(&self) -> usize {
        self.base.hub().users_online()
    }

    /// Signs tickets with this key from now on, and takes those that it or its former ones signed.
    pub fn set_ticket_key(&self, key: &TicketKey) {
        self.base.hub().set_ticket_key(key);
    }

    /// Gets ready to stop: from now on nobody can log in, `/readyz` says so, and everybody who is connected is told `shutting_down`,
    /// one after the other, so that they do not all come back in the same moment. Takes `over` at most, and no time where nobody
    /// is there. Calls go on: their clients claim them at whatever takes this server's place. [`shutdown`](Self::shutdown) is
    /// still to come.
    pub async fn drain(&self, over: Duration) {
        drain(self.base.hub(), over).await;
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
        let keeper = Keeper::start(&tls);
        self.stop_listening().await;
        let (sockets, service, outcome) = match listen_everywhere(port) {
            Ok(socket) => (vec![socket], Arc::new(self.base.with_tls(tls)), Ok(())),
            Err(error) => (self.listen_at_home()?, self.base.clone(), Err(error)),
        };
        self.network_certificate = outcome.is_ok().then_some(keeper);
        if outcome.is_ok() {
            let network = self.network.get_or_insert_with(Scope::new);
            for socket in sockets {
                self.listeners.push(Listener::start(socket, service.clone(), &self.local, network));
            }
        } else {
            self.network = None;
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
        network.end().await;
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
                tokio::join!(self.local.end(), network.end());
            }
            None => self.local.end().await,
        }
    }

    fn take_connections(&mut self, socket: TcpListener) {
        self.listeners.push(Listener::start(socket, self.base.clone(), &self.local, &self.local));
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

/// Why a server cannot listen.
#[derive(Debug)]
pub enum BindError {
    /// Another program has the port.
    AddressInUse(SocketAddr),
    /// The system does not let us, as with ports below 1024.
    Denied(SocketAddr),
    /// This machine does not have the address.
    NotOurs(SocketAddr),
    /// No address was given.
    NoAddress,
    /// The system has no randomness to make a ticket key from.
    NoRandomness,
    /// A file that says who may come in cannot be used.
    Entry(EntryFileError),
    /// Anything else.
    Other(SocketAddr, io::Error),
}

impl BindError {
    fn new(address: SocketAddr, error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::AddrInUse => Self::AddressInUse(address),
            io::ErrorKind::PermissionDenied => Self::Denied(address),
            io::ErrorKind::AddrNotAvailable => Self::NotOurs(address),
            _ => Self::Other(address, error),
        }
    }
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddressInUse(address) => {
                write!(
                    f,
                    "{address} is taken by another program: stop that one, or choose another port (0 takes a free one)"
                )
            }
            Self::Denied(address) => {
                write!(f, "the system does not let this program listen on {address}: choose a port above 1023")
            }
            Self::NotOurs(address) => write!(f, "{address} is not an address of this machine"),
            Self::NoAddress => f.write_str("there is no address to listen on"),
            Self::NoRandomness => f.write_str("the system has no randomness to make a ticket key from"),
            Self::Entry(error) => error.fmt(f),
            Self::Other(address, error) => write!(f, "cannot listen on {address}: {error}"),
        }
    }
}

impl std::error::Error for BindError {}

/// Connections that end together. Dropping it ends them too, without waiting.
#[derive(Debug)]
pub(crate) struct Scope(watch::Sender<bool>);

/// Held by every task of a connection; the scope's end waits until all are dropped.
#[derive(Clone, Debug)]
pub(crate) struct Member(watch::Receiver<bool>);

impl Scope {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    pub(crate) fn member(&self) -> Member {
        Member(self.0.subscribe())
    }

    async fn end(&self) {
        self.0.send_replace(true);
        if tokio::time::timeout(FAREWELL, self.0.closed()).await.is_err() {
            tracing::warn!(connections = self.0.receiver_count(), "some connections did not end in time");
        }
    }
}

impl Member {
    /// Waits until the scope ends.
    pub(crate) async fn ended(&mut self) {
        // An error says that the scope was dropped, which is its end as well.
        let _dropped: Result<_, watch::error::RecvError> = self.0.wait_for(|ended| *ended).await;
    }
}

fn listen(address: SocketAddr) -> Result<TcpListener, BindError> {
    open(address, false).map_err(|error| BindError::new(address, error))
}

/// One socket for both families; where the machine has no IPv6, one for IPv4.
fn listen_everywhere(port: u16) -> Result<TcpListener, BindError> {
    let both = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
    match open(both, true) {
        Ok(socket) => Ok(socket),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(BindError::new(both, error)),
        Err(_) => listen(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))),
    }
}

fn open(address: SocketAddr, both_families: bool) -> io::Result<TcpListener> {
    // More than any burst of logins that a machine takes in before the next accept.
    const BACKLOG: i32 = 4_096;
    let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)?;
    if matches!(address.ip(), IpAddr::V6(_)) {
        socket.set_only_v6(!both_families)?;
    }
    // On Unix it lets a restarted server have its port again at once; on Windows it would let two programs have one port.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}
