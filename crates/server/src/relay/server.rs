//! The relay: takes packets of clients, returns the packets to send.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    ops::Range,
    time::{Duration, Instant},
};

use hutong_protocol::Token;
use stun_types::{
    attribute::AttributeStaticType,
    message::{BINDING, Message, MessageClass},
};
use turn_types::{
    attribute::{Data, XorPeerAddress},
    message::SEND,
};

use super::{
    allocations::{AllocationLimits, Allocations, SourceLimits},
    attributes::has_unknown_attributes,
    client::{ClientAddress, ClientTransport},
    counters::RelayCounters,
    credentials::{MAX_CREDENTIAL_LIFETIME, TurnSecrets},
    framing::{HEADER, PacketHeader},
    nonce::NonceSigner,
    response,
};
use crate::{
    addr_rate_limiter::AddrRateLimiter,
    token_bucket::{Allowance, TokenBucket},
};

/// Requests of clients without an allocation that are handled, for each address prefix, over UDP and over streams; an IPv6 /48 has
/// four times as many. An office of
/// 100 people behind one address may start its calls in the same second. The answers are short, so a spoofed source receives
/// at most 20 kB/s.
const REQUESTS_PER_PREFIX: Allowance = Allowance { burst: 2_000.0, per_second: 200.0 };

/// Address prefixes, and IPv6 sites, whose rate is limited at a time.
const MAX_PREFIXES: usize = 16_384;

/// Bytes that a packet counts besides its payload: the headers with which it leaves the server. Without them, small packets would
/// cost more than the limits say.
pub(super) const PACKET_OVERHEAD: usize = 64;

/// Longest payload in bytes. Media has up to 1,500, and a longer one from an address that a client does not expect might harm it.
const MAX_PAYLOAD: usize = 2_000;

/// Of all allocations, the part that users behind one address prefix may have together, 1 / 16, and those of one IPv6 site, 1 / 4.
const SOURCE_ALLOCATIONS: usize = 16;
const SITE_ALLOCATIONS: usize = 4;

/// Of the byte rate of all users, the part that users behind one address prefix may have together, 1 / 4, and those of one IPv6
/// site, 1 / 2.
const SOURCE_BYTES: u32 = 4;
const SITE_BYTES: u32 = 2;

/// Users whose credentials are revoked at a time. Each has logged in, which is rate-limited.
const MAX_REVOKED: usize = 16_384;

/// Relayed IPv4 address where the server has no other: the dummy address of RFC 7600, section 4.8, which is never routed.
const DUMMY_IPV4: Ipv4Addr = Ipv4Addr::new(192, 0, 0, 8);

/// Relayed IPv6 address where the server has no other: in the discard prefix of RFC 6666.
const DUMMY_IPV6: Ipv6Addr = Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 8);

/// Longest request in bytes. Those of clients have a few hundred; only a Send indication carries data.
const MAX_REQUEST: usize = 2_048;

/// Realm of the credentials (RFC 8489, section 9.2).
pub(super) const REALM: &str = "hutong";

/// Limits of a relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelayLimits {
    /// Allocations in all; a sixteenth of it for the users behind one address, a quarter for those of an IPv6 /48. Each takes about half a kilobyte.
    pub allocations: usize,
    /// Allocations of one user. A browser makes one for each server URL and network interface, and as many again at an ICE
    /// restart; those of a page that crashed stay for ten minutes.
    pub allocations_per_user: usize,
    /// Bytes a second that one user may send. Each packet counts 64 besides its payload.
    pub user_bytes_per_second: u32,
    /// Bytes a second that all users together may send; those behind one address a quarter of it.
    pub bytes_per_second: u32,
}

impl Default for RelayLimits {
    /// 16,384 allocations, 48 for each user; 12 Mbit/s for each user, several times a video call; 1 Gbit/s in all.
    fn default() -> Self {
        Self {
            allocations: 16_384,
            allocations_per_user: 48,
            user_bytes_per_second: 1_500_000,
            bytes_per_second: 125_000_000,
        }
    }
}

/// Configuration of a relay.
#[derive(Clone, Copy, Debug, Default)]
pub struct RelayConfig {
    /// Limits.
    pub limits: RelayLimits,
    /// Relayed IPv4 address of clients that reach the server by IPv6.
    pub ipv4: Option<Ipv4Addr>,
    /// Relayed IPv6 address of clients that reach the server by IPv4.
    pub ipv6: Option<Ipv6Addr>,
}

