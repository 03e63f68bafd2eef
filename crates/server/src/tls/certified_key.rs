//! A certificate chain and its key.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use sha2::{Digest, Sha256};
use tokio_rustls::rustls::{self, sign};

use super::error::TlsError;

/// A certificate chain with its key, which is known to be its own.
#[derive(Clone, Debug)]
pub(crate) struct CertifiedKey {
    signing: Arc<sign::CertifiedKey>,
    certificate: CertificateDer<'static>,
    /// SubjectPublicKeyInfo, in DER.
    public_key: Vec<u8>,
    ca_issued: bool,
}

impl CertifiedKey {
    /// Reads a chain and its key, each out of a text in PEM.
    pub(crate) fn from_pem(certificates: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let chain = CertificateDer::pem_slice_iter(certificates)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| TlsError::Pem(error.to_string()))?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| TlsError::Pem(error.to_string()))?;
        let certificate = chain.first().cloned().ok_or_else(|| TlsError::Pem("there is no certificate".into()))?;
        let signing = sign::CertifiedKey::from_der(chain, key, &rustls::crypto::ring::default_provider())?;
        let read = webpki::EndEntityCert::try_from(&certificate)
            .map_err(|error| TlsError::Use(rustls::Error::General(error.to_string())))?;
        let public_key = read.subject_public_key_info().to_vec();
        let ca_issued = read.issuer() != read.subject();
        Ok(Self { signing: Arc::new(signing), certificate, public_key, ca_issued })
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

    /// Whether the certificate names an issuer other than itself.
    pub(crate) const fn is_ca_issued(&self) -> bool {
        self.ca_issued
    }

    /// What rustls signs handshakes with.
    pub(super) const fn signing(&self) -> &Arc<sign::CertifiedKey> {
        &self.signing
    }
}
