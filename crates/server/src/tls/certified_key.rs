//! Certificate chain with its private key.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use sha2::{Digest, Sha256};
use tokio_rustls::rustls::{self, sign};

use super::error::TlsError;

/// Certificate chain with the private key that matches it.
#[derive(Clone, Debug)]
pub(crate) struct CertifiedKey {
    signing: Arc<sign::CertifiedKey>,
    /// The end-entity certificate.
    certificate: CertificateDer<'static>,
    /// `SubjectPublicKeyInfo` in DER.
    public_key: Vec<u8>,
    ca_issued: bool,
}

impl CertifiedKey {
    /// Parses a chain and its key from PEM.
    pub(crate) fn from_pem(certificates: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let chain = CertificateDer::pem_slice_iter(certificates)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| TlsError::Pem(error.to_string()))?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| TlsError::Pem(error.to_string()))?;
        let certificate = chain.first().cloned().ok_or_else(|| TlsError::Pem("no certificate found".into()))?;
        let signing = sign::CertifiedKey::from_der(chain, key, &rustls::crypto::ring::default_provider())?;
        let parsed = webpki::EndEntityCert::try_from(&certificate)
            .map_err(|error| TlsError::Unusable(rustls::Error::General(error.to_string())))?;
        let public_key = parsed.subject_public_key_info().to_vec();
        let ca_issued = parsed.issuer() != parsed.subject();
        Ok(Self { signing: Arc::new(signing), certificate, public_key, ca_issued })
    }

    pub(crate) const fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// SHA-256 of the certificate, in the form that browsers show: `AB:CD:...`.
    pub(crate) fn fingerprint(&self) -> String {
        let digest = Sha256::digest(&self.certificate);
        digest.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
    }

    /// SHA-256 of the public key, in base64url.
    pub(crate) fn key_fingerprint(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(&self.public_key))
    }

    /// Whether the certificate is valid for this host name, perhaps by a wildcard (RFC 6125, section 6.4).
    pub(crate) fn covers(&self, name: &str) -> bool {
        let Ok(name) = ServerName::try_from(name) else { return false };
        webpki::EndEntityCert::try_from(&self.certificate)
            .is_ok_and(|certificate| certificate.verify_is_valid_for_subject_name(&name).is_ok())
    }

    /// Whether a CA issued the certificate. False if it is self-signed.
    pub(crate) const fn is_ca_issued(&self) -> bool {
        self.ca_issued
    }

    /// The form in which rustls signs handshakes.
    pub(super) const fn signing(&self) -> &Arc<sign::CertifiedKey> {
        &self.signing
    }
}