/// A STUN and TURN server without sockets.
#[derive(Debug)]
pub struct Relay {
    pub(super) config: RelayConfig,
    pub(super) secrets: TurnSecrets,
    pub(super) nonces: NonceSigner,
    pub(super) allocations: Allocations,
    pub(super) counters: RelayCounters,
    /// Requests over UDP, whose sources can be forged, of clients without an allocation.
    udp_requests: AddrRateLimiter,
    /// The same over streams, which forged packets must not use up.
    stream_requests: AddrRateLimiter,
    total_bytes: TokenBucket,
    /// Users whose credentials are refused, until those have expired.
    revoked: HashMap<String, Duration>,
    /// A moment and its Unix time.
    clock: (Instant, Duration),
}

/// A packet to send. On a byte stream, padding follows it ([`framing::padding`](super::framing::padding)).
#[derive(Debug, PartialEq, Eq)]
pub struct Transmit {
    /// The client to send it to.
    pub to: ClientAddress,
    /// The packet.
    pub packet: TransmitPacket,
}

/// The bytes of a packet to send.
#[derive(Debug, PartialEq, Eq)]
pub enum TransmitPacket {
    /// This range of the received packet, which the relay has changed for it: media is not copied.
    Received(Range<usize>),
    /// A packet of its own.
    Written(Vec<u8>),
    /// The response to the received packet, which its sender waits for.
    Response(Vec<u8>),
}

impl TransmitPacket {
    /// The bytes, given the received packet.
    #[must_use]
    pub fn bytes<'p>(&'p self, received: &'p [u8]) -> &'p [u8] {
        match self {
            Self::Received(range) => received.get(range.clone()).unwrap_or_default(),
            Self::Written(packet) | Self::Response(packet) => packet,
        }
    }
}

/// What a received packet leads to.
enum Outcome {
    /// Nothing.
    Ignore,
    /// This response to the sender.
    Respond(Vec<u8>),
    /// The payload in this range of the packet goes to the peer.
    Relay { peer: SocketAddr, payload: Range<usize> },
}

impl Relay {
    /// A relay without allocations, as of `now`, which is the Unix time `unix_time`. `key` signs nonces, and must be random.
    #[must_use]
    pub fn new(config: RelayConfig, secrets: TurnSecrets, key: &[u8; 32], now: Instant, unix_time: Duration) -> Self {
        let limits = config.limits;
        Self {
            config,
            secrets,
            nonces: NonceSigner::new(key),
            allocations: Allocations::new(allocation_limits(&limits), key),
            counters: RelayCounters::default(),
            udp_requests: AddrRateLimiter::new(REQUESTS_PER_PREFIX, MAX_PREFIXES),
            stream_requests: AddrRateLimiter::new(REQUESTS_PER_PREFIX, MAX_PREFIXES),
            total_bytes: TokenBucket::full(one_second_of(limits.bytes_per_second), now),
            revoked: HashMap::new(),
            clock: (now, unix_time),
        }
    }

    /// Accepts credentials of these secrets from now on. Allocations stay.
    pub fn set_secrets(&mut self, secrets: TurnSecrets) {
        self.secrets = secrets;
    }

    /// Removes a user's allocations, and refuses its credentials from now on.
    pub fn revoke(&mut self, user: Token, now: Instant) {
        let (name, unix_time) = (user.0.to_string(), self.unix_time(now));
        self.allocations.remove_user(&name);
        if self.revoked.len() >= MAX_REVOKED {
            self.revoked.retain(|_, until| *until > unix_time);
        }
        if self.revoked.len() < MAX_REVOKED {
            self.revoked.insert(name, unix_time + MAX_CREDENTIAL_LIFETIME);
        }
    }

    /// Accepts a user's credentials again, if they were revoked.
    pub fn reinstate(&mut self, user: Token) {
        if !self.revoked.is_empty() {
            self.revoked.remove(&user.0.to_string());
        }
    }

    /// Whether a user's credentials are refused.
    pub(super) fn is_revoked(&self, user: &str) -> bool {
        self.revoked.contains_key(user)
    }

    /// Sets the Unix time of `now`. The system's clock may be wrong when the server starts.
    pub const fn set_clock(&mut self, now: Instant, unix_time: Duration) {
        self.clock = (now, unix_time);
    }

