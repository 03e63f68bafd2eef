//! Requests of clients: Binding without credentials, and those of TURN with them (RFC 8656, sections 7 to 12).

use std::{
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use stun_types::{
    AddressFamily,
    attribute::{
        Attribute, AttributeFromRaw, AttributeStaticType, MessageIntegrity, MessageIntegritySha256, Nonce, Realm,
        Username as UsernameAttribute, XorMappedAddress,
    },
    message::{IntegrityKey, Message, Method, StunParseError},
};
use turn_types::{
    attribute::{
        ChannelNumber, EvenPort, Lifetime, RequestedAddressFamily, RequestedTransport, XorPeerAddress,
        XorRelayedAddress,
    },
    message::{ALLOCATE, CHANNEL_BIND, CREATE_PERMISSION, REFRESH},
};

use super::{
    allocation::ChangeError,
    allocations::{AllocateError, NewAllocation, PortChoice},
    attributes::unknown_attributes,
    client::ClientAddress,
    credentials::Username,
    framing::HEADER,
    response::{self, Code},
    server::{Family, REALM, Relay},
};

/// Lifetime of an allocation whose client requests no longer one, or none (RFC 8656, section 3.2).
const DEFAULT_LIFETIME: Duration = Duration::from_secs(600);

/// Longest lifetime of an allocation (RFC 8656, section 7.2).
const MAX_LIFETIME: Duration = Duration::from_hours(1);

/// How long after the expiry of its credential an allocation can be refreshed. A longer call reconnects with a new one.
const MAX_ALLOCATION_AGE: Duration = Duration::from_hours(24);

/// UDP, as a protocol number of IP: the only transport between the relay and peers.
const UDP: u8 = 17;

/// Peer addresses of one `CreatePermission` that are looked at.
const MAX_PEERS: usize = 32;

/// A request whose credentials are right.
struct AuthenticatedRequest<'m> {
    from: ClientAddress,
    message: &'m Message<'m>,
    username: Username<'m>,
    key: IntegrityKey,
}

impl AuthenticatedRequest<'_> {
    fn error(&self, code: Code) -> Option<Vec<u8>> {
        response::error(self.message, code, Some(&self.key))
    }

    fn attribute<'a, A: AttributeFromRaw<'a> + AttributeStaticType>(&'a self) -> Option<A> {
        self.message.attribute::<A>().ok()
    }
}

impl Relay {
    /// RFC 8489, section 12.
    pub(super) fn handle_binding(from: ClientAddress, message: &Message<'_>) -> Option<Vec<u8>> {
        let unknown: Vec<_> = unknown_attributes(message, &[]).collect();
        if !unknown.is_empty() {
            return response::unknown_attributes(message, &unknown, None);
        }
        response::success(message, &[&XorMappedAddress::new(mapped(from), message.transaction_id())], None)
    }

    /// Handles a request that needs credentials. Unknown methods are ignored (RFC 8489, section 6.3).
    pub(super) fn handle_request(
        &mut self,
        from: ClientAddress,
        method: Method,
        message: &Message<'_>,
        now: Instant,
    ) -> Option<Vec<u8>> {
        if ![ALLOCATE, REFRESH, CREATE_PERMISSION, CHANNEL_BIND].contains(&method) {
            return None;
        }
        let request = match self.authenticate(from, method, message, now) {
            Ok(request) => request,
            Err(code) => return self.refuse(from, message, code, now),
        };
        let unknown: Vec<_> = unknown_attributes(message, &[]).collect();
        if !unknown.is_empty() {
            return response::unknown_attributes(message, &unknown, Some(&request.key));
        }
        if method == ALLOCATE {
            return self.allocate(&request, now);
        }
        match self.allocations.get(&from, now) {
            None => return request.error(Code::AllocationMismatch),
            Some(allocation) if !self.allocations.belongs_to(allocation, request.username.user) => {
                return request.error(Code::WrongCredentials);
            }
            Some(_) => {}
        }
        match method {
            REFRESH => self.refresh(&request, now),
            CREATE_PERMISSION => self.create_permission(&request, now),
            _ => self.bind_channel(&request, now),
        }
    }

