//! How much of everything one address and one user may have.

use std::{
    collections::{HashMap, hash_map::Entry},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use hutong_protocol::{NameKey, Token};

use super::{
    buckets::Buckets,
    failures::{Failures, Outcome, Patience},
    site::Site,
};
use crate::token_bucket::Allowance;

/// Connections that are made from one address. 500 people who open the page at once make some 3,500.
const ARRIVALS: Allowance = Allowance { burst: 5_000.0, per_second: 200.0 };

/// Log-ins from one address. 500 people who lost a server come back at once, twice.
const LOG_INS: Allowance = Allowance { burst: 2_000.0, per_second: 20.0 };

/// Log-ins on one connection. Our clients open one for each.
pub(crate) const LOG_INS_OF_A_CONNECTION: Allowance = Allowance { burst: 5.0, per_second: 0.1 };

/// Times that one user comes back. A bad network loses a connection every few seconds for a while.
const RETURNS: Allowance = Allowance { burst: 30.0, per_second: 0.2 };

/// Wrong secrets from one address. Of 500 people behind it, fifty may mistype in the morning.
pub(crate) const BY_SITE: Patience = Patience {
    free: 50,
    forgiven_after: Duration::from_secs(300),
    first_wait: Duration::from_secs(1),
    longest_wait: Duration::from_secs(600),
    at_once: 16,
};

/// Wrong secrets for one name, from wherever. The wait ends soon: or anybody could keep its owner out.
pub(crate) const BY_NAME: Patience = Patience {
    free: 10,
    forgiven_after: Duration::from_secs(60),
    first_wait: Duration::from_secs(1),
    longest_wait: Duration::from_secs(60),
    at_once: 4,
};

/// Addresses, users and names that are remembered, each in its own table: some megabytes in all.
const REMEMBERED: usize = 65_536;

/// Connections of one address beyond its WebSockets: pages being loaded, and WebSockets that are told that they are too many.
const BESIDE_WEBSOCKETS: usize = 512;

/// How often a proxy that nobody named is told of.
const TELL_EVERY: Duration = Duration::from_secs(3_600);

#[derive(Debug)]
pub(crate) struct Limits {
    max_per_address: usize,
    connections: Mutex<HashMap<Site, usize>>,
    websockets: Mutex<HashMap<Site, usize>>,
    arrivals: Mutex<Buckets<Site>>,
    log_ins: Mutex<Buckets<Site>>,
    returns: Mutex<Buckets<Token>>,
    wrong_by_site: Mutex<Failures<Site>>,
    wrong_by_name: Mutex<Failures<NameKey>>,
    told_of_proxy: Mutex<Option<Instant>>,
}

impl Limits {
    pub(crate) fn new(max_per_address: usize) -> Self {
        Self {
            max_per_address,
            connections: Mutex::default(),
            websockets: Mutex::default(),
            arrivals: Mutex::new(Buckets::new(ARRIVALS, REMEMBERED)),
            log_ins: Mutex::new(Buckets::new(LOG_INS, REMEMBERED)),
            returns: Mutex::new(Buckets::new(RETURNS, REMEMBERED)),
            wrong_by_site: Mutex::new(Failures::new(BY_SITE, REMEMBERED)),
            wrong_by_name: Mutex::new(Failures::new(BY_NAME, REMEMBERED)),
            told_of_proxy: Mutex::default(),
        }
    }

    /// Counts a connection from an address; without one it is not limited.
    pub(crate) fn connected(self: &Arc<Self>, from: Option<IpAddr>, now: Instant) -> Option<Counted> {
        let site = from.map(Site::of);
        if site.is_some_and(|site| !lock(&self.arrivals).take(site, now)) {
            return None;
        }
        self.count(Kind::Connection, site, self.max_per_address.saturating_add(BESIDE_WEBSOCKETS))
    }

    /// Counts a WebSocket from an address; without one it is not limited.
    pub(crate) fn opened(self: &Arc<Self>, from: Option<IpAddr>) -> Option<Counted> {
        self.count(Kind::WebSocket, from.map(Site::of), self.max_per_address)
    }

    /// Whether this address may log in once more.
    pub(crate) fn logs_in(&self, from: IpAddr, now: Instant) -> bool {
        lock(&self.log_ins).take(Site::of(from), now)
    }

    /// Whether this user may come back once more.
    pub(crate) fn comes_back(&self, user: Token, now: Instant) -> bool {
        lock(&self.returns).take(user, now)
    }

    /// Whether a secret may be tried now, from this address and for this name.
    pub(crate) fn tries(&self, from: IpAddr, name: Option<&NameKey>, now: Instant) -> Option<Attempt<'_>> {
        let site = Site::of(from);
        if !lock(&self.wrong_by_site).begin(&site, now) {
            return None;
        }
        if name.is_some_and(|name| !lock(&self.wrong_by_name).begin(name, now)) {
            lock(&self.wrong_by_site).end(&site, Outcome::Unknown, now);
            return None;
        }
        Some(Attempt { limits: self, site, name: name.cloned(), ended: false })
    }

    /// Somebody on this machine passes on what others say, and is not believed.
    pub(crate) fn unknown_proxy(&self, now: Instant) {
        let mut told = lock(&self.told_of_proxy);
        if told.is_none_or(|told| now.saturating_duration_since(told) >= TELL_EVERY) {
            *told = Some(now);
            tracing::warn!(
                "a proxy on this machine says for whom it speaks, and is not believed: with --trusted-proxy 127.0.0.1 limits and \
                 lists go by the addresses that it tells"
            );
        }
    }

    fn count(self: &Arc<Self>, kind: Kind, site: Option<Site>, most: usize) -> Option<Counted> {
        if let Some(site) = site {
            let mut counts = lock(self.counts(kind));
            let count = counts.entry(site).or_insert(0);
            if *count >= most {
                if *count == 0 {
                    counts.remove(&site);
                }
                return None;
            }
            *count += 1;
        }
        Some(Counted(site.map(|site| (self.clone(), kind, site))))
    }

    const fn counts(&self, kind: Kind) -> &Mutex<HashMap<Site, usize>> {
        match kind {
            Kind::Connection => &self.connections,
            Kind::WebSocket => &self.websockets,
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Connection,
    WebSocket,
}

/// Something that counts for as long as it lasts.
#[derive(Debug)]
pub(crate) struct Counted(Option<(Arc<Limits>, Kind, Site)>);

impl Drop for Counted {
    fn drop(&mut self) {
        let Some((limits, kind, site)) = self.0.take() else { return };
        if let Entry::Occupied(mut count) = lock(limits.counts(kind)).entry(site) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

/// A secret that is being tried. Dropped before its end it counts as one that nobody looked at.
#[derive(Debug)]
pub(crate) struct Attempt<'l> {
    limits: &'l Limits,
    site: Site,
    name: Option<NameKey>,
    ended: bool,
}

impl Attempt<'_> {
    pub(crate) fn ends(mut self, outcome: Outcome, now: Instant) {
        self.end(outcome, now);
    }

    fn end(&mut self, outcome: Outcome, now: Instant) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        if lock(&self.limits.wrong_by_site).end(&self.site, outcome, now) {
            tracing::warn!("too many wrong secrets from one address: it has to wait longer after each now");
        }
        if let Some(name) = &self.name
            && lock(&self.limits.wrong_by_name).end(name, outcome, now)
        {
            tracing::warn!("too many wrong passwords for one name: it has to wait longer after each now");
        }
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        self.end(Outcome::Unknown, Instant::now());
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing in here can leave it half changed.
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
    fn an_office_of_500_is_not_held_back() {
        let now = Instant::now();
        let limits = Arc::new(Limits::new(2_000));
        for office in [address("192.0.2.1"), address("2001:db8::1")] {
            // Seven connections each for the page, of which one becomes a WebSocket; and all come back at once.
            let open: Vec<_> = (0..500 * 7).map(|_| limits.connected(Some(office), now).unwrap()).take(1_500).collect();
            let websockets: Vec<_> = (0..500).map(|_| limits.opened(Some(office)).unwrap()).collect();
            assert!((0..1_000).all(|_| limits.logs_in(office, now)));
            drop((open, websockets));
        }
        assert!(lock(&limits.connections).is_empty() && lock(&limits.websockets).is_empty());
    }

    #[test]
    fn one_address_has_so_many_websockets_and_no_more_and_loopback_any_number() {
        let limits = Arc::new(Limits::new(3));
        let network = |host: u16| address(&format!("2001:db8::{host:x}"));
        let mut open: Vec<_> = (0..3).map(|host| limits.opened(Some(network(host))).unwrap()).collect();
        assert!(limits.opened(Some(network(77))).is_none());
        assert!(limits.opened(Some(address("192.0.2.1"))).is_some());
        assert!((0..100).all(|_| limits.opened(None).is_some()));
        open.pop();
        assert!(limits.opened(Some(network(77))).is_some());
        assert!(Arc::new(Limits::new(0)).opened(Some(network(1))).is_none());
    }

    #[test]
    fn a_flood_of_connections_or_log_ins_ends_at_the_steady_rate() {
        let start = Instant::now();
        let limits = Arc::new(Limits::new(usize::MAX));
        let flood = |pass: &dyn Fn(Instant) -> bool| {
            (0..100_000_u32).filter(|number| pass(start + Duration::from_micros(100) * *number)).count()
        };
        // In ten seconds.
        let from = address("192.0.2.1");
        let connections = flood(&|now| limits.connected(Some(from), now).is_some());
        assert!((6_999..=7_000).contains(&connections), "{connections}");
        let log_ins = flood(&|now| limits.logs_in(from, now));
        assert!((2_199..=2_200).contains(&log_ins), "{log_ins}");
        let returns = flood(&|now| limits.comes_back(Token(1), now));
        assert!((31..=32).contains(&returns), "{returns}");
    }

    #[test]
    fn a_secret_is_held_back_by_address_and_by_name() {
        let now = Instant::now();
        let limits = Limits::new(1);
        let name = Name::new("Ana").unwrap().key();
        let wrong = |from: &str, name: Option<&NameKey>| {
            let attempt = limits.tries(address(from), name, now);
            attempt.map(|attempt| attempt.ends(Outcome::Wrong, now)).is_some()
        };
        // From everywhere, for one name.
        let tried = (0..100).filter(|host| wrong(&format!("192.0.2.{host}"), Some(&name))).count();
        assert_eq!(tried, BY_NAME.free as usize + 1);
        // From one address, for every name: and a name that is held back costs its address nothing.
        assert!(!wrong("198.51.100.1", Some(&name)));
        let tried = (0..100).filter(|_| wrong("198.51.100.1", None)).count();
        assert_eq!(tried, BY_SITE.free as usize + 1);
        assert!(wrong("198.51.100.2", None));
        // One that was given up is as if it had not been.
        drop(limits.tries(address("198.51.100.3"), None, now));
        assert!(wrong("198.51.100.3", None));
    }
}
