//! Table of all allocations, by client and by relayed address, and what each user has of them.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Instant,
};

use hmac::{Hmac, Mac};
use sha2::Sha256;
use stun_types::message::TransactionId;

use super::{
    allocation::{Allocation, UserId},
    client::ClientAddress,
};
use crate::{
    addr_prefix::{AddrPrefix, SitePrefix},
    token_bucket::{Allowance, TokenBucket},
};

/// First of the virtual ports.
const FIRST_PORT: u32 = 1_024;

/// Number of the virtual ports.
const PORTS: u32 = 65_536 - FIRST_PORT;

/// Ports that are tried for an allocation. With a quarter of them taken, one in 10^19 attempts finds none.
const PORT_ATTEMPTS: usize = 32;

/// Limits of the table.
#[derive(Clone, Copy, Debug)]
pub struct AllocationLimits {
    /// Allocations in all.
    pub all: usize,
    /// Allocations of one user.
    pub per_user: usize,
    /// Of all users behind one address prefix.
    pub per_source: SourceLimits,
    /// Of all users of one IPv6 site.
    pub per_site: SourceLimits,
    /// Bytes that a user may send.
    pub user_bytes: Allowance,
}

/// Limits of all users behind a source together.
#[derive(Clone, Copy, Debug)]
pub struct SourceLimits {
    /// Allocations.
    pub allocations: usize,
    /// Bytes that they may send.
    pub bytes: Allowance,
}

/// The part of a client's address by which its allocations are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Source {
    Prefix(AddrPrefix),
    Site(SitePrefix),
}

impl Source {
    /// The sources of an address: its prefix, and the site of an IPv6 address.
    fn all_of(address: IpAddr) -> impl Iterator<Item = Self> {
        let prefix = AddrPrefix::of(address);
        [Some(Self::Prefix(prefix)), prefix.site().map(Self::Site)].into_iter().flatten()
    }

    const fn limits(self, limits: &AllocationLimits) -> SourceLimits {
        match self {
            Self::Prefix(_) => limits.per_source,
            Self::Site(_) => limits.per_site,
        }
    }
}

/// All allocations.
#[derive(Debug)]
pub struct Allocations {
    limits: AllocationLimits,
    by_client: HashMap<ClientAddress, Allocation>,
    by_relayed: HashMap<SocketAddr, ClientAddress>,
    user_ids: HashMap<Arc<str>, UserId>,
    users: HashMap<UserId, UserRecord>,
    last_user: u64,
    sources: HashMap<Source, SourceRecord>,
    /// Number of allocations by the address that their relayed addresses have.
    by_ip: HashMap<IpAddr, usize>,
    ports: PortSequence,
}

/// A user with at least one allocation.
#[derive(Debug)]
struct UserRecord {
    name: Arc<str>,
    allocations: usize,
    bytes: TokenBucket,
}

/// A source with at least one allocation.
#[derive(Debug)]
struct SourceRecord {
    allocations: usize,
    bytes: TokenBucket,
}

/// A limit that an allocation would exceed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AllocateError {
    /// The user, or the users behind its address, have too many.
    Quota,
    /// There are too many in all.
    Full,
}

/// The inputs of a new allocation.
#[derive(Clone, Copy, Debug)]
pub struct NewAllocation<'u> {
    pub client: ClientAddress,
    pub user: &'u str,
    /// Address of the relayed address.
    pub ip: IpAddr,
    pub port: PortChoice,
    pub transaction: TransactionId,
    pub expires: Instant,
}

/// The ports that a client accepts (RFC 8656, section 18.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortChoice {
    Any,
    Even,
}

impl Allocations {
    /// An empty table. `port_key` must be random.
    pub fn new(limits: AllocationLimits, port_key: &[u8; 32]) -> Self {
        Self {
            limits,
            by_client: HashMap::new(),
            by_relayed: HashMap::new(),
            user_ids: HashMap::new(),
            users: HashMap::new(),
            last_user: 0,
            sources: HashMap::new(),
            by_ip: HashMap::new(),
            ports: PortSequence::new(port_key),
        }
    }