    /// Checks nonce, username and message integrity (RFC 8489, section 9.2.4). The error is the code to answer with.
    fn authenticate<'m>(
        &self,
        from: ClientAddress,
        method: Method,
        message: &'m Message<'m>,
        now: Instant,
    ) -> Result<AuthenticatedRequest<'m>, Code> {
        let has_integrity =
            message.has_attribute(MessageIntegrity::TYPE) || message.has_attribute(MessageIntegritySha256::TYPE);
        if !has_integrity {
            return Err(Code::Unauthenticated);
        }
        let nonce = message.attribute::<Nonce>().map_err(|_| Code::BadRequest)?;
        if !message.has_attribute(Realm::TYPE) {
            return Err(Code::BadRequest);
        }
        if !message.has_attribute(UsernameAttribute::TYPE) {
            return Err(Code::BadRequest);
        }
        let unix_time = self.unix_time(now);
        if !self.nonces.is_valid(nonce.nonce(), from.remote.ip(), unix_time) {
            return Err(Code::StaleNonce);
        }
        let text = username_text(message).ok_or(Code::Unauthenticated)?;
        let username = Username::parse(text).ok_or(Code::Unauthenticated)?;
        // A call may last longer than its credentials: only new allocations need current ones.
        let is_valid = if method == ALLOCATE {
            username.is_valid_at(unix_time)
        } else {
            unix_time <= username.expires + MAX_ALLOCATION_AGE
        };
        if !is_valid || self.is_revoked(username.user) {
            return Err(Code::Unauthenticated);
        }
        let mut keys = self.secrets.keys(text, REALM);
        let key = keys.find(|key| message.validate_integrity_with_key(key).is_ok()).ok_or(Code::Unauthenticated)?;
        Ok(AuthenticatedRequest { from, message, username, key })
    }

    /// Answers a request whose credentials are missing or wrong.
    fn refuse(&mut self, from: ClientAddress, message: &Message<'_>, code: Code, now: Instant) -> Option<Vec<u8>> {
        let is_first_attempt = !message.has_attribute(UsernameAttribute::TYPE);
        self.counters.unauthorized += u64::from(code == Code::Unauthenticated && !is_first_attempt);
        match code {
            Code::Unauthenticated | Code::StaleNonce => {
                let nonce = self.nonces.issue(from.remote.ip(), self.unix_time(now));
                response::challenge(message, code, REALM, &nonce)
            }
            _ => response::error(message, code, None),
        }
    }

    /// RFC 8656, section 7.2.
    fn allocate(&mut self, request: &AuthenticatedRequest<'_>, now: Instant) -> Option<Vec<u8>> {
        let transaction = request.message.transaction_id();
        if let Some(allocation) = self.allocations.get(&request.from, now) {
            // The response to the first transmission was lost.
            return if allocation.transaction == transaction {
                allocated(request, allocation.relayed, allocation.expires - now)
            } else {
                request.error(Code::AllocationMismatch)
            };
        }
        let Some(transport) = request.attribute::<RequestedTransport>() else {
            return request.error(Code::BadRequest);
        };
        if transport.protocol() != UDP {
            return request.error(Code::UnsupportedTransport);
        }
        let family = match requested_family(request) {
            Ok(family) => family.unwrap_or(Family::Ipv4),
            Err(code) => return request.error(code),
        };
        let port = match request.attribute::<EvenPort>() {
            None => PortChoice::Any,
            Some(even) if !even.requested() => PortChoice::Even,
            // The next port cannot be reserved.
            Some(_) => return request.error(Code::InsufficientCapacity),
        };
        let requested = request.attribute::<Lifetime>().map(|lifetime| Duration::from_secs(lifetime.seconds().into()));
        let lifetime = requested.unwrap_or_default().clamp(DEFAULT_LIFETIME, MAX_LIFETIME);
        // One that has expired, but is still in the table.
        self.allocations.remove(&request.from);
        let new = NewAllocation {
            client: request.from,
            user: request.username.user,
            ip: self.relayed_ip(&request.from, family),
            port,
            transaction,
            expires: now + lifetime,
        };
        match self.allocations.insert(new, now) {
            Ok(relayed) => {
                self.counters.created += 1;
                allocated(request, relayed, lifetime)
            }
            Err(error) => {
                self.counters.over_limit += 1;
                request.error(match error {
                    AllocateError::Quota => Code::AllocationQuotaReached,
                    AllocateError::Full => Code::InsufficientCapacity,
                })
            }
        }
    }

    /// RFC 8656, section 8.2.
    fn refresh(&mut self, request: &AuthenticatedRequest<'_>, now: Instant) -> Option<Vec<u8>> {
        let relayed = self.allocations.get(&request.from, now)?.relayed;
        match requested_family(request) {
            Ok(Some(family)) if family != Family::of(relayed.ip()) => {
                return request.error(Code::PeerAddressFamilyMismatch);
            }
            Ok(_) => {}
            Err(code) => return request.error(code),
        }
        let requested = request.attribute::<Lifetime>().map(|lifetime| Duration::from_secs(lifetime.seconds().into()));
        let lifetime = match requested {
            Some(Duration::ZERO) => {
                self.allocations.remove(&request.from);
                Duration::ZERO
            }
            requested => {
                let lifetime = requested.unwrap_or_default().clamp(DEFAULT_LIFETIME, MAX_LIFETIME);
                self.allocations.get_mut(&request.from, now)?.expires = now + lifetime;
                lifetime
            }
        };
        response::success(request.message, &[&lifetime_attribute(lifetime)], Some(&request.key))
    }

    /// RFC 8656, section 10.2.
    fn create_permission(&mut self, request: &AuthenticatedRequest<'_>, now: Instant) -> Option<Vec<u8>> {
        let attributes = request.message.iter_attributes().map(|(_, attribute)| attribute);
        let peers = attributes.filter(|attribute| attribute.get_type() == XorPeerAddress::TYPE).take(MAX_PEERS);
        let peers: Result<Vec<IpAddr>, _> = peers
            .map(|peer| Ok(XorPeerAddress::from_raw(peer)?.addr(request.message.transaction_id()).ip()))
            .collect::<Result<_, StunParseError>>();
        let Some(peers) = peers.ok().filter(|peers| !peers.is_empty()) else {
            return request.error(Code::BadRequest);
        };
        // All or none of them (RFC 8656, section 10.2).
        for peer in &peers {
            if let Err(code) = self.check_peer(request, *peer, now) {
                return request.error(code);
            }
        }
        let allocation = self.allocations.get_mut(&request.from, now)?;
        for peer in peers {
            if allocation.permit(peer, now).is_err() {
                return request.error(Code::InsufficientCapacity);
            }
        }
        response::success(request.message, &[], Some(&request.key))
    }

    /// RFC 8656, section 12.2.
    fn bind_channel(&mut self, request: &AuthenticatedRequest<'_>, now: Instant) -> Option<Vec<u8>> {
        let number = request.attribute::<ChannelNumber>();
        let peer = request.attribute::<XorPeerAddress>();
        let (Some(number), Some(peer)) = (number, peer) else { return request.error(Code::BadRequest) };
        let peer = peer.addr(request.message.transaction_id());
        if let Err(code) = self.check_peer(request, peer.ip(), now) {
            return request.error(code);
        }
        match self.allocations.get_mut(&request.from, now)?.bind(number.channel(), peer, now) {
            Ok(()) => response::success(request.message, &[], Some(&request.key)),
            Err(ChangeError::Contradiction) => request.error(Code::BadRequest),
            Err(ChangeError::Full) => request.error(Code::InsufficientCapacity),
        }
    }

    /// Checks that an allocation may have this peer: only addresses of other allocations can be reached.
    fn check_peer(&self, request: &AuthenticatedRequest<'_>, peer: IpAddr, now: Instant) -> Result<(), Code> {
        let allocation = self.allocations.get(&request.from, now).ok_or(Code::AllocationMismatch)?;
        if Family::of(allocation.relayed.ip()) != Family::of(peer) {
            return Err(Code::PeerAddressFamilyMismatch);
        }
        if self.allocations.has_relayed_ip(peer) { Ok(()) } else { Err(Code::Forbidden) }
    }
}