    /// Handles a packet from a client, and returns the packet to send. May change the received one. Packets that are no STUN
    /// message or `ChannelData` are ignored.
    pub fn receive(&mut self, from: ClientAddress, packet: &mut [u8], now: Instant) -> Option<Transmit> {
        let outcome = match packet.first()? {
            0x00..=0x03 => self.handle_stun(from, packet, now),
            0x40..=0x7F => self.handle_channel_data(from, packet, now),
            _ => Outcome::Ignore,
        };
        match outcome {
            Outcome::Ignore => None,
            Outcome::Respond(response) => Some(Transmit { to: from, packet: TransmitPacket::Response(response) }),
            Outcome::Relay { peer, payload } => self.relay(from, peer, packet, payload, now),
        }
    }

    /// Removes the client's allocation, because its connection was closed.
    pub fn disconnect(&mut self, client: &ClientAddress) {
        self.allocations.remove(client);
    }

    /// Removes the allocations of all clients of a UDP socket, because it was closed.
    pub fn close_socket(&mut self, socket: u16) {
        self.allocations.remove_where(|client, _| client.transport == ClientTransport::Udp { socket });
    }

    /// When the client's allocation expires; `None` without one.
    #[must_use]
    pub fn expires(&self, client: &ClientAddress, now: Instant) -> Option<Instant> {
        self.allocations.get(client, now).map(|allocation| allocation.expires)
    }

    /// Removes what has expired. Nothing expired is used before, but it takes memory, and its user's quota.
    pub fn expire(&mut self, now: Instant) {
        self.allocations.expire(now);
        let unix_time = self.unix_time(now);
        self.revoked.retain(|_, until| *until > unix_time);
    }

    /// The counters.
    #[must_use]
    pub fn counters(&self) -> RelayCounters {
        RelayCounters { allocations: self.allocations.len(), users: self.allocations.users(), ..self.counters }
    }

    pub(super) fn unix_time(&self, now: Instant) -> Duration {
        let (moment, unix_time) = self.clock;
        unix_time + now.saturating_duration_since(moment)
    }

    /// Whether to handle a request of this client. A client with an allocation has a rate of its own; others share that of their
    /// address, whose requests anybody can forge.
    fn take_request(&mut self, from: &ClientAddress, now: Instant) -> bool {
        let is_handled = match (self.allocations.get_mut(from, now), from.transport) {
            (Some(allocation), _) => allocation.take_request(now),
            (None, ClientTransport::Udp { .. }) => self.udp_requests.take(from.remote.ip(), now),
            (None, ClientTransport::Stream { .. }) => self.stream_requests.take(from.remote.ip(), now),
        };
        self.counters.ignored_requests += u64::from(!is_handled);
        is_handled
    }

    fn handle_stun(&mut self, from: ClientAddress, packet: &[u8], now: Instant) -> Outcome {
        // The parser would read attributes beyond the announced length.
        let announced = packet.first_chunk().and_then(|header| PacketHeader::parse(*header));
        if announced.map(|header| header.length) != Some(packet.len()) {
            return Outcome::Ignore;
        }
        let Ok(message) = Message::from_bytes(packet) else { return Outcome::Ignore };
        let response = match (message.class(), message.method()) {
            (MessageClass::Indication, SEND) => return self.handle_send(from, &message, now),
            (MessageClass::Request, _) if packet.len() > MAX_REQUEST || !self.take_request(&from, now) => None,
            (MessageClass::Request, BINDING) => Self::handle_binding(from, &message),
            (MessageClass::Request, method) => self.handle_request(from, method, &message, now),
            _ => None,
        };
        response.map_or(Outcome::Ignore, Outcome::Respond)
    }

    /// RFC 8656, section 11.2.
    fn handle_send(&self, from: ClientAddress, message: &Message<'_>, now: Instant) -> Outcome {
        let peer = message.attribute::<XorPeerAddress>().map(|peer| peer.addr(message.transaction_id()));
        let data = message.raw_attribute_and_offset(Data::TYPE);
        let (Ok(peer), Some((offset, data))) = (peer, data) else { return Outcome::Ignore };
        if has_unknown_attributes(message, &[Data::TYPE]) {
            return Outcome::Ignore;
        }
        let start = offset + HEADER;
        match self.allocations.get(&from, now) {
            Some(allocation) if allocation.permits(peer.ip(), now) => {
                Outcome::Relay { peer, payload: start..start + data.value.len() }
            }
            _ => Outcome::Ignore,
        }
    }