    /// Creates an allocation, and returns its relayed address. The client must have none.
    pub fn insert(&mut self, new: NewAllocation<'_>, now: Instant) -> Result<SocketAddr, AllocateError> {
        if self.by_client.len() >= self.limits.all {
            return Err(AllocateError::Full);
        }
        let is_used_up = |source: Source| {
            let used = self.sources.get(&source).map_or(0, |record| record.allocations);
            used >= source.limits(&self.limits).allocations
        };
        if Source::all_of(new.client.remote.ip()).any(is_used_up) {
            return Err(AllocateError::Quota);
        }
        let known = self.user_ids.get(new.user).copied();
        let used = known.and_then(|id| self.users.get(&id)).map_or(0, |record| record.allocations);
        if used >= self.limits.per_user {
            return Err(AllocateError::Quota);
        }
        let mut candidates = (0..PORT_ATTEMPTS).map(|_| SocketAddr::new(new.ip, self.ports.next(new.port)));
        let relayed = candidates.find(|relayed| !self.by_relayed.contains_key(relayed)).ok_or(AllocateError::Full)?;
        let user = known.unwrap_or_else(|| self.add_user(new.user, now));
        if let Some(record) = self.users.get_mut(&user) {
            record.allocations += 1;
        }
        for source in Source::all_of(new.client.remote.ip()) {
            let bytes = TokenBucket::full(source.limits(&self.limits).bytes, now);
            self.sources.entry(source).or_insert(SourceRecord { allocations: 0, bytes }).allocations += 1;
        }
        *self.by_ip.entry(new.ip).or_default() += 1;
        self.by_relayed.insert(relayed, new.client);
        self.by_client.insert(new.client, Allocation::new(relayed, user, new.transaction, now, new.expires));
        Ok(relayed)
    }

    fn add_user(&mut self, name: &str, now: Instant) -> UserId {
        self.last_user += 1;
        let id = UserId(self.last_user);
        let name: Arc<str> = name.into();
        self.user_ids.insert(name.clone(), id);
        let bytes = TokenBucket::full(self.limits.user_bytes, now);
        self.users.insert(id, UserRecord { name, allocations: 0, bytes });
        id
    }

    /// The client's allocation, unless it has expired.
    pub fn get(&self, client: &ClientAddress, now: Instant) -> Option<&Allocation> {
        self.by_client.get(client).filter(|allocation| allocation.expires > now)
    }

    /// The client's allocation, unless it has expired.
    pub fn get_mut(&mut self, client: &ClientAddress, now: Instant) -> Option<&mut Allocation> {
        self.by_client.get_mut(client).filter(|allocation| allocation.expires > now)
    }

    /// The client and allocation with this relayed address, unless it has expired.
    pub fn by_relayed(&self, relayed: &SocketAddr, now: Instant) -> Option<(&ClientAddress, &Allocation)> {
        let client = self.by_relayed.get(relayed)?;
        Some((client, self.get(client, now)?))
    }

    /// Whether an allocation has a relayed address with this IP address.
    pub fn has_relayed_ip(&self, ip: IpAddr) -> bool {
        self.by_ip.contains_key(&ip)
    }

    /// Whether an allocation belongs to the user with this name.
    pub fn belongs_to(&self, allocation: &Allocation, user: &str) -> bool {
        self.user_ids.get(user) == Some(&allocation.user)
    }

    /// Takes bytes from the rates of a user and of its sources. Returns whether there were as many.
    pub fn take_bytes(&mut self, user: UserId, from: IpAddr, bytes: usize, now: Instant) -> bool {
        let (limits, bytes) = (self.limits, bytes as f64);
        self.users.get_mut(&user).is_some_and(|record| record.bytes.take_many(limits.user_bytes, bytes, now))
            && Source::all_of(from).all(|source| {
                let record = self.sources.get_mut(&source);
                record.is_some_and(|record| record.bytes.take_many(source.limits(&limits).bytes, bytes, now))
            })
    }

    /// Removes the client's allocation, if it has one.
    pub fn remove(&mut self, client: &ClientAddress) {
        let Some(allocation) = self.by_client.remove(client) else { return };
        self.by_relayed.remove(&allocation.relayed);
        let ip = allocation.relayed.ip();
        if let Some(count) = self.by_ip.get_mut(&ip) {
            *count -= 1;
            if *count == 0 {
                self.by_ip.remove(&ip);
            }
        }
        for source in Source::all_of(client.remote.ip()) {
            if let Some(record) = self.sources.get_mut(&source) {
                record.allocations -= 1;
                if record.allocations == 0 {
                    self.sources.remove(&source);
                }
            }
        }
        if let Some(record) = self.users.get_mut(&allocation.user) {
            record.allocations -= 1;
            if record.allocations == 0 {
                self.user_ids.remove(&record.name);
                self.users.remove(&allocation.user);
            }
        }
    }

    /// Removes the allocations of the user with this name.
    pub fn remove_user(&mut self, name: &str) {
        if let Some(user) = self.user_ids.get(name).copied() {
            self.remove_where(|_, allocation| allocation.user == user);
        }
    }

