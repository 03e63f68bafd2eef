//! Limits per address prefix and per user: connections, logins, resumed sessions and wrong secrets.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use hutong_protocol::{NameKey, Token};

use super::failure_tracker::{FailureTracker, LockoutPolicy, SecretVerdict};
use crate::{
    addr_prefix::{AddrPrefix, SitePrefix},
    addr_rate_limiter::AddrRateLimiter,
    rate_limiter::RateLimiter,
    slot_counts::{SlotCounts, SlotGuard},
    token_bucket::Allowance,
};

/// New connections per address prefix; an IPv6 site has four times as many. An office of 500 people that opens the page at once makes about 3,500.
const CONNECTIONS_PER_PREFIX: Allowance = Allowance { burst: 5_000.0, per_second: 200.0 };

/// Logins per address prefix; an IPv6 site has four times as many. An office of 500 people returns at once after a server restart, up to twice.
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

/// Lockout of an IPv6 site, over all its prefixes. Four times as loose as that of one prefix, and a /48 of 65,536 prefixes gets
/// no more than that.
pub(crate) const SITE_LOCKOUT: LockoutPolicy = LockoutPolicy {
    free_failures: 200,
    forgive_every: Duration::from_secs(75),
    first_delay: Duration::from_secs(1),
    max_delay: Duration::from_secs(600),
    max_concurrent: 32,
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
    connections: Arc<SlotCounts>,
    websockets: Arc<SlotCounts>,
    connection_rate: Mutex<AddrRateLimiter>,
    login_rate: Mutex<AddrRateLimiter>,
    resume_rate: Mutex<RateLimiter<Token>>,
    prefix_failures: Mutex<FailureTracker<AddrPrefix>>,
    site_failures: Mutex<FailureTracker<SitePrefix>>,
    name_failures: Mutex<FailureTracker<NameKey>>,
    last_proxy_warning: Mutex<Option<Instant>>,
}

impl AdmissionLimits {
    /// `max_websockets`: WebSocket connections that one address prefix may have open.
    pub(crate) fn new(max_websockets: usize) -> Self {
        Self {
            connections: SlotCounts::new(max_websockets.saturating_add(EXTRA_CONNECTIONS)),
            websockets: SlotCounts::new(max_websockets),
            connection_rate: Mutex::new(AddrRateLimiter::new(CONNECTIONS_PER_PREFIX, MAX_KEYS)),
            login_rate: Mutex::new(AddrRateLimiter::new(LOGINS_PER_PREFIX, MAX_KEYS)),
            resume_rate: Mutex::new(RateLimiter::new(RESUMES_PER_USER, MAX_KEYS)),
            prefix_failures: Mutex::new(FailureTracker::new(PREFIX_LOCKOUT, MAX_KEYS)),
            site_failures: Mutex::new(FailureTracker::new(SITE_LOCKOUT, MAX_KEYS)),
            name_failures: Mutex::new(FailureTracker::new(NAME_LOCKOUT, MAX_KEYS)),
            last_proxy_warning: Mutex::default(),
        }
    }

    /// Counts a new connection. `None` if its address has too many; no limit applies without an address.
    pub(crate) fn acquire_connection(&self, address: Option<IpAddr>, now: Instant) -> Option<SlotGuard> {
        if address.is_some_and(|address| !lock(&self.connection_rate).take(address, now)) {
            return None;
        }
        self.connections.acquire(address)
    }

    /// Counts a new WebSocket. `None` if its address has too many; no limit applies without an address.
    pub(crate) fn acquire_websocket(&self, address: Option<IpAddr>) -> Option<SlotGuard> {
        self.websockets.acquire(address)
    }

    /// Takes a login from the address's rate. Returns whether one was left.
    pub(crate) fn take_login(&self, address: IpAddr, now: Instant) -> bool {
        lock(&self.login_rate).take(address, now)
    }

    /// Takes a resumed session from the user's rate. Returns whether one was left.
    pub(crate) fn take_resume(&self, user: Token, now: Instant) -> bool {
        lock(&self.resume_rate).take(user, now)
    }

