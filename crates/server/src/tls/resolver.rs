//! The resolver that picks the certificate of each handshake.

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

/// The ALPN protocol of TLS-ALPN-01: a challenge's connection offers it and no other (RFC 8737, section 4).
#[cfg(feature = "acme")]
pub(crate) const CHALLENGE_PROTOCOL: &[u8] = b"acme-tls/1";

/// Picks the certificate of a handshake: that of the moment, or the answer to a challenge of an authority.
#[derive(Debug, Default)]
pub(crate) struct CertResolver {
    certified: watch::Sender<Option<CertifiedKey>>,
    /// By host name: the certificates that answer an authority's TLS-ALPN-01 challenges.
    #[cfg(feature = "acme")]
    challenges: Mutex<BTreeMap<String, Arc<sign::CertifiedKey>>>,
}

impl CertResolver {
    /// Serves this from now on. Returns whether that is another one than before.
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

    /// Waits until a certificate is served that is as wanted.
    pub(crate) async fn until(&self, wanted: impl Fn(&CertifiedKey) -> bool) {
        let mut certified = self.certified.subscribe();
        // The sender is here, so that it cannot be gone.
        let _installed: Result<_, watch::error::RecvError> =
            certified.wait_for(|certified| certified.as_ref().is_some_and(&wanted)).await;
    }

    /// Answers challenges for these host names with these certificates, and no others.
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

/// Whether a client wants to see the answer to a challenge, and nothing else.
#[cfg(feature = "acme")]
fn is_challenge(hello: &ClientHello<'_>) -> bool {
    hello.alpn().is_some_and(|mut offered| offered.next() == Some(CHALLENGE_PROTOCOL) && offered.next().is_none())
}