    /// Removes the allocations that have expired.
    pub fn expire(&mut self, now: Instant) {
        self.remove_where(|_, allocation| allocation.expires <= now);
    }

    /// Removes the allocations for which the predicate holds.
    pub fn remove_where(&mut self, predicate: impl Fn(&ClientAddress, &Allocation) -> bool) {
        let matching = self.by_client.iter().filter(|(client, allocation)| predicate(client, allocation));
        for client in matching.map(|(client, _)| *client).collect::<Vec<_>>() {
            self.remove(&client);
        }
    }

    pub fn len(&self) -> usize {
        self.by_client.len()
    }

    pub fn users(&self) -> usize {
        self.users.len()
    }
}

/// Ports that others cannot predict: a user who could would send packets to somebody else's allocation.
#[derive(Clone)]
struct PortSequence {
    mac: Hmac<Sha256>,
    counter: u64,
}

impl PortSequence {
    fn new(key: &[u8; 32]) -> Self {
        let mut block = [0; 64];
        block[..key.len()].copy_from_slice(key);
        Self { mac: <Hmac<Sha256> as hmac::digest::KeyInit>::new(&block.into()), counter: 0 }
    }

    fn next(&mut self, choice: PortChoice) -> u16 {
        self.counter += 1;
        let mut mac = self.mac.clone();
        mac.update(&self.counter.to_be_bytes());
        let [a, b, c, d, ..] = <[u8; 32]>::from(mac.finalize().into_bytes());
        // The bias of a remainder is 2^-16 here.
        let port = FIRST_PORT + u32::from_be_bytes([a, b, c, d]) % PORTS;
        let port = u16::try_from(port).unwrap_or(u16::MAX);
        match choice {
            PortChoice::Any => port,
            PortChoice::Even => port & !1,
        }
    }
}