/// The source address of a client's packets. IPv4 clients of a socket for both families have theirs.
fn mapped(from: ClientAddress) -> SocketAddr {
    SocketAddr::new(from.remote.ip().to_canonical(), from.remote.port())
}

fn username_text<'m>(message: &'m Message<'m>) -> Option<&'m str> {
    let (offset, raw) = message.raw_attribute_and_offset(UsernameAttribute::TYPE)?;
    let start = offset + HEADER;
    std::str::from_utf8(message.as_bytes().get(start..start + raw.value.len())?).ok()
}

/// The family that a client requests. `None` if it requests none. The error is the code to answer with.
fn requested_family(request: &AuthenticatedRequest<'_>) -> Result<Option<Family>, Code> {
    match request.message.attribute::<RequestedAddressFamily>() {
        Ok(requested) => Ok(Some(match requested.family() {
            AddressFamily::IPV4 => Family::Ipv4,
            AddressFamily::IPV6 => Family::Ipv6,
        })),
        Err(StunParseError::MissingAttribute(_)) => Ok(None),
        Err(_) => Err(Code::AddressFamilyNotSupported),
    }
}

fn allocated(request: &AuthenticatedRequest<'_>, relayed: SocketAddr, lifetime: Duration) -> Option<Vec<u8>> {
    let transaction = request.message.transaction_id();
    let relayed = XorRelayedAddress::new(relayed, transaction);
    let mapped = XorMappedAddress::new(mapped(request.from), transaction);
    response::success(request.message, &[&relayed, &lifetime_attribute(lifetime), &mapped], Some(&request.key))
}

fn lifetime_attribute(lifetime: Duration) -> Lifetime {
    // Rounded up, so that a retransmission is answered with the same number.
    Lifetime::new(u32::try_from(lifetime.as_millis().div_ceil(1000)).unwrap_or(u32::MAX))
}
