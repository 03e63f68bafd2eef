//! Server authentication in TLS: certificate authorities, pinned keys, and trust on first use (TOFU).
//!
//! A public server is authenticated by the certificate authorities that this computer trusts. No authority issues
//! certificates for the own network, so servers there sign their own. When an invitation contains the server's key, only
//! that key is accepted, always. Otherwise the first key is trusted and remembered, and only that key is accepted from
//! then on.

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

/// The SHA-256 of a server's public key, in hexadecimal.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyFingerprint(String);

impl KeyFingerprint {
    /// The fingerprint of this public key (`SubjectPublicKeyInfo`, in DER).
    #[must_use]
    pub fn of(public_key: &[u8]) -> Self {
        Self(hex::encode(Sha256::digest(public_key)))
    }

    /// Parses the form used in invitations: base64url without padding.
    #[must_use]
    pub fn from_pin(pin: &str) -> Option<Self> {
        let digest: [u8; 32] = URL_SAFE_NO_PAD.decode(pin).ok()?.try_into().ok()?;
        Some(Self(hex::encode(digest)))
    }

    /// The form used in invitations. `None` when the value is no SHA-256, as in a settings file edited by hand.
    #[must_use]
    pub fn to_pin(&self) -> Option<String> {
        let digest = hex::decode(&self.0).ok()?;
        (digest.len() == 32).then(|| URL_SAFE_NO_PAD.encode(digest))
    }
}

impl fmt::Debug for KeyFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is known about a server's key before connecting.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum KeyTrust {
    /// Nothing.
    #[default]
    Unknown,
    /// The key was trusted on first use, without an authority.
    FirstUse(KeyFingerprint),
    /// The key comes from an invitation. No other is accepted, even if an authority certified it.
    Pinned(KeyFingerprint),
}

impl KeyTrust {
    /// The key, if known.
    #[must_use]
    pub const fn key(&self) -> Option<&KeyFingerprint> {
        match self {
            Self::Unknown => None,
            Self::FirstUse(key) | Self::Pinned(key) => Some(key),
        }
    }
}

/// The certificate authorities that this computer trusts. Loaded once; cheap to clone.
#[derive(Clone, Debug)]
pub struct TrustRoots {
    provider: Arc<CryptoProvider>,
    verifier: Arc<dyn ServerCertVerifier>,
}

impl TrustRoots {
    /// Loads the authorities: the system's, and on Android Mozilla's.
    ///
    /// # Errors
    ///
    /// When there are none.
    pub fn from_platform() -> Result<Self, Error> {
        let provider = Arc::new(ring::default_provider());
        let verifier = authority_verifier(provider.clone())?;
        Ok(Self { provider, verifier })
    }

    /// TLS configuration that accepts certificates of the authorities.
    ///
    /// # Errors
    ///
    /// None in practice: the provider knows all protocol versions.
    pub fn config_by_authority(&self) -> Result<Arc<ClientConfig>, Error> {
        self.config(self.verifier.clone())
    }

    /// TLS configuration for a server on the own network, or with a pinned key.
    ///
    /// Accepts the known key, or the first one when no key is known. An authority's certificate is accepted too, unless
    /// the key is pinned. The [`KeyCheck`] has the result after the handshake.
    ///
    /// # Errors
    ///
    /// None in practice: the provider knows all protocol versions.
    pub fn config_by_key(&self, trust: KeyTrust) -> Result<(Arc<ClientConfig>, KeyCheck), Error> {
        let key_check = KeyCheck::default();
        let verifier = KeyVerifier { roots: self.clone(), trust, key_check: key_check.clone() };
        Ok((self.config(Arc::new(verifier))?, key_check))
    }

    fn config(&self, verifier: Arc<dyn ServerCertVerifier>) -> Result<Arc<ClientConfig>, Error> {
        // `dangerous` because rustls' safe API accepts a root store only, which cannot use the platform's verifier.
        let mut config = ClientConfig::builder_with_provider(self.provider.clone())
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

/// Result of the key check in a handshake: shared with the verifier, which sets it once.
#[derive(Clone, Debug, Default)]
pub struct KeyCheck(Arc<OnceLock<KeyCheckOutcome>>);

#[derive(Debug)]
enum KeyCheckOutcome {
    FirstUse(KeyFingerprint),
    Mismatch,
}

impl KeyCheck {
    /// The key that was trusted on first use, to be remembered once the handshake has proved that the server holds it.
    #[must_use]
    pub fn first_use_key(&self) -> Option<KeyFingerprint> {
        match self.0.get() {
            Some(KeyCheckOutcome::FirstUse(key)) => Some(key.clone()),
            Some(KeyCheckOutcome::Mismatch) | None => None,
        }
    }

    /// Whether the handshake failed because the server presented another key than the known one.
    #[must_use]
    pub fn is_mismatch(&self) -> bool {
        matches!(self.0.get(), Some(KeyCheckOutcome::Mismatch))
    }

    fn set(&self, outcome: KeyCheckOutcome) {
        // Fails only if rustls verifies two certificates in one handshake; the first result stays.
        drop(self.0.set(outcome));
    }
}

/// Certificate verifier of [`TrustRoots::config_by_key`].
#[derive(Debug)]
struct KeyVerifier {
    roots: TrustRoots,
    trust: KeyTrust,
    key_check: KeyCheck,
}

impl ServerCertVerifier for KeyVerifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let presented =
            KeyFingerprint::of(ParsedCertificate::try_from(certificate)?.subject_public_key_info().as_ref());
        if self.trust.key() == Some(&presented) {
            return Ok(ServerCertVerified::assertion());
        }
        if !matches!(self.trust, KeyTrust::Pinned(_))
            && let Ok(verified) = self.roots.verifier.verify_server_cert(certificate, intermediates, name, ocsp, now)
        {
            return Ok(verified);
        }
        if self.trust == KeyTrust::Unknown {
            self.key_check.set(KeyCheckOutcome::FirstUse(presented));
            return Ok(ServerCertVerified::assertion());
        }
        // Perhaps an attack, perhaps a reinstalled server: the person decides.
        tracing::warn!("the server's key differs from the known one; connection rejected");
        self.key_check.set(KeyCheckOutcome::Mismatch);
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
fn authority_verifier(provider: Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, Error> {
    Ok(Arc::new(rustls_platform_verifier::Verifier::new(provider)?))
}

#[cfg(target_os = "android")]
fn authority_verifier(provider: Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, Error> {
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
    fn a_pin_is_parsed_back_and_invalid_fingerprints_have_none() {
        let key = KeyFingerprint::of(b"a key");
        assert_eq!(key.to_pin().as_deref().and_then(KeyFingerprint::from_pin), Some(key));
        assert_eq!(KeyFingerprint("edited by hand".to_owned()).to_pin(), None);
        assert_eq!(KeyFingerprint("+f".repeat(32)).to_pin(), None);
    }
}
