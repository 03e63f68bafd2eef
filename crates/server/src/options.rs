//! What a server is told when it is made.

use std::net::{Ipv4Addr, SocketAddr};

use hutong_protocol::{IceServer, limits};

use crate::{entry::EntryOptions, gateway::Deadlines, ticket_key::TicketKey, tls::Tls};

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
