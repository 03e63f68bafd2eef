//! Whom a secure connection is made to.
//!
//! A public server is known by the authorities that this computer trusts. On the own network there are none: a server there
//! makes its own certificate. Where an invitation says which key it has, no other is taken, at the first meeting and ever after;
//! else its key is trusted when it is met first, remembered, and asked for from then on.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
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
        Self(hex::encode(Sha256::digest(public_key)))
    }

    /// Reads it as an invitation writes it: in base64url, without padding.
    #[must_use]
    pub fn from_pin(pin: &str) -> Option<Self> {
        let digest: [u8; 32] = URL_SAFE_NO_PAD.decode(pin).ok()?.try_into().ok()?;
        Some(Self(hex::encode(digest)))
    }

    /// As an invitation writes it. `None` where it is none, as in a file that somebody edited.
    #[must_use]
    pub fn to_pin(&self) -> Option<String> {
        let digest = hex::decode(&self.0).ok()?;
        (digest.len() == 32).then(|| URL_SAFE_NO_PAD.encode(digest))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is known of a server's key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// Nothing.
    #[default]
    Unknown,
    /// It was met without being vouched for, and had this key.
    Met(Fingerprint),
    /// An invitation says that it has this key. No other is taken, whoever vouches for it.
    Pinned(Fingerprint),
}

impl Trust {
    /// The key, where one is known.
    #[must_use]
    pub const fn key(&self) -> Option<&Fingerprint> {
        match self {
            Self::Unknown => None,
            Self::Met(key) | Self::Pinned(key) => Some(key),
        }
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

    /// For a connection to a server on the own network, or to one whose key is pinned. Where nothing is known of it, the key that
    /// it shows is trusted. What it showed is found in the returned [`Sight`] afterwards.
    ///
    /// # Errors
    ///
    /// None in practice: the provider knows all protocol versions.
    pub fn by_key(&self, trust: Trust) -> Result<(Arc<ClientConfig>, Sight), Error> {
        let sight = Sight::default();
        let verifier = ByKey { roots: self.clone(), trust, sight: sight.clone() };
        Ok((self.config(Arc::new(verifier))?, sight))
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

/// What was seen of a server's key in a handshake.
#[derive(Clone, Debug, Default)]
pub struct Sight(Arc<OnceLock<Seen>>);

#[derive(Debug)]
enum Seen {
    FirstMet(Fingerprint),
    AnotherKey,
}

impl Sight {
    /// The key of a server that was met for the first time. `None` where nothing is to be remembered. It has shown that it holds the
    /// key once the handshake is through.
    #[must_use]
    pub fn first_met(&self) -> Option<Fingerprint> {
        match self.0.get() {
            Some(Seen::FirstMet(key)) => Some(key.clone()),
            Some(Seen::AnotherKey) | None => None,
        }
    }

    /// Whether the handshake failed because the key was another than it should be.
    #[must_use]
    pub fn is_another_key(&self) -> bool {
        matches!(self.0.get(), Some(Seen::AnotherKey))
    }

    fn see(&self, seen: Seen) {
        // A second certificate in one handshake would be a fault of rustls; the first one stands.
        drop(self.0.set(seen));
    }
}

#[derive(Debug)]
struct ByKey {
    roots: Roots,
    trust: Trust,
    sight: Sight,
}

impl ServerCertVerifier for ByKey {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let shown = Fingerprint::of(ParsedCertificate::try_from(certificate)?.subject_public_key_info().as_ref());
        if self.trust.key() == Some(&shown) {
            return Ok(ServerCertVerified::assertion());
        }
        if !matches!(self.trust, Trust::Pinned(_))
            && let Ok(verified) = self.roots.verifier.verify_server_cert(certificate, intermediates, name, ocsp, now)
        {
            return Ok(verified);
        }
        if self.trust == Trust::Unknown {
            self.sight.see(Seen::FirstMet(shown));
            return Ok(ServerCertVerified::assertion());
        }
        // Somebody else may stand in the server's place; only the person can tell.
        tracing::warn!("the server shows another key than it should");
        self.sight.see(Seen::AnotherKey);
        Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_is_read_as_it_is_written() {
        let key = Fingerprint::of(b"a key");
        assert_eq!(key.to_pin().as_deref().and_then(Fingerprint::from_pin), Some(key));
        assert_eq!(Fingerprint("edited by hand".to_owned()).to_pin(), None);
        assert_eq!(Fingerprint("+f".repeat(32)).to_pin(), None);
    }
}
