//! The TURN server: its sockets, and the servers and credentials that clients are told.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};

use hutong_protocol::{IceServer, Token};
use tokio_util::task::AbortOnDropHandle;

use super::{
    host::{ClientRoute, TurnHost},
    ice_servers::{StreamSecurity, TurnPort, ice_servers},
    issuer::CredentialIssuer,
    options::TurnOptions,
    router::PacketRouter,
    stream,
    stream_slots::StreamSlots,
    udp::UdpPort,
    udp_task,
};
use crate::{
    clock::{self, unix_time},
    relay::{Relay, RelayConfig, RelayCounters},
    stream::Stream,
    supervisor::Supervisor,
    tls::Tls,
};

/// How often expired allocations are removed.
const EXPIRY_INTERVAL: Duration = Duration::from_secs(5);

/// Largest send buffer of a stream in bytes, in the kernel: media that waits there is late, and is not dropped any more.
const STREAM_SEND_BUFFER: usize = 64 * 1024;

/// The TURN server of a [`Server`](crate::Server).
#[derive(Debug)]
pub(crate) struct TurnServer {
    router: Arc<PacketRouter>,
    issuer: Arc<CredentialIssuer>,
    last_socket: AtomicU16,
    stream_slots: Arc<StreamSlots>,
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
        let relay = Relay::new(config, issuer.secrets(), key, clock::now(), unix_time());
        Self {
            router: Arc::new(PacketRouter::new(relay)),
            issuer,
            last_socket: AtomicU16::new(0),
            stream_slots: Arc::default(),
            host: options.host.clone(),
            reach: RwLock::new(None),
        }
    }

    /// Accepts the credentials that the issuer issues now.
    pub(super) fn update_secrets(&self) {
        let secrets = self.issuer.secrets();
        self.router.relay().set_secrets(secrets);
    }

    /// Ends the allocations of a user, and refuses its credentials from now on.
    pub(super) fn revoke(&self, user: Token) {
        self.router.relay().revoke(user, clock::now());
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
        let credential = || {
            // The credential has the time of the system's clock, which may have been set since the last expiry.
            self.router.relay().set_clock(clock::now(), unix_time());
            // A user who was not welcome may be so again, with the same session.
            self.router.relay().reinstate(user);
            self.issuer.issue(user)
        };
        ice_servers(port, self.host.as_ref(), route, this_machine, credential)
    }

    /// Opens a UDP socket. It is closed when the handle is dropped.
    pub(super) fn listen_udp(
        &self,
        address: SocketAddr,
        both_families: bool,
        supervisor: &Supervisor,
    ) -> io::Result<UdpListener> {
        let number = self.last_socket.fetch_add(1, Ordering::Relaxed) + 1;
        let port = Arc::new(UdpPort::bind(number, address, both_families)?);
        self.router.add_socket(port.clone());
        let task = supervisor.spawn("TURN socket", udp_task::run(port, self.router.clone()));
        Ok(UdpListener { router: self.router.clone(), number, _task: task })
    }

    /// Serves a TCP or TLS connection until it ends.
    pub(crate) async fn serve_stream(&self, stream: Stream, remote: SocketAddr, local: SocketAddr) {
        let Some(slot) = self.stream_slots.acquire(remote.ip()) else {
            tracing::debug!("too many TURN connections; connection closed");
            return;
        };
        // Best effort: without it, media is only later on a slow network.
        let _ = stream.set_send_buffer_size(STREAM_SEND_BUFFER);
        if let Err(error) = stream::serve(&self.router, stream, slot, remote, local).await {
            tracing::debug!(%error, "TURN connection closed");
        }
    }

    /// Removes expired allocations, forever.
    pub(crate) async fn run_expiry(self: Arc<Self>) {
        loop {
            tokio::time::sleep(EXPIRY_INTERVAL).await;
            let mut relay = self.router.relay();
            relay.set_clock(clock::now(), unix_time());
            relay.expire(clock::now());
        }
    }

    pub(crate) fn counters(&self) -> RelayCounters {
        self.router.relay().counters()
    }
}

/// RAII guard of a UDP socket: closes it on drop, with the allocations of its clients.
#[derive(Debug)]
pub(super) struct UdpListener {
    router: Arc<PacketRouter>,
    number: u16,
    _task: AbortOnDropHandle<()>,
}

impl Drop for UdpListener {
    fn drop(&mut self) {
        self.router.remove_socket(self.number);
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
