//! Filter of a connection's STUN packets, which the WebRTC library lacks.
//!
//! - Packets to addresses that have never answered are paced, directly and through a relay: the other side chooses these
//!   addresses, and the server those of STUN and TURN servers. An address has answered when a response with the transaction ID
//!   of a request to it came from there, which nobody can forge who does not receive its packets.
//! - Connectivity checks without valid credentials are dropped: the library resolves role conflicts (RFC 8445, section 7.3.1.1)
//!   before it authenticates them, so that anybody could change this side's role.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use rtc::crypto::RTCCryptoProvider;
use rtc::stun::attributes::ATTR_USERNAME;
use rtc::stun::integrity::MessageIntegrity;
use rtc::stun::message::Message;

use super::check_pacer::{CheckPacer, Urgency};
use super::stun_packet::{CHANNEL_BIND, Class, DATA, SEND, StunPacket, Transaction, channel_data};
use crate::addresses::{MDNS_PORT, is_unicast};
use crate::description::IceCredentials;

/// Group of mDNS for IPv4 (RFC 6762, section 3). The library uses no other.
const MDNS_GROUP: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(224, 0, 0, 251)), MDNS_PORT);

/// Paths remembered as answered, the oldest of which are forgotten, and must answer again: four times the candidates of one
/// generation.
const MAX_ANSWERED: usize = 256;

/// Unanswered requests remembered: as many as the pacer permits in half a minute.
const MAX_REQUESTS: usize = 512;

/// Addresses that send checks without having answered any, for one generation of credentials. Each becomes a candidate of the
/// library (peer-reflexive). As many as candidates may be signalled.
const MAX_REQUESTERS: usize = 64;

/// Channels of all relays.
const MAX_CHANNELS: usize = 512;

/// Generations of this side's credentials: during an ICE restart checks with the former ones still arrive, and offers can be
/// rolled back.
const MAX_CREDENTIALS: usize = 4;

/// Where packets go: an address, directly or through a relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Destination {
    /// The local address and the TURN server of an allocation.
    relay: Option<(SocketAddr, SocketAddr)>,
    address: SocketAddr,
}

/// What a paced packet is. A newer packet of the same kind replaces it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum PacketKind {
    /// STUN request of a method.
    Request(u16),
    /// STUN response.
    Response,
    /// mDNS query, by a hash of its content.
    Query(u64),
}

/// A path on which packets are paced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct PacedPath {
    local: SocketAddr,
    destination: Destination,
    kind: PacketKind,
}

/// A paced packet, and the socket that sends it.
pub(super) struct PacedPacket<S> {
    pub to: SocketAddr,
    pub packet: Vec<u8>,
    pub socket: S,
    /// Of a request.
    transaction: Option<Transaction>,
}

/// Decision on a packet to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outgoing {
    /// It is sent as usual.
    Pass,
    /// It is queued, and perhaps due already.
    Paced,
    /// It is not sent.
    Dropped,
}

/// Decision on a received packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Incoming {
    /// The library gets it.
    Pass,
    /// The library does not get it.
    Dropped,
}

/// State of the filter. `S` is the socket that sends a paced packet.
pub(super) struct StunFilter<S> {
    crypto: Option<Arc<dyn RTCCryptoProvider>>,
    pacer: CheckPacer<PacedPath, PacedPacket<S>>,
    answered: VecDeque<Destination>,
    requests: VecDeque<(Transaction, Destination)>,
    requesters: VecDeque<Destination>,
    /// Local address, TURN server and number of a channel, and its peer.
    channels: VecDeque<(SocketAddr, SocketAddr, u16, SocketAddr)>,
    credentials: VecDeque<IceCredentials>,
}

impl<S> StunFilter<S> {
    pub fn new() -> Self {
        Self {
            // Without cryptography no connection can be created either.
            crypto: rtc::crypto::default_provider().ok(),
            pacer: CheckPacer::new(),
            answered: VecDeque::new(),
            requests: VecDeque::new(),
            requesters: VecDeque::new(),
            channels: VecDeque::new(),
            credentials: VecDeque::new(),
        }
    }

    /// Adds credentials of this side, which checks may carry from now on.
    pub fn add_credentials(&mut self, credentials: IceCredentials) {
        if self.credentials.contains(&credentials) {
            return;
        }
        self.requesters.clear();
        push(&mut self.credentials, credentials, MAX_CREDENTIALS);
    }

