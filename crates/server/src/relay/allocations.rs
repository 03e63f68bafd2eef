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
use crate::token_bucket::{Allowance, TokenBucket};

/// First of the virtual ports.
const FIRST_PORT: u16 = 1_024;

/// Ports that are tried for an allocation. With a quarter of them taken, one in 10^19 attempts finds none.
const PORT_ATTEMPTS: usize = 32;

/// All allocations.
#[derive(Debug)]
pub struct Allocations {
    max: usize,
    max_per_user: usize,
    user_bytes: Allowance,
    by_client: HashMap<ClientAddress, Allocation>,
    by_relayed: HashMap<SocketAddr, ClientAddress>,
    user_ids: HashMap<Arc<str>, UserId>,
    users: HashMap<UserId, UserRecord>,
    last_user: u64,
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

/// A limit that an allocation would exceed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AllocateError {
    /// The user has too many.
    UserQuota,
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
    /// An empty table for up to `max` allocations. `user_bytes`: bytes that a user may send.
    pub fn new(max: usize, max_per_user: usize, user_bytes: Allowance, port_key: &[u8; 32]) -> Self {
        Self {
            max,
            max_per_user,
            user_bytes,
            by_client: HashMap::new(),
            by_relayed: HashMap::new(),
            user_ids: HashMap::new(),
            users: HashMap::new(),
            last_user: 0,
            by_ip: HashMap::new(),
            ports: PortSequence::new(port_key),
        }
    }

    /// Creates an allocation, and returns its relayed address. The client must have none.
    pub fn insert(&mut self, new: NewAllocation<'_>, now: Instant) -> Result<SocketAddr, AllocateError> {
        if self.by_client.len() >= self.max {
            return Err(AllocateError::Full);
        }
        let known = self.user_ids.get(new.user).copied();
        let used = known.and_then(|id| self.users.get(&id)).map_or(0, |record| record.allocations);
        if used >= self.max_per_user {
            return Err(AllocateError::UserQuota);
        }
        let mut candidates = (0..PORT_ATTEMPTS).map(|_| SocketAddr::new(new.ip, self.ports.next(new.port)));
        let relayed = candidates.find(|relayed| !self.by_relayed.contains_key(relayed)).ok_or(AllocateError::Full)?;
        let user = known.unwrap_or_else(|| self.add_user(new.user, now));
        if let Some(record) = self.users.get_mut(&user) {
            record.allocations += 1;
        }
        *self.by_ip.entry(new.ip).or_default() += 1;
        self.by_relayed.insert(relayed, new.client);
        self.by_client.insert(new.client, Allocation::new(relayed, user, new.transaction, new.expires));
        Ok(relayed)
    }

    fn add_user(&mut self, name: &str, now: Instant) -> UserId {
        self.last_user += 1;
        let id = UserId(self.last_user);
        let name: Arc<str> = name.into();
        self.user_ids.insert(name.clone(), id);
        let bytes = TokenBucket::full(self.user_bytes, now);
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

    /// Takes bytes from the rate of a user. Returns whether there were as many.
    pub fn take_bytes(&mut self, user: UserId, bytes: usize, now: Instant) -> bool {
        let allowance = self.user_bytes;
        let record = self.users.get_mut(&user);
        record.is_some_and(|record| record.bytes.take_many(allowance, bytes as f64, now))
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
        if let Some(record) = self.users.get_mut(&allocation.user) {
            record.allocations -= 1;
            if record.allocations == 0 {
                self.user_ids.remove(&record.name);
                self.users.remove(&allocation.user);
            }
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
        let [high, low, ..] = <[u8; 32]>::from(mac.finalize().into_bytes());
        let port = u16::from_be_bytes([high, low]).max(FIRST_PORT);
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

    const BYTES: Allowance = Allowance { burst: 1_000.0, per_second: 100.0 };
    const LIFETIME: Duration = Duration::from_secs(600);

    fn client(port: u16) -> ClientAddress {
        ClientAddress {
            transport: ClientTransport::Udp { socket: 0 },
            remote: SocketAddr::from(([192, 0, 2, 1], port)),
            local: SocketAddr::from(([203, 0, 113, 1], 443)),
        }
    }

    fn insert(table: &mut Allocations, port: u16, user: &str, now: Instant) -> Result<SocketAddr, AllocateError> {
        let client = client(port);
        let expires = now + LIFETIME;
        let ip = client.local.ip();
        table.insert(NewAllocation { client, user, ip, port: PortChoice::Even, transaction: 7.into(), expires }, now)
    }

    #[test]
    fn limits_apply_to_each_user_and_to_all() {
        let now = Instant::now();
        let mut table = Allocations::new(3, 2, BYTES, &[7; 32]);
        let first = insert(&mut table, 1, "ana", now).unwrap();
        let second = insert(&mut table, 2, "ana", now).unwrap();
        assert_ne!(first, second);
        assert_eq!((first.port() % 2, second.port() % 2), (0, 0));
        assert_eq!(insert(&mut table, 3, "ana", now), Err(AllocateError::UserQuota));
        insert(&mut table, 3, "bo", now).unwrap();
        assert_eq!(insert(&mut table, 4, "cleo", now), Err(AllocateError::Full));
        table.remove(&client(1));
        insert(&mut table, 4, "ana", now).unwrap();
        assert_eq!((table.len(), table.users()), (3, 2));
    }

    #[test]
    fn nothing_remains_of_expired_allocations() {
        let now = Instant::now();
        let mut table = Allocations::new(10, 10, BYTES, &[7; 32]);
        let relayed = insert(&mut table, 1, "ana", now).unwrap();
        assert!(table.by_relayed(&relayed, now).is_some() && table.has_relayed_ip(relayed.ip()));
        assert!(
            table.by_relayed(&relayed, now + LIFETIME).is_none() && table.get(&client(1), now + LIFETIME).is_none()
        );
        insert(&mut table, 2, "ana", now + Duration::from_secs(1)).unwrap();
        table.expire(now + LIFETIME);
        assert_eq!((table.len(), table.users()), (1, 1));
        table.expire(now + LIFETIME * 2);
        let Allocations { by_client, by_relayed, user_ids, users, by_ip, .. } = &table;
        assert_eq!((by_client.len(), by_relayed.len(), user_ids.len(), users.len(), by_ip.len()), (0, 0, 0, 0, 0));
    }

    #[test]
    fn the_byte_rate_is_that_of_all_allocations_of_a_user() {
        let now = Instant::now();
        let mut table = Allocations::new(10, 10, BYTES, &[7; 32]);
        insert(&mut table, 1, "ana", now).unwrap();
        insert(&mut table, 2, "ana", now).unwrap();
        insert(&mut table, 3, "bo", now).unwrap();
        let [ana, other, bo] = [1, 2, 3].map(|port| table.get(&client(port), now).unwrap().user);
        assert_eq!(ana, other);
        assert!(
            table.take_bytes(ana, 900, now) && !table.take_bytes(other, 101, now) && table.take_bytes(bo, 900, now)
        );
        assert!(table.take_bytes(ana, 150, now + Duration::from_millis(500)));
    }
}
