//! Whom a secure connection is made to.
//!
//! A public server is known by the authorities that this computer trusts. On the own network there are none: a server there
//! makes its own certificate, so its key is trusted when it is met first, remembered, and asked for from then on.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
};

/// The SHA-256 of a server's public key, in hex.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// The fingerprint of this public key (SubjectPublicKeyInfo, in DER).
    #[must_use]
    pub fn of(public_key: &[u8]) -> Self {
        Self(Sha256::digest(public_key).iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The authorities that this computer trusts. Made once; cheap to clone.
#[derive(Clone, Debug)]
pub struct Roots {
    provider: Arc<CryptoProvider>,
    verifier: Arc<dyn ServerCertVerifier>,
}

impl Roots {
    /// Reads them.
    ///
    /// # Errors
    ///
    /// Where this computer has none.
    pub fn of_this_computer() -> Result<Self, Error> {
        let provider = Arc::new(ring::default_provider());
        let verifier = platform(provider.clone())?;
        Ok(Self { provider, verifier })
    }

    /// For a connection to a server that a public authority knows.
    ///
    /// # Errors
    ///
    /// None in practice: the provider knows all protocol versions.
    pub fn public(&self) -> Result<Arc<ClientConfig>, Error> {
        self.config(self.verifier.clone())
    }

    /// For a connection to a server on the own network. `known` is its key from an earlier time; without it the key that
    /// it shows is trusted, and found in the returned [`FirstMet`] afterwards.
    ///
    /// # Errors
    ///
    /// None in practice: the provider knows all protocol versions.
    pub fn own_network(&self, known: Option<Fingerprint>) -> Result<(Arc<ClientConfig>, FirstMet), Error> {
        let met = FirstMet::default();
        let verifier = OwnNetwork { roots: self.clone(), known, met: met.clone() };
        Ok((self.config(Arc::new(verifier))?, met))
    }

    fn config(&self, verifier: Arc<dyn ServerCertVerifier>) -> Result<Arc<ClientConfig>, Error> {
        // The only other way in rustls to give a verifier is a root store, which knows nothing of the platform's own.
        let mut config = ClientConfig::builder_with_provider(self.provider.clone())
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

/// The key of a server that was met for the first time, once it has shown that it holds it.
#[derive(Clone, Debug, Default)]
pub struct FirstMet(Arc<OnceLock<Fingerprint>>);

impl FirstMet {
    /// The key. `None` where nothing is to be remembered.
    #[must_use]
    pub fn take(self) -> Option<Fingerprint> {
        self.0.get().cloned()
    }
}

#[derive(Debug)]
struct OwnNetwork {
    roots: Roots,
    known: Option<Fingerprint>,
    met: FirstMet,
}

impl ServerCertVerifier for OwnNetwork {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let shown = Fingerprint::of(ParsedCertificate::try_from(certificate)?.subject_public_key_info().as_ref());
        if self.known.as_ref() == Some(&shown) {
            return Ok(ServerCertVerified::assertion());
        }
        if let Ok(verified) = self.roots.verifier.verify_server_cert(certificate, intermediates, name, ocsp, now) {
            return Ok(verified);
        }
        if self.known.is_some() {
            // Somebody else may stand in the server's place; only the person can tell, by entering the address again.
            tracing::warn!("the server shows another key than before");
            return Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure));
        }
        // A second certificate in one handshake would be a fault of rustls; the first one stands.
        drop(self.met.0.set(shown));
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.roots.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.roots.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.roots.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(not(target_os = "android"))]
fn platform(provider: Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, Error> {
    Ok(Arc::new(rustls_platform_verifier::Verifier::new(provider)?))
}

#[cfg(target_os = "android")]
fn platform(provider: Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, Error> {
    use tokio_rustls::rustls::{RootCertStore, client::WebPkiServerVerifier};
    let roots = Arc::new(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() });
    WebPkiServerVerifier::builder_with_provider(roots, provider)
        .build()
        .map(|verifier| verifier as Arc<dyn ServerCertVerifier>)
        .map_err(|error| Error::General(error.to_string()))
}