    /// Decides on a packet to send from a local address. `socket` sends it if it is paced.
    pub fn outgoing(
        &mut self,
        now: Instant,
        local: SocketAddr,
        to: SocketAddr,
        packet: &[u8],
        socket: impl FnOnce() -> S,
    ) -> Outgoing {
        let direct = Destination { relay: None, address: to };
        let relayed = |address| Destination { relay: Some((local, to)), address };
        if local.port() == MDNS_PORT {
            if to != MDNS_GROUP {
                return Outgoing::Dropped;
            }
            let mut hasher = DefaultHasher::new();
            packet.hash(&mut hasher);
            let path = PacedPath { local, destination: direct, kind: PacketKind::Query(hasher.finish()) };
            let packet = PacedPacket { to, packet: packet.to_vec(), socket: socket(), transaction: None };
            self.pacer.submit(now, path, Urgency::Unsolicited, packet);
            return Outgoing::Paced;
        }
        if !is_unicast(to) {
            return Outgoing::Dropped;
        }
        let (destination, inner) = match (StunPacket::parse(packet), channel_data(packet)) {
            (Some(stun), _) if stun.class == Class::Indication && stun.method == SEND => match stun.peer() {
                Some(peer) => (relayed(peer), stun.data().and_then(StunPacket::parse)),
                None => return Outgoing::Dropped,
            },
            (None, Some((number, data))) => match self.peer_of(local, to, number) {
                Some(peer) => (relayed(peer), StunPacket::parse(data)),
                // The library binds channels before it uses them.
                None => return Outgoing::Pass,
            },
            (stun, _) => (direct, stun),
        };
        // The library sends anything but STUN on a pair only that has answered a check.
        let Some(stun) = inner else { return Outgoing::Pass };
        if destination == direct
            && stun.class == Class::Request
            && stun.method == CHANNEL_BIND
            && let (Some(number), Some(peer)) = (stun.channel(), stun.peer())
        {
            self.bind(local, to, number, peer);
        }
        let kind = match stun.class {
            _ if self.answered.contains(&destination) => return Outgoing::Pass,
            Class::Request => PacketKind::Request(stun.method),
            Class::Response => PacketKind::Response,
            Class::Indication => return Outgoing::Pass,
        };
        let is_reply = kind == PacketKind::Response || self.requesters.contains(&destination);
        let urgency = if is_reply { Urgency::Reply } else { Urgency::Unsolicited };
        let transaction = (stun.class == Class::Request).then_some(stun.transaction);
        let packet = PacedPacket { to, packet: packet.to_vec(), socket: socket(), transaction };
        self.pacer.submit(now, PacedPath { local, destination, kind }, urgency, packet);
        Outgoing::Paced
    }

    /// Takes a paced packet that is due.
    pub fn take_due(&mut self, now: Instant) -> Option<PacedPacket<S>> {
        let (path, packet) = self.pacer.take_due(now)?;
        if let Some(transaction) = packet.transaction {
            push(&mut self.requests, (transaction, path.destination), MAX_REQUESTS);
        }
        Some(packet)
    }

    /// When the next paced packet is due; `None` if none waits.
    pub fn next_due(&self) -> Option<Instant> {
        self.pacer.next_due()
    }

    /// Forgets the packets that wait for a socket.
    pub fn socket_closed(&mut self, local: SocketAddr) {
        self.pacer.release(|path| path.local == local);
    }

    /// Decides on a packet received at a local address. Appends paced packets that are due because of it.
    pub fn incoming(
        &mut self,
        local: SocketAddr,
        from: SocketAddr,
        packet: &[u8],
        due: &mut Vec<PacedPacket<S>>,
    ) -> Incoming {
        if local.port() == MDNS_PORT {
            return Incoming::Pass;
        }
        let relayed = |address| Destination { relay: Some((local, from)), address };
        // In the library's order: what has the magic cookie is no `ChannelData`.
        let (destination, inner) = match (StunPacket::parse(packet), channel_data(packet)) {
            (Some(stun), _) if stun.class == Class::Indication && stun.method == DATA => {
                match (stun.peer(), stun.data()) {
                    (Some(peer), Some(data)) => (relayed(peer), data),
                    _ => return Incoming::Dropped,
                }
            }
            (Some(_), _) => (Destination { relay: None, address: from }, packet),
            (None, Some((number, data))) => match self.peer_of(local, from, number) {
                Some(peer) => (relayed(peer), data),
                // The library knows no such channel either.
                None => return Incoming::Pass,
            },
            (None, None) => return Incoming::Pass,
        };
        match StunPacket::parse(inner) {
            // DTLS and RTP for the library, whatever follows (RFC 7983).
            Some(_) if matches!(inner.first(), Some(20..=63 | 128..=191)) => Incoming::Pass,
            Some(stun) if stun.class == Class::Request => self.request_received(destination, inner),
            Some(stun) if stun.class == Class::Response => {
                let request = (stun.transaction, destination);
                if self.requests.contains(&request) {
                    due.extend(self.answered(destination));
                }
                Incoming::Pass
            }
            _ => Incoming::Pass,
        }
    }

