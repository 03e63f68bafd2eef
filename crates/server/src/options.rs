//! Options of a server.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use hutong_protocol::{IceServer, limits};

use crate::{
    admission::AdmissionOptions,
    gateway::Deadlines,
    host_name::HostName,
    relay::TurnSecret,
    ticket_key::TicketKey,
    tls::Tls,
    turn::{MAX_STREAMS, TurnOptions},
};

/// Connections beyond `max_users`: page loads, and clients that have not logged in yet.
const CONNECTIONS_WITHOUT_USER: usize = 1_024;

/// Options of a server. Start from [`Options::listen_on`] or the default, and change what differs.
#[derive(Clone, Debug)]
pub struct Options {
    /// Addresses to listen on, at least one. Port 0 selects a free port.
    pub listen: Vec<SocketAddr>,
    /// With a certificate, every address of `listen` accepts https beside http.
    pub tls: Option<Tls>,
    /// Users that may be online at once. Further logins are refused with `full`.
    pub max_users: usize,
    /// Connections that may be open at once. Further ones are refused with status 503; only health checks are answered. `None` for
    /// `max_users`, 4,096 TURN connections over TCP, and 1,024 more: page loads, and clients that have not logged in yet.
    pub max_connections: Option<usize>,
    /// Up to this many online users, every client receives the whole roster. Beyond, clients receive the part they subscribe to.
    pub whole_roster: usize,
    /// Further STUN and TURN servers, sent to every client for its peer connections. A TURN server without a username shares
    /// `turn_secret`, and clients receive credentials of their own for it.
    pub ice_servers: Vec<IceServer>,
    /// The TURN server, on every address of `listen` beyond loopback, and while the server is open to the network. `None` turns it
    /// off.
    pub turn: Option<TurnOptions>,
    /// The secret that signs TURN credentials, shared with a coturn (`static-auth-secret`) or with other servers. `None` derives it
    /// from the ticket key.
    pub turn_secret: Option<TurnSecret>,
    /// The key that signs tickets. `None` generates a random one; users then cannot resume their sessions after a restart.
    pub ticket_key: Option<TicketKey>,
    /// Host names of the server, such as `nas.lan`. A server answers requests for its IP addresses, for names without a dot, and for
    /// `localhost`, the machine's name, the names of its certificate and the TURN server's host anyway; others it refuses with
    /// status 421, except from trusted proxies.
    pub names: Vec<HostName>,
    /// The file of revoked tickets, created if missing, for this server alone. `None` keeps them in memory: with a ticket key that
    /// outlasts a restart, tickets of users who logged out less than a day before are then valid again.
    pub revocation_file: Option<PathBuf>,
    /// Further origins whose pages may open the WebSocket, such as `https://example.org`. Our own page and the apps always may.
    pub allow_origins: Vec<String>,
    /// Secrets, limits, deny list and trusted proxies.
    pub admission: AdmissionOptions,
    /// Timeouts of a WebSocket. The default is the protocol's; tests shorten them.
    pub deadlines: Deadlines,
    /// Address of `/metrics`, in Prometheus' text format. Keep it private: the metrics reveal how many people call each other
    /// and when.
    pub metrics: Option<SocketAddr>,
}

impl Options {
    /// The default options, with this address.
    #[must_use]
    pub fn listen_on(address: SocketAddr) -> Self {
        Self { listen: vec![address], ..Self::default() }
    }

    /// Connections that may be open at once.
    #[must_use]
    pub fn connection_limit(&self) -> usize {
        self.max_connections.unwrap_or_else(|| self.max_users.saturating_add(CONNECTIONS_WITHOUT_USER + MAX_STREAMS))
    }
}

impl Default for Options {
    /// Plain http on loopback, port [`DEFAULT_PORT`](crate::DEFAULT_PORT), for up to 10,000 users.
    fn default() -> Self {
        Self {
            listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, crate::DEFAULT_PORT))],
            tls: None,
            max_users: 10_000,
            max_connections: None,
            whole_roster: limits::WHOLE_ROSTER_USERS,
            ice_servers: Vec::new(),
            turn: Some(TurnOptions::default()),
            turn_secret: None,
            ticket_key: None,
            names: Vec::new(),
            revocation_file: None,
            allow_origins: Vec::new(),
            admission: AdmissionOptions::default(),
            deadlines: Deadlines::default(),
            metrics: None,
        }
    }
}