    /// Begins to check a secret. `None` while the address, its IPv6 site or the name is locked out.
    pub(crate) fn begin_attempt(
        &self,
        address: IpAddr,
        name: Option<&NameKey>,
        now: Instant,
    ) -> Option<SecretAttempt<'_>> {
        let prefix = AddrPrefix::of(address);
        // First, so that a site that is locked out cannot fill the table of prefixes.
        if prefix.site().is_some_and(|site| !lock(&self.site_failures).try_begin(&site, now)) {
            return None;
        }
        if !lock(&self.prefix_failures).try_begin(&prefix, now) {
            self.finish_site(prefix, SecretVerdict::Unchecked, now);
            return None;
        }
        if name.is_some_and(|name| !lock(&self.name_failures).try_begin(name, now)) {
            lock(&self.prefix_failures).finish(&prefix, SecretVerdict::Unchecked, now);
            self.finish_site(prefix, SecretVerdict::Unchecked, now);
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

    /// Ends an attempt of a prefix for its site. Returns whether it is the one that starts the site's lockout.
    fn finish_site(&self, prefix: AddrPrefix, verdict: SecretVerdict, now: Instant) -> bool {
        prefix.site().is_some_and(|site| lock(&self.site_failures).finish(&site, verdict, now))
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
        if self.limits.finish_site(self.prefix, verdict, now) {
            tracing::warn!(
                "too many wrong secrets from the addresses of one IPv6 /48; each further failure doubles the delay for this network"
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
    use proptest::prelude::*;

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
        assert!(limits.connections.is_empty() && limits.websockets.is_empty());
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
    /// An address of the /64 `subnet` of one /48.
    fn in_one_site(subnet: u16) -> IpAddr {
        address(&format!("2001:db8:5:{subnet:x}::1"))
    }

    #[test]
    fn each_limit_bounds_all_prefixes_of_an_ipv6_site_together() {
        let now = Instant::now();
        let limits = AdmissionLimits::new(100);
        let count =
            |pass: &mut dyn FnMut(IpAddr) -> bool| (0..=u16::MAX).filter(|subnet| pass(in_one_site(*subnet))).count();
        let mut open = Vec::new();
        let websockets = count(&mut |from| {
            let slot = limits.acquire_websocket(Some(from));
            let is_open = slot.is_some();
            open.extend(slot);
            is_open
        });
        assert_eq!(websockets, 200, "WebSockets");
        let connections = count(&mut |from| {
            let slot = limits.acquire_connection(Some(from), now);
            let is_open = slot.is_some();
            open.extend(slot);
            is_open
        });
        assert_eq!(connections, 2 * (100 + EXTRA_CONNECTIONS), "connections");
        drop(open);
        let limits = AdmissionLimits::new(usize::MAX);
        assert_eq!(count(&mut |from| limits.acquire_connection(Some(from), now).is_some()), 20_000, "new connections");
        assert_eq!(count(&mut |from| limits.take_login(from, now)), 8_000, "logins");
        let wrong = count(&mut |from| try_wrong(&limits, from, now));
        assert_eq!(wrong, SITE_LOCKOUT.free_failures as usize + 1, "wrong secrets");
        let elsewhere = address("2001:db8:6::1");
        assert!(limits.acquire_connection(Some(elsewhere), now).is_some());
        assert!(limits.take_login(elsewhere, now) && try_wrong(&limits, elsewhere, now));
    }

    #[test]
    fn a_prefix_that_is_locked_out_leaves_its_site_to_the_neighbours() {
        let now = Instant::now();
        let limits = AdmissionLimits::new(1);
        let tried = (0..10_000).filter(|_| try_wrong(&limits, in_one_site(1), now)).count();
        assert_eq!(tried, PREFIX_LOCKOUT.free_failures as usize + 1);
        assert!(try_wrong(&limits, in_one_site(2), now));
    }

    #[test]
    fn a_brute_force_attack_from_all_prefixes_of_a_site_gets_few_guesses_a_day() {
        let start = Instant::now();
        let limits = AdmissionLimits::new(1);
        let tried = (0..24 * 3_600_u32)
            .filter(|second| {
                let subnet = u16::try_from(second % 65_536).unwrap();
                try_wrong(&limits, in_one_site(subnet), start + Duration::from_secs(1) * *second)
            })
            .count();
        assert!((1_000..1_500).contains(&tried), "{tried} guesses a day from one /48");
    }

    fn try_wrong(limits: &AdmissionLimits, from: IpAddr, now: Instant) -> bool {
        let attempt = limits.begin_attempt(from, None, now);
        attempt.map(|attempt| attempt.finish(SecretVerdict::Wrong, now)).is_some()
    }

    proptest! {
        #[test]
        fn wrong_secrets_from_random_prefixes_of_one_site_are_bounded(
            guesses in prop::collection::vec((any::<u16>(), 0..2_000_u64), 1..1_000),
        ) {
            let limits = AdmissionLimits::new(1);
            let start = Instant::now();
            let mut now = start;
            let mut checked = 0_u64;
            for (subnet, pause) in guesses {
                now += Duration::from_millis(pause);
                checked += u64::from(try_wrong(&limits, in_one_site(subnet), now));
                let forgiven = (now - start).as_secs() / SITE_LOCKOUT.forgive_every.as_secs();
                // Beyond the free ones and those forgiven, each doubles the delay: twelve of them take 2,223 s.
                prop_assert!(checked <= u64::from(SITE_LOCKOUT.free_failures) + forgiven + 12, "{checked} checked");
            }
        }
    }
}