    /// RFC 8656, section 12.6.
    fn handle_channel_data(&self, from: ClientAddress, packet: &[u8], now: Instant) -> Outcome {
        let Some(([number_high, number_low, length_high, length_low], rest)) = packet.split_first_chunk::<HEADER>()
        else {
            return Outcome::Ignore;
        };
        let number = u16::from_be_bytes([*number_high, *number_low]);
        let length = usize::from(u16::from_be_bytes([*length_high, *length_low]));
        let peer = self.allocations.get(&from, now).and_then(|allocation| allocation.peer_of(number, now));
        match peer {
            Some(peer) if length <= rest.len() => Outcome::Relay { peer, payload: HEADER..HEADER + length },
            _ => Outcome::Ignore,
        }
    }

    /// Passes a payload on to the client with the relayed address `peer`, if that permits it.
    fn relay(
        &mut self,
        from: ClientAddress,
        peer: SocketAddr,
        packet: &mut [u8],
        payload: Range<usize>,
        now: Instant,
    ) -> Option<Transmit> {
        let sender = self.allocations.get(&from, now)?;
        let (relayed, user) = (sender.relayed, sender.user);
        let total = one_second_of(self.config.limits.bytes_per_second);
        let length = payload.len();
        if length > MAX_PAYLOAD {
            return None;
        }
        // Packets that reach nobody count, too: they may be a search for others' ports.
        let charged = length + PACKET_OVERHEAD;
        if !self.allocations.take_bytes(user, from.remote.ip(), charged, now)
            || !self.total_bytes.take_many(total, charged as f64, now)
        {
            self.counters.rate_limited_packets += 1;
            return None;
        }
        let (to, receiver) = self.allocations.by_relayed(&peer, now)?;
        if !receiver.permits(relayed.ip(), now) {
            return None;
        }
        let (to, channel) = (*to, receiver.channel_of(relayed, now));
        self.counters.relayed_packets += 1;
        self.counters.relayed_bytes += length as u64;
        let Some(channel) = channel else {
            // Any number will do: clients match no request by it.
            let transaction = u128::from(self.counters.relayed_packets).into();
            let indication = response::data_indication(relayed, packet.get(payload)?, transaction)?;
            return Some(Transmit { to, packet: TransmitPacket::Written(indication) });
        };
        // A payload has at least the four bytes of its own header before it, in which the new header has room.
        let start = payload.start.checked_sub(HEADER)?;
        let range = start..payload.end;
        let packet = packet.get_mut(range.clone())?;
        let [number_high, number_low] = channel.to_be_bytes();
        let [length_high, length_low] = u16::try_from(length).ok()?.to_be_bytes();
        packet.get_mut(..HEADER)?.copy_from_slice(&[number_high, number_low, length_high, length_low]);
        Some(Transmit { to, packet: TransmitPacket::Received(range) })
    }

    /// The IP address of a client's relayed address: the one that the client reached, if that is of the requested family.
    pub(super) fn relayed_ip(&self, client: &ClientAddress, family: Family) -> IpAddr {
        let local = client.local.ip().to_canonical();
        match family {
            _ if local.is_unspecified() => self.other_ip(family),
            Family::Ipv4 if local.is_ipv4() => local,
            Family::Ipv6 if local.is_ipv6() => local,
            _ => self.other_ip(family),
        }
    }

    fn other_ip(&self, family: Family) -> IpAddr {
        match family {
            Family::Ipv4 => self.config.ipv4.unwrap_or(DUMMY_IPV4).into(),
            Family::Ipv6 => self.config.ipv6.unwrap_or(DUMMY_IPV6).into(),
        }
    }
}

/// The family of an IP address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Ipv4,
    Ipv6,
}

impl Family {
    pub(super) const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::Ipv4,
            IpAddr::V6(_) => Self::Ipv6,
        }
    }
}

fn allocation_limits(limits: &RelayLimits) -> AllocationLimits {
    let of_all = |allocations: usize, bytes: u32| SourceLimits {
        allocations: (limits.allocations / allocations).max(limits.allocations_per_user),
        bytes: one_second_of((limits.bytes_per_second / bytes).max(limits.user_bytes_per_second)),
    };
    AllocationLimits {
        all: limits.allocations,
        per_user: limits.allocations_per_user,
        per_source: of_all(SOURCE_ALLOCATIONS, SOURCE_BYTES),
        per_site: of_all(SITE_ALLOCATIONS, SITE_BYTES),
        user_bytes: one_second_of(limits.user_bytes_per_second),
    }
}

fn one_second_of(bytes: u32) -> Allowance {
    Allowance { burst: f64::from(bytes), per_second: f64::from(bytes) }
}
