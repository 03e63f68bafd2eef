//! The TURN server's shared state: the relay, the open sockets and streams, and the credentials of clients.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicU16, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::BytesMut;
use hutong_protocol::{IceServer, Token};
use tokio::sync::Semaphore;
use tokio_util::task::AbortOnDropHandle;

use super::{
    host::{ClientRoute, TurnHost},
    ice_servers::{StreamSecurity, TurnPort, ice_servers},
    issuer::CredentialIssuer,
    options::TurnOptions,
    stream::{self, StreamQueue},
    udp::UdpPort,
};
use crate::{
    clock::{self, Clock},
    relay::{ClientAddress, ClientTransport, Relay, RelayConfig, RelayCounters},
    stream::Stream,
    supervisor::Supervisor,
    tls::Tls,
};

/// How often expired allocations are removed.
const EXPIRY_INTERVAL: Duration = Duration::from_secs(5);

/// TURN connections over TCP and TLS that may be open at once.
pub(crate) const MAX_STREAMS: usize = 4_096;

/// The TURN server of a [`Server`](crate::Server).
#[derive(Debug)]
pub(crate) struct TurnServer {
    relay: Mutex<Relay>,
    issuer: Arc<CredentialIssuer>,
    sockets: RwLock<HashMap<u16, Arc<UdpPort>>>,
    last_socket: AtomicU16,
    streams: RwLock<HashMap<u64, StreamQueue>>,
    last_stream: AtomicU64,
    stream_permits: Semaphore,
    /// The host that clients are told, if it is configured.
    host: Option<TurnHost>,
    /// Where clients reach it now.
    reach: RwLock<Option<TurnReach>>,
}

/// Where clients reach the TURN server.
#[derive(Clone, Debug)]
pub(super) struct TurnReach {
    /// Its port. `None`: that of the web app, as the client requested it.
    pub port: Option<u16>,
    /// Whether UDP is open there.
    pub udp: bool,
    /// The certificate there, which may change.
    pub tls: Option<Tls>,
}

impl TurnServer {
    /// A TURN server without sockets. `key` must be random.
    pub(crate) fn new(options: &TurnOptions, issuer: Arc<CredentialIssuer>, key: &[u8; 32]) -> Self {
        let config = RelayConfig { limits: options.limits, ipv4: own_ipv4(), ipv6: own_ipv6() };
        Self {
            relay: Mutex::new(Relay::new(config, issuer.secrets(), key, clock::now(), Clock::start().now())),
            issuer,
            sockets: RwLock::default(),
            last_socket: AtomicU16::new(0),
            streams: RwLock::default(),
            last_stream: AtomicU64::new(0),
            stream_permits: Semaphore::new(MAX_STREAMS),
            host: options.host.clone(),
            reach: RwLock::new(None),
        }
    }

    /// Accepts the credentials that the issuer issues now.
    pub(super) fn update_secrets(&self) {
        let secrets = self.issuer.secrets();
        self.relay().set_secrets(secrets);
    }

    /// Sets where clients reach it; `None`: nowhere.
    pub(super) fn set_reach(&self, reach: Option<TurnReach>) {
        *self.reach.write().unwrap_or_else(PoisonError::into_inner) = reach;
    }

    /// The ICE servers for this user, who reached the server on this route.
    pub(super) fn ice_servers(&self, route: &ClientRoute, user: Token) -> Vec<IceServer> {
        let Some(reach) = self.reach.read().unwrap_or_else(PoisonError::into_inner).clone() else { return Vec::new() };
        let has_tls = reach.tls.as_ref().is_some_and(Tls::is_ca_issued);
        let stream = if has_tls { StreamSecurity::Tls } else { StreamSecurity::Plain };
        let port = TurnPort { number: reach.port, udp: reach.udp, stream };
        let this_machine = || own_ipv4().map(IpAddr::from).or(own_ipv6().map(IpAddr::from)).map(TurnHost::from_ip);
        ice_servers(port, self.host.as_ref(), route, this_machine, || self.issuer.issue(user))
    }

