//! Name resolution for ICE servers: with a time limit, and once for all URLs of a server.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout};

/// Time limit of one look-up. The driver waits for it, and with it media and the other side's candidates.
const TIMEOUT: Duration = Duration::from_secs(2);

/// How long a result is used again, failures included: longer than gathering takes, and shorter than a network change matters.
const LIFETIME: Duration = Duration::from_secs(5);

/// Results that are kept.
const MAX_RESULTS: usize = 64;

/// Resolves host names, and keeps the results for a few seconds.
#[derive(Debug, Default)]
pub(super) struct Resolver {
    results: Mutex<HashMap<(String, u16), LookUp>>,
}

#[derive(Clone, Debug)]
struct LookUp {
    addresses: Vec<SocketAddr>,
    at: Instant,
}

impl Resolver {
    /// The addresses of a host, by the system's resolver.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::NotFound`] when there are none, or none after 2 s.
    pub async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        self.resolve_with(host, port, tokio::net::lookup_host((host, port))).await
    }

    async fn resolve_with(
        &self,
        host: &str,
        port: u16,
        look_up: impl Future<Output = io::Result<impl Iterator<Item = SocketAddr>>>,
    ) -> io::Result<Vec<SocketAddr>> {
        let key = (host.to_owned(), port);
        let known = self.results().get(&key).filter(|known| known.at.elapsed() < LIFETIME).cloned();
        let addresses = match known {
            Some(known) => known.addresses,
            None => {
                let found = timeout(TIMEOUT, look_up).await;
                let addresses: Vec<_> = found.ok().and_then(Result::ok).into_iter().flatten().collect();
                self.keep(key, addresses.clone());
                addresses
            }
        };
        if addresses.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(addresses) }
    }

    fn keep(&self, key: (String, u16), addresses: Vec<SocketAddr>) {
        let mut results = self.results();
        if results.len() >= MAX_RESULTS {
            results.clear();
        }
        results.insert(key, LookUp { addresses, at: Instant::now() });
    }

    fn results(&self) -> std::sync::MutexGuard<'_, HashMap<(String, u16), LookUp>> {
        self.results.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::vec;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_look_up_is_limited_and_its_result_used_again() {
        let (resolver, start) = (Resolver::default(), Instant::now());
        let address = SocketAddr::from(([192, 0, 2, 1], 443));
        let silent = || pending::<io::Result<vec::IntoIter<SocketAddr>>>();
        let found = || ready(Ok(vec![address].into_iter()));
        let error = resolver.resolve_with("a.example", 443, silent()).await.unwrap_err();
        assert_eq!((error.kind(), start.elapsed()), (io::ErrorKind::NotFound, TIMEOUT));
        // The next URL of the same server does not wait again.
        resolver.resolve_with("a.example", 443, silent()).await.unwrap_err();
        assert_eq!(start.elapsed(), TIMEOUT);
        assert_eq!(resolver.resolve_with("b.example", 443, found()).await.unwrap(), [address]);
        assert_eq!(resolver.resolve_with("b.example", 443, silent()).await.unwrap(), [address]);
        tokio::time::advance(LIFETIME).await;
        assert_eq!(resolver.resolve_with("a.example", 443, found()).await.unwrap(), [address]);
    }

    #[tokio::test]
    async fn kept_results_are_bounded() {
        let resolver = Resolver::default();
        for port in 0..200 {
            resolver.resolve("127.0.0.1", port).await.unwrap();
            assert!(resolver.results().len() <= MAX_RESULTS);
        }
    }
}
