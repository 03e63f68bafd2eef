//! The certificate that new connections are shown.

use std::sync::Arc;
#[cfg(feature = "acme")]
use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use sha2::{Digest, Sha256};
use tokio::sync::watch;
use tokio_rustls::rustls::{
    self,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use super::TlsError;

/// A certificate chain with its key, which is known to be its own.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    signing: Arc<CertifiedKey>,
    certificate: CertificateDer<'static>,
    /// SubjectPublicKeyInfo, in DER.
    public_key: Vec<u8>,
    vouched_for: bool,
}

impl Pair {
    /// Reads a chain and its key, each out of a text in PEM.
    pub(crate) fn from_pem(certificates: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let chain = CertificateDer::pem_slice_iter(certificates)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| TlsError::Pem(error.to_string()))?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| TlsError::Pem(error.to_string()))?;
        let certificate = chain.first().cloned().ok_or_else(|| TlsError::Pem("there is no certificate".into()))?;
        let signing = CertifiedKey::from_der(chain, key, &rustls::crypto::ring::default_provider())?;
        let read = webpki::EndEntityCert::try_from(&certificate)
            .map_err(|error| TlsError::Use(rustls::Error::General(error.to_string())))?;
        let public_key = read.subject_public_key_info().to_vec();
        let vouched_for = read.issuer() != read.subject();
        Ok(Self { signing: Arc::new(signing), certificate, public_key, vouched_for })
    }

    pub(crate) const fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The SHA-256 of the certificate, as browsers show it.
    pub(crate) fn fingerprint(&self) -> String {
        let digest = Sha256::digest(&self.certificate);
        digest.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
    }

    /// The SHA-256 of the public key, in base64url.
    pub(crate) fn key_fingerprint(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(&self.public_key))
    }

    /// Whether another one has signed it.
    pub(crate) const fn is_vouched_for(&self) -> bool {
        self.vouched_for
    }
}

/// What new connections are shown, from this moment to the next.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    pair: watch::Sender<Option<Pair>>,
    /// By host name: what an authority is shown that wants to see who is there.
    #[cfg(feature = "acme")]
    challenges: Mutex<BTreeMap<String, Arc<CertifiedKey>>>,
}

impl Shown {
    /// Shows this from now on. Says whether that is another one.
    pub(crate) fn show(&self, new: Pair) -> bool {
        self.pair.send_if_modified(|pair| {
            let changed = pair.as_ref().is_none_or(|old| old.signing.cert != new.signing.cert);
            if changed {
                *pair = Some(new);
            }
            changed
        })
    }

    pub(crate) fn with<T>(&self, read: impl FnOnce(&Pair) -> T) -> Option<T> {
        self.pair.borrow().as_ref().map(read)
    }

    /// Waits until a certificate is shown that is as wanted.
    pub(crate) async fn until(&self, wanted: impl Fn(&Pair) -> bool) {
        let mut pair = self.pair.subscribe();
        // The sender is here, so that it cannot be gone.
        let _shown: Result<_, watch::error::RecvError> = pair.wait_for(|pair| pair.as_ref().is_some_and(&wanted)).await;
    }

    /// Answers challenges for these host names with these certificates, and no others.
    #[cfg(feature = "acme")]
    pub(crate) fn answer_challenges(&self, challenges: BTreeMap<String, Arc<CertifiedKey>>) {
        *self.challenges.lock().unwrap_or_else(PoisonError::into_inner) = challenges;
    }

    #[cfg(feature = "acme")]
    fn challenge(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        self.challenges.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }
}

impl ResolvesServerCert for Shown {
    #[cfg(feature = "acme")]
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if crate::acme::is_challenge(&hello) {
            return self.challenge(&hello.server_name()?.to_ascii_lowercase());
        }
        self.with(|pair| pair.signing.clone())
    }

    #[cfg(not(feature = "acme"))]
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.with(|pair| pair.signing.clone())
    }
}
