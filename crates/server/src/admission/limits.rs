//! Limits per address prefix and per user: connections, logins, resumed sessions and wrong secrets.

use std::{
    collections::{HashMap, hash_map::Entry},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use hutong_protocol::{NameKey, Token};

use super::failure_tracker::{FailureTracker, LockoutPolicy, SecretVerdict};
use crate::{addr_prefix::AddrPrefix, rate_limiter::RateLimiter, token_bucket::Allowance};

/// New connections per address prefix. An office of 500 people that opens the page at once makes about 3,500.
const CONNECTIONS_PER_PREFIX: Allowance = Allowance { burst: 5_000.0, per_second: 200.0 };

/// Logins per address prefix. An office of 500 people returns at once after a server restart, up to twice.
const LOGINS_PER_PREFIX: Allowance = Allowance { burst: 2_000.0, per_second: 20.0 };

/// Logins per connection. Our clients open a new connection for each login.
pub(crate) const LOGINS_PER_CONNECTION: Allowance = Allowance { burst: 5.0, per_second: 0.1 };

/// Resumed sessions per user. A bad network may break a connection every few seconds for a while.
const RESUMES_PER_USER: Allowance = Allowance { burst: 30.0, per_second: 0.2 };

/// Lockout of an address prefix. In an office of 500 people, fifty may mistype in the morning.
pub(crate) const PREFIX_LOCKOUT: LockoutPolicy = LockoutPolicy {
    free_failures: 50,
    forgive_every: Duration::from_secs(300),
    first_delay: Duration::from_secs(1),
    max_delay: Duration::from_secs(600),
    max_concurrent: 16,
};

/// Lockout of a name, over all addresses. The delay stays short, or an attacker could lock the name's owner out.
pub(crate) const NAME_LOCKOUT: LockoutPolicy = LockoutPolicy {
    free_failures: 10,
    forgive_every: Duration::from_secs(60),
    first_delay: Duration::from_secs(1),
    max_delay: Duration::from_secs(60),
    max_concurrent: 4,
};

/// Keys in each of the tables: a few megabytes in all.
const MAX_KEYS: usize = 65_536;

/// Connections per address prefix beyond its WebSocket connections: page loads, and clients that are being refused.
const EXTRA_CONNECTIONS: usize = 512;

/// Shortest time between two warnings about an untrusted proxy, which would otherwise come with each request.
const PROXY_WARNING_INTERVAL: Duration = Duration::from_secs(3_600);

/// State of all limits, shared by all connections.
#[derive(Debug)]
pub(crate) struct AdmissionLimits {
    max_websockets: usize,
    connections: Mutex<HashMap<AddrPrefix, usize>>,
    websockets: Mutex<HashMap<AddrPrefix, usize>>,
    connection_rate: Mutex<RateLimiter<AddrPrefix>>,
    login_rate: Mutex<RateLimiter<AddrPrefix>>,
    resume_rate: Mutex<RateLimiter<Token>>,
    prefix_failures: Mutex<FailureTracker<AddrPrefix>>,
    name_failures: Mutex<FailureTracker<NameKey>>,
    last_proxy_warning: Mutex<Option<Instant>>,
}

impl AdmissionLimits {
    /// `max_websockets`: WebSocket connections that one address prefix may have open.
    pub(crate) fn new(max_websockets: usize) -> Self {
        Self {
            max_websockets,
            connections: Mutex::default(),
            websockets: Mutex::default(),
            connection_rate: Mutex::new(RateLimiter::new(CONNECTIONS_PER_PREFIX, MAX_KEYS)),
            login_rate: Mutex::new(RateLimiter::new(LOGINS_PER_PREFIX, MAX_KEYS)),
            resume_rate: Mutex::new(RateLimiter::new(RESUMES_PER_USER, MAX_KEYS)),
            prefix_failures: Mutex::new(FailureTracker::new(PREFIX_LOCKOUT, MAX_KEYS)),
            name_failures: Mutex::new(FailureTracker::new(NAME_LOCKOUT, MAX_KEYS)),
            last_proxy_warning: Mutex::default(),
        }
    }

    /// Counts a new connection. `None` if its address has too many; no limit applies without an address.
    pub(crate) fn acquire_connection(self: &Arc<Self>, address: Option<IpAddr>, now: Instant) -> Option<SlotGuard> {
        let prefix = address.map(AddrPrefix::of);
        if prefix.is_some_and(|prefix| !lock(&self.connection_rate).take(prefix, now)) {
            return None;
        }
        self.acquire(SlotKind::Connection, prefix, self.max_websockets.saturating_add(EXTRA_CONNECTIONS))
    }

    /// Counts a new WebSocket. `None` if its address has too many; no limit applies without an address.
    pub(crate) fn acquire_websocket(self: &Arc<Self>, address: Option<IpAddr>) -> Option<SlotGuard> {
        self.acquire(SlotKind::WebSocket, address.map(AddrPrefix::of), self.max_websockets)
    }

    /// Takes a login from the address's rate. Returns whether one was left.
    pub(crate) fn take_login(&self, address: IpAddr, now: Instant) -> bool {
        lock(&self.login_rate).take(AddrPrefix::of(address), now)
    }

    /// Takes a resumed session from the user's rate. Returns whether one was left.
    pub(crate) fn take_resume(&self, user: Token, now: Instant) -> bool {
        lock(&self.resume_rate).take(user, now)
    }

    /// Begins to check a secret. `None` while the address or the name is locked out.
    pub(crate) fn begin_attempt(
        &self,
        address: IpAddr,
        name: Option<&NameKey>,
        now: Instant,
    ) -> Option<SecretAttempt<'_>> {
        let prefix = AddrPrefix::of(address);
        if !lock(&self.prefix_failures).try_begin(&prefix, now) {
            return None;
        }
        if name.is_some_and(|name| !lock(&self.name_failures).try_begin(name, now)) {
            lock(&self.prefix_failures).finish(&prefix, SecretVerdict::Unchecked, now);
            return None;
        }
        Some(SecretAttempt { limits: self, prefix, name: name.cloned(), finished: false })
    }

    /// Logs, at most once an hour, that a proxy on this machine is not trusted.
    pub(crate) fn warn_untrusted_proxy(&self, proxy: IpAddr, now: Instant) {
        let mut last = lock(&self.last_proxy_warning);
        if last.is_none_or(|last| now.saturating_duration_since(last) >= PROXY_WARNING_INTERVAL) {
            *last = Some(now);
            tracing::warn!(
                %proxy,
                "forwarding header of an untrusted local proxy ignored; no per-address limit applies to the proxy's \
                 clients; to trust the proxy, add --trusted-proxy"
            );
        }
    }

    fn acquire(self: &Arc<Self>, kind: SlotKind, prefix: Option<AddrPrefix>, limit: usize) -> Option<SlotGuard> {
        if let Some(prefix) = prefix {
            let mut counts = lock(self.counts(kind));
            let count = counts.entry(prefix).or_insert(0);
            if *count >= limit {
                if *count == 0 {
                    counts.remove(&prefix);
                }
                return None;
            }
            *count += 1;
        }
        Some(SlotGuard(prefix.map(|prefix| (self.clone(), kind, prefix))))
    }

    const fn counts(&self, kind: SlotKind) -> &Mutex<HashMap<AddrPrefix, usize>> {
        match kind {
            SlotKind::Connection => &self.connections,
            SlotKind::WebSocket => &self.websockets,
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum SlotKind {
    Connection,
    WebSocket,
}

/// RAII guard: one connection or WebSocket of an address prefix. Releases its slot on drop. Empty for exempt addresses.
#[derive(Debug)]
pub(crate) struct SlotGuard(Option<(Arc<AdmissionLimits>, SlotKind, AddrPrefix)>);

impl Drop for SlotGuard {
    fn drop(&mut self) {
        let Some((limits, kind, prefix)) = self.0.take() else { return };
        if let Entry::Occupied(mut count) = lock(limits.counts(kind)).entry(prefix) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

/// RAII guard: a secret that is being checked. Dropped without a verdict, it counts as unchecked.
#[derive(Debug)]
pub(crate) struct SecretAttempt<'l> {
    limits: &'l AdmissionLimits,
    prefix: AddrPrefix,
    name: Option<NameKey>,
    finished: bool,
}

impl SecretAttempt<'_> {
    pub(crate) fn finish(mut self, verdict: SecretVerdict, now: Instant) {
        self.finish_once(verdict, now);
    }

    fn finish_once(&mut self, verdict: SecretVerdict, now: Instant) {
        if std::mem::replace(&mut self.finished, true) {
            return;
        }
        if lock(&self.limits.prefix_failures).finish(&self.prefix, verdict, now) {
            tracing::warn!(
                "too many wrong secrets from one address; each further failure doubles the delay for this address"
            );
        }
        if let Some(name) = &self.name
            && lock(&self.limits.name_failures).finish(name, verdict, now)
        {
            tracing::warn!(
                "too many wrong passwords for one name; each further failure doubles the delay for this name"
            );
        }
    }
}

impl Drop for SecretAttempt<'_> {
    fn drop(&mut self) {
        self.finish_once(SecretVerdict::Unchecked, Instant::now());
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No code under these locks can panic halfway through a change.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use hutong_protocol::Name;

    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_office_of_500_is_not_limited() {
        let now = Instant::now();
        let limits = Arc::new(AdmissionLimits::new(2_000));
        for office in [address("192.0.2.1"), address("2001:db8::1")] {
            // The page takes seven connections, one of which becomes a WebSocket; and everybody reconnects at once.
            let open: Vec<_> =
                (0..500 * 7).map(|_| limits.acquire_connection(Some(office), now).unwrap()).take(1_500).collect();
            let websockets: Vec<_> = (0..500).map(|_| limits.acquire_websocket(Some(office)).unwrap()).collect();
            assert!((0..1_000).all(|_| limits.take_login(office, now)));
            drop((open, websockets));
        }
        assert!(lock(&limits.connections).is_empty() && lock(&limits.websockets).is_empty());
    }

    #[test]
    fn websockets_are_limited_per_address_prefix_and_unlimited_without_one() {
        let limits = Arc::new(AdmissionLimits::new(3));
        let host = |host: u16| address(&format!("2001:db8::{host:x}"));
        let mut open: Vec<_> = (0..3).map(|number| limits.acquire_websocket(Some(host(number))).unwrap()).collect();
        assert!(limits.acquire_websocket(Some(host(77))).is_none());
        assert!(limits.acquire_websocket(Some(address("192.0.2.1"))).is_some());
        assert!((0..100).all(|_| limits.acquire_websocket(None).is_some()));
        open.pop();
        assert!(limits.acquire_websocket(Some(host(77))).is_some());
        assert!(Arc::new(AdmissionLimits::new(0)).acquire_websocket(Some(host(1))).is_none());
    }

    #[test]
    fn a_flood_of_connections_or_logins_is_cut_to_the_steady_rate() {
        let start = Instant::now();
        let limits = Arc::new(AdmissionLimits::new(usize::MAX));
        // 100,000 events in ten seconds.
        let flood = |pass: &dyn Fn(Instant) -> bool| {
            (0..100_000_u32).filter(|number| pass(start + Duration::from_micros(100) * *number)).count()
        };
        let from = address("192.0.2.1");
        let connections = flood(&|now| limits.acquire_connection(Some(from), now).is_some());
        assert!((6_999..=7_000).contains(&connections), "{connections}");
        let logins = flood(&|now| limits.take_login(from, now));
        assert!((2_199..=2_200).contains(&logins), "{logins}");
        let resumes = flood(&|now| limits.take_resume(Token(1), now));
        assert!((31..=32).contains(&resumes), "{resumes}");
    }

    #[test]
    fn wrong_secrets_lock_out_their_address_and_their_name() {
        let now = Instant::now();
        let limits = AdmissionLimits::new(1);
        let name = Name::new("Ana").unwrap().key();
        let try_wrong = |from: &str, name: Option<&NameKey>| {
            let attempt = limits.begin_attempt(address(from), name, now);
            attempt.map(|attempt| attempt.finish(SecretVerdict::Wrong, now)).is_some()
        };
        // One name, from many addresses.
        let tried = (0..100).filter(|host| try_wrong(&format!("192.0.2.{host}"), Some(&name))).count();
        assert_eq!(tried, NAME_LOCKOUT.free_failures as usize + 1);
        // One address, for many names. An attempt for a locked name does not count against the address.
        assert!(!try_wrong("198.51.100.1", Some(&name)));
        let tried = (0..100).filter(|_| try_wrong("198.51.100.1", None)).count();
        assert_eq!(tried, PREFIX_LOCKOUT.free_failures as usize + 1);
        assert!(try_wrong("198.51.100.2", None));
        // A dropped attempt has no effect.
        drop(limits.begin_attempt(address("198.51.100.3"), None, now));
        assert!(try_wrong("198.51.100.3", None));
    }
}