    fn request_received(&mut self, from: Destination, packet: &[u8]) -> Incoming {
        if !self.is_authentic(packet) {
            return Incoming::Dropped;
        }
        if !self.answered.contains(&from) && !self.requesters.contains(&from) {
            if self.requesters.len() >= MAX_REQUESTERS {
                return Incoming::Dropped;
            }
            self.requesters.push_back(from);
        }
        Incoming::Pass
    }

    /// Whether a check carries the user name and the integrity code of this side's credentials (RFC 8445, section 7.3).
    fn is_authentic(&self, packet: &[u8]) -> bool {
        let mut message = Message { raw: packet.to_vec(), ..Message::default() };
        let Some(crypto) = &self.crypto else { return false };
        if message.decode().is_err() {
            return false;
        }
        let Ok(username) = message.get(ATTR_USERNAME) else { return false };
        self.credentials.iter().any(|credentials| {
            let is_named =
                username.strip_prefix(credentials.ufrag.as_bytes()).is_some_and(|rest| rest.starts_with(b":"));
            is_named && MessageIntegrity::check(&mut message, credentials.password.as_bytes(), crypto.crypto()).is_ok()
        })
    }

    /// Stops pacing packets to a destination, and returns those that wait.
    fn answered(&mut self, destination: Destination) -> Vec<PacedPacket<S>> {
        push(&mut self.answered, destination, MAX_ANSWERED);
        self.requests.retain(|(_, to)| *to != destination);
        self.requesters.retain(|from| *from != destination);
        let released = self.pacer.release(|path| path.destination == destination);
        released.into_iter().map(|(_, packet)| packet).collect()
    }

    fn bind(&mut self, local: SocketAddr, server: SocketAddr, number: u16, peer: SocketAddr) {
        self.channels.retain(|(l, s, n, _)| (*l, *s, *n) != (local, server, number));
        push(&mut self.channels, (local, server, number, peer), MAX_CHANNELS);
    }

    fn peer_of(&self, local: SocketAddr, server: SocketAddr, number: u16) -> Option<SocketAddr> {
        let found = self.channels.iter().find(|(l, s, n, _)| (*l, *s, *n) == (local, server, number));
        found.map(|(.., peer)| *peer)
    }
}

/// Appends to a bounded queue, which forgets the oldest element.
fn push<T>(queue: &mut VecDeque<T>, element: T, limit: usize) {
    if queue.len() >= limit {
        queue.pop_front();
    }
    queue.push_back(element);
}

/// A filter that counts the packets that it paces, for fuzzing.
#[cfg(feature = "inspect")]
pub(crate) struct StunFilterProbe {
    filter: StunFilter<()>,
    /// When packets were sent in the last second.
    sent: VecDeque<Instant>,
}

#[cfg(feature = "inspect")]
impl StunFilterProbe {
    const LOCAL: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 4_000);

    pub fn new(credentials: IceCredentials) -> Self {
        let mut filter = StunFilter::new();
        filter.add_credentials(credentials);
        Self { filter, sent: VecDeque::new() }
    }

    /// Sends a packet, and what is due.
    pub fn send(&mut self, now: Instant, to: SocketAddr, packet: &[u8]) {
        self.filter.outgoing(now, Self::LOCAL, to, packet, || ());
        while self.filter.take_due(now).is_some() {
            self.sent.push_back(now);
        }
        self.sent.retain(|at| now.saturating_duration_since(*at) < std::time::Duration::from_secs(1));
        assert!(self.sent.len() < 20, "{} packets in a second", self.sent.len());
    }

    /// Receives a packet.
    pub fn receive(&mut self, from: SocketAddr, packet: &[u8]) {
        self.filter.incoming(Self::LOCAL, from, packet, &mut Vec::new());
        let limits = [
            (self.filter.answered.len(), MAX_ANSWERED),
            (self.filter.requests.len(), MAX_REQUESTS),
            (self.filter.requesters.len(), MAX_REQUESTERS),
            (self.filter.channels.len(), MAX_CHANNELS),
        ];
        assert!(limits.iter().all(|(length, limit)| length <= limit), "{limits:?}");
    }
}

#[cfg(test)]
mod tests;
