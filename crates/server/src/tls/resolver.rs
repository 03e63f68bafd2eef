//! Certificate resolver: picks the certificate of each TLS handshake.

use std::sync::Arc;
#[cfg(feature = "acme")]
use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use tokio::sync::watch;
use tokio_rustls::rustls::{
    server::{ClientHello, ResolvesServerCert},
    sign,
};

use super::certified_key::CertifiedKey;

/// ALPN protocol of TLS-ALPN-01. A validation connection offers it and no other (RFC 8737, section 4).
#[cfg(feature = "acme")]
pub(crate) const CHALLENGE_PROTOCOL: &[u8] = b"acme-tls/1";

/// Certificate resolver for rustls: the current certificate, or the response to an ACME challenge.
#[derive(Debug, Default)]
pub(crate) struct CertResolver {
    certified: watch::Sender<Option<CertifiedKey>>,
    /// Certificates that answer the pending TLS-ALPN-01 challenges, by host name.
    #[cfg(feature = "acme")]
    challenges: Mutex<BTreeMap<String, Arc<sign::CertifiedKey>>>,
}

impl CertResolver {
    /// Installs a certificate for new handshakes. Returns whether it differs from the previous one.
    pub(crate) fn install(&self, new: CertifiedKey) -> bool {
        self.certified.send_if_modified(|certified| {
            let changed = certified.as_ref().is_none_or(|old| old.signing().cert != new.signing().cert);
            if changed {
                *certified = Some(new);
            }
            changed
        })
    }

    pub(crate) fn with<T>(&self, read: impl FnOnce(&CertifiedKey) -> T) -> Option<T> {
        self.certified.borrow().as_ref().map(read)
    }

    /// Waits until the current certificate satisfies the predicate.
    pub(crate) async fn wait_until(&self, wanted: impl Fn(&CertifiedKey) -> bool) {
        let mut certified = self.certified.subscribe();
        // Cannot fail: `self` holds the sender.
        let _installed: Result<_, watch::error::RecvError> =
            certified.wait_for(|certified| certified.as_ref().is_some_and(&wanted)).await;
    }

    /// Replaces the certificates that answer challenges, by host name.
    #[cfg(feature = "acme")]
    pub(crate) fn answer_challenges(&self, challenges: BTreeMap<String, Arc<sign::CertifiedKey>>) {
        *self.challenges.lock().unwrap_or_else(PoisonError::into_inner) = challenges;
    }

    #[cfg(feature = "acme")]
    fn challenge(&self, name: &str) -> Option<Arc<sign::CertifiedKey>> {
        self.challenges.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }
}

impl ResolvesServerCert for CertResolver {
    #[cfg(feature = "acme")]
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<sign::CertifiedKey>> {
        if is_challenge(&hello) {
            return self.challenge(&hello.server_name()?.to_ascii_lowercase());
        }
        self.with(|certified| certified.signing().clone())
    }

    #[cfg(not(feature = "acme"))]
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<sign::CertifiedKey>> {
        self.with(|certified| certified.signing().clone())
    }
}

/// Whether the connection is an ACME validation.
#[cfg(feature = "acme")]
fn is_challenge(hello: &ClientHello<'_>) -> bool {
    hello.alpn().is_some_and(|mut offered| offered.next() == Some(CHALLENGE_PROTOCOL) && offered.next().is_none())
}