impl std::fmt::Debug for PortSequence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PortSequence").field("counter", &self.counter).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{super::client::ClientTransport, *};

    const LIMITS: AllocationLimits = AllocationLimits {
        all: 10,
        per_user: 10,
        per_source: SourceLimits { allocations: 10, bytes: Allowance { burst: 1_500.0, per_second: 100.0 } },
        per_site: SourceLimits { allocations: 10, bytes: Allowance { burst: 2_500.0, per_second: 100.0 } },
        user_bytes: Allowance { burst: 1_000.0, per_second: 100.0 },
    };
    const LIFETIME: Duration = Duration::from_secs(600);

    fn client(port: u16) -> ClientAddress {
        ClientAddress {
            transport: ClientTransport::Udp { socket: 0 },
            remote: SocketAddr::from(([192, 0, 2, 1], port)),
            local: SocketAddr::from(([203, 0, 113, 1], 443)),
        }
    }

    fn insert(table: &mut Allocations, port: u16, user: &str, now: Instant) -> Result<SocketAddr, AllocateError> {
        insert_from(table, client(port), user, now)
    }

    fn insert_from(
        table: &mut Allocations,
        client: ClientAddress,
        user: &str,
        now: Instant,
    ) -> Result<SocketAddr, AllocateError> {
        let expires = now + LIFETIME;
        let ip = client.local.ip();
        table.insert(NewAllocation { client, user, ip, port: PortChoice::Even, transaction: 7.into(), expires }, now)
    }

    #[test]
    fn limits_apply_to_each_user_and_to_all() {
        let now = Instant::now();
        let mut table = Allocations::new(AllocationLimits { all: 3, per_user: 2, ..LIMITS }, &[7; 32]);
        let first = insert(&mut table, 1, "ana", now).unwrap();
        let second = insert(&mut table, 2, "ana", now).unwrap();
        assert_ne!(first, second);
        assert_eq!((first.port() % 2, second.port() % 2), (0, 0));
        assert_eq!(insert(&mut table, 3, "ana", now), Err(AllocateError::Quota));
        insert(&mut table, 3, "bo", now).unwrap();
        assert_eq!(insert(&mut table, 4, "cleo", now), Err(AllocateError::Full));
        table.remove(&client(1));
        insert(&mut table, 4, "ana", now).unwrap();
        assert_eq!((table.len(), table.users()), (3, 2));
    }

    #[test]
    fn nothing_remains_of_expired_allocations() {
        let now = Instant::now();
        let mut table = Allocations::new(LIMITS, &[7; 32]);
        let relayed = insert(&mut table, 1, "ana", now).unwrap();
        assert!(table.by_relayed(&relayed, now).is_some() && table.has_relayed_ip(relayed.ip()));
        assert!(
            table.by_relayed(&relayed, now + LIFETIME).is_none() && table.get(&client(1), now + LIFETIME).is_none()
        );
        insert(&mut table, 2, "ana", now + Duration::from_secs(1)).unwrap();
        table.expire(now + LIFETIME);
        assert_eq!((table.len(), table.users()), (1, 1));
        table.expire(now + LIFETIME * 2);
        let Allocations { by_client, by_relayed, user_ids, users, sources, by_ip, .. } = &table;
        assert_eq!((by_client.len(), by_relayed.len(), user_ids.len(), users.len()), (0, 0, 0, 0));
        assert_eq!((sources.len(), by_ip.len()), (0, 0));
    }

    #[test]
    fn the_byte_rate_is_that_of_all_allocations_of_a_user() {
        let now = Instant::now();
        let mut table = Allocations::new(LIMITS, &[7; 32]);
        insert(&mut table, 1, "ana", now).unwrap();
        insert(&mut table, 2, "ana", now).unwrap();
        insert(&mut table, 3, "bo", now).unwrap();
        let [ana, other, bo] = [1, 2, 3].map(|port| table.get(&client(port), now).unwrap().user);
        assert_eq!(ana, other);
        let from = client(1).remote.ip();
        let mut take = |user, bytes, now| table.take_bytes(user, from, bytes, now);
        assert!(take(ana, 900, now) && !take(other, 101, now) && take(bo, 500, now));
        assert!(!take(bo, 200, now), "all users behind this address have sent enough");
        assert!(take(ana, 100, now + Duration::from_secs(3)));
    }

    #[test]
    fn users_behind_one_address_share_a_limit() {
        let now = Instant::now();
        let per_source = SourceLimits { allocations: 2, ..LIMITS.per_source };
        let mut table = Allocations::new(AllocationLimits { per_source, ..LIMITS }, &[7; 32]);
        insert(&mut table, 1, "ana", now).unwrap();
        insert(&mut table, 2, "bo", now).unwrap();
        assert_eq!(insert(&mut table, 3, "cleo", now), Err(AllocateError::Quota));
        table.remove_user("ana");
        insert(&mut table, 3, "cleo", now).unwrap();
        assert!(table.get(&client(1), now).is_none() && table.get(&client(2), now).is_some());
    }

    #[test]
    fn users_of_one_ipv6_site_share_limits_whatever_their_prefixes() {
        let now = Instant::now();
        let per_source = SourceLimits { allocations: 1, ..LIMITS.per_source };
        let per_site = SourceLimits { allocations: 3, ..LIMITS.per_site };
        let mut table = Allocations::new(AllocationLimits { per_source, per_site, ..LIMITS }, &[7; 32]);
        let in_prefix = |site: u16, prefix: u16| ClientAddress {
            remote: SocketAddr::from(([0x2001, 0xdb8, site, prefix, 0, 0, 0, 1], 1)),
            ..client(1)
        };
        let names: Vec<_> = (0..5).map(|user| format!("user {user}")).collect();
        for (prefix, name) in (0..3).zip(&names) {
            insert_from(&mut table, in_prefix(1, prefix), name, now).unwrap();
        }
        assert_eq!(insert_from(&mut table, in_prefix(1, 3), &names[3], now), Err(AllocateError::Quota));
        insert_from(&mut table, in_prefix(2, 0), &names[3], now).unwrap();
        let sent = |table: &mut Allocations, site, prefix| {
            let client = in_prefix(site, prefix);
            let user = table.get(&client, now).unwrap().user;
            table.take_bytes(user, client.remote.ip(), 1_000, now)
        };
        let of_site = [0, 1, 2].map(|prefix| sent(&mut table, 1, prefix));
        assert_eq!((of_site, sent(&mut table, 2, 0)), ([true, true, false], true));
        table.remove(&in_prefix(1, 0));
        insert_from(&mut table, in_prefix(1, 3), &names[4], now).unwrap();
        table.expire(now + LIFETIME);
        assert_eq!((table.len(), table.sources.len()), (0, 0));
    }

    #[test]
    fn all_ports_are_equally_likely() {
        let mut ports = PortSequence::new(&[7; 32]);
        let mut counts = [0_u32; 63];
        for _ in 0..63_000 {
            let port = ports.next(PortChoice::Any);
            assert!(port >= 1_024);
            counts[usize::from((port - 1_024) / 1_024)] += 1;
        }
        // The standard deviation is 31.
        assert!(counts.iter().all(|count| (800..1_200).contains(count)), "{counts:?}");
    }
}