    /// Opens a UDP socket. It is closed when the handle is dropped.
    pub(super) fn listen_udp(
        self: &Arc<Self>,
        address: SocketAddr,
        both_families: bool,
        supervisor: &Supervisor,
    ) -> io::Result<UdpListener> {
        let number = self.last_socket.fetch_add(1, Ordering::Relaxed) + 1;
        let port = Arc::new(UdpPort::bind(number, address, both_families)?);
        self.sockets.write().unwrap_or_else(PoisonError::into_inner).insert(number, port.clone());
        let task = supervisor.spawn("TURN socket", port.run(self.clone()));
        Ok(UdpListener { turn: self.clone(), number, _task: task })
    }

    /// Serves a TCP or TLS connection until it ends.
    pub(crate) async fn serve_stream(&self, stream: Stream, remote: SocketAddr, local: SocketAddr) {
        let Ok(_permit) = self.stream_permits.try_acquire() else {
            tracing::debug!("too many TURN connections; connection closed");
            return;
        };
        if let Err(error) = stream::serve(self, stream, remote, local).await {
            tracing::debug!(%error, "TURN connection closed");
        }
    }

    /// Removes expired allocations, forever.
    pub(crate) async fn run_expiry(self: Arc<Self>) {
        loop {
            tokio::time::sleep(EXPIRY_INTERVAL).await;
            self.relay().expire(clock::now());
        }
    }

    pub(crate) fn counters(&self) -> RelayCounters {
        self.relay().counters()
    }

    pub(super) fn relay(&self) -> MutexGuard<'_, Relay> {
        self.relay.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn handle_stream_packet(&self, from: ClientAddress, mut packet: BytesMut) {
        let transmit = self.relay().receive(from, &mut packet, clock::now());
        if let Some(transmit) = transmit {
            self.deliver(&transmit.to, transmit.packet.bytes(&packet), None);
        }
    }

    /// Sends a packet to a client, or drops it. `current`: the socket of the calling task, which saves looking it up.
    pub(super) fn deliver(&self, to: &ClientAddress, packet: &[u8], current: Option<&UdpPort>) {
        match (to.transport, current) {
            (ClientTransport::Udp { socket }, Some(current)) if current.number() == socket => current.send(to, packet),
            (ClientTransport::Udp { socket }, _) => {
                let sockets = self.sockets.read().unwrap_or_else(PoisonError::into_inner);
                if let Some(port) = sockets.get(&socket) {
                    port.send(to, packet);
                }
            }
            (ClientTransport::Stream { id }, _) => {
                let streams = self.streams.read().unwrap_or_else(PoisonError::into_inner);
                if let Some(queue) = streams.get(&id) {
                    queue.push(packet);
                }
            }
        }
    }

    pub(super) fn add_stream(&self, queue: StreamQueue) -> u64 {
        let id = self.last_stream.fetch_add(1, Ordering::Relaxed) + 1;
        self.streams.write().unwrap_or_else(PoisonError::into_inner).insert(id, queue);
        id
    }

    pub(super) fn remove_stream(&self, id: u64) {
        self.streams.write().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }
}

/// RAII guard of a UDP socket: closes it on drop, with the allocations of its clients.
#[derive(Debug)]
pub(super) struct UdpListener {
    turn: Arc<TurnServer>,
    number: u16,
    _task: AbortOnDropHandle<()>,
}

impl Drop for UdpListener {
    fn drop(&mut self) {
        self.turn.sockets.write().unwrap_or_else(PoisonError::into_inner).remove(&self.number);
        self.turn.relay().close_socket(self.number);
    }
}

/// This machine's IPv4 address on the network with the default route.
fn own_ipv4() -> Option<Ipv4Addr> {
    // A documentation address (RFC 5737). Connecting a UDP socket selects the route; nothing is sent.
    match source_address((Ipv4Addr::UNSPECIFIED, 0).into(), (Ipv4Addr::new(192, 0, 2, 1), 9).into())? {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    }
}

/// This machine's IPv6 address on the network with the default route.
fn own_ipv6() -> Option<Ipv6Addr> {
    // A documentation address (RFC 3849).
    let anywhere = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
    match source_address((Ipv6Addr::UNSPECIFIED, 0).into(), (anywhere, 9).into())? {
        IpAddr::V6(address) => Some(address),
        IpAddr::V4(_) => None,
    }
}

fn source_address(from: SocketAddr, to: SocketAddr) -> Option<IpAddr> {
    let socket = UdpSocket::bind(from).ok()?;
    socket.connect(to).ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_unspecified()).then_some(address)
}
