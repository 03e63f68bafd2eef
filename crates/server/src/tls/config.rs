//! TLS configuration of a server, whose certificate can be replaced while it runs.

use std::{fmt, path::Path, sync::Arc, time::Duration};

use tokio_rustls::rustls::{self, ServerConfig};

#[cfg(feature = "acme")]
use super::resolver::CHALLENGE_PROTOCOL;
use super::{cert_source::CertSource, certified_key::CertifiedKey, error::TlsError, resolver::CertResolver};
#[cfg(feature = "acme")]
use crate::acme::{AcmeOptions, AcmeRenewer};
use crate::supervisor::blocking;

/// How often certificate files are read again. Polling costs two small reads; file system notifications would miss changes
/// behind symbolic links and on some file systems.
const FILE_POLL_INTERVAL: Duration = Duration::from_secs(10);

/// How often a self-signed certificate is checked for its renewal, which is due a month before it expires. Often, because
/// the clock may have been wrong when it was generated: then nobody accepts it any more once the clock is right.
const RENEWAL_CHECK_INTERVAL: Duration = Duration::from_secs(10);

/// TLS configuration with a certificate and its key. Cheap to clone; clones share the certificate.
///
/// A running [`Server`](crate::Server) keeps the certificate current.
#[derive(Clone)]
pub struct Tls {
    config: Arc<ServerConfig>,
    pub(super) resolver: Arc<CertResolver>,
    pub(super) source: Arc<CertSource>,
    /// How often a running server reloads from the source.
    pub(super) poll_interval: Duration,
}

/// Result of [`Tls::reload`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReloadOutcome {
    /// The certificate is the same as before.
    Unchanged,
    /// There is another certificate, and new connections use it.
    Changed,
}

impl Tls {
    /// A self-signed certificate for these host names and addresses, stored in this directory.
    ///
    /// It is generated again if it does not cover a name or is about to expire. Earlier names stay covered, so that moving
    /// between two networks does not replace it each time. `localhost`, `127.0.0.1` and `::1` are always covered. The key
    /// file is readable by its owner only, and new certificates keep the key.
    ///
    /// Browsers warn once about such a certificate. The user can compare its [`fingerprint`](Self::fingerprint) there.
    ///
    /// # Errors
    ///
    /// [`TlsError`] if the directory cannot be used, or a name is not a host name.
    pub fn self_signed(directory: &Path, names: &[String]) -> Result<Self, TlsError> {
        let source = CertSource::SelfSigned { directory: directory.to_owned(), names: names.to_vec() };
        Self::load(source, RENEWAL_CHECK_INTERVAL)
    }

    /// A certificate chain and its key from PEM files, for example from a public CA.
    ///
    /// A running server reloads the files within ten seconds after they change. If the new certificate and key do not match,
    /// it keeps the previous pair.
    ///
    /// # Errors
    ///
    /// [`TlsError`] if a file cannot be read or parsed, or the key does not match the certificate.
    pub fn from_pem_files(certificates: &Path, key: &Path) -> Result<Self, TlsError> {
        let source = CertSource::Files { certificates: certificates.to_owned(), key: key.to_owned() };
        Self::load(source, FILE_POLL_INTERVAL)
    }

    /// A certificate that an ACME authority issues (RFC 8555), with TLS-ALPN-01 challenges on the server's own port (RFC 8737).
    ///
    /// The latest certificate is cached in a directory. Until the first one is issued, TLS handshakes fail.
    ///
    /// # Errors
    ///
    /// [`TlsError`] if the directory cannot be used, a name is not a public host name, or a root certificate is invalid.
    #[cfg(feature = "acme")]
    pub fn acme(options: AcmeOptions) -> Result<Self, TlsError> {
        let resolver = Arc::new(CertResolver::default());
        let renewer = AcmeRenewer::new(options)?;
        if let Some(cached) = renewer.cached()? {
            resolver.install(cached);
        }
        let config = config(&resolver, &[b"http/1.1", CHALLENGE_PROTOCOL])?;
        let source = Arc::new(CertSource::Acme(renewer));
        Ok(Self { config, resolver, source, poll_interval: RENEWAL_CHECK_INTERVAL })
    }

    /// The same configuration with another poll interval, for tests.
    #[must_use]
    pub fn with_poll_interval(self, poll_interval: Duration) -> Self {
        Self { poll_interval, ..self }
    }

    /// Reloads the certificate now. For ACME, starts an order now if a renewal is due.
    ///
    /// # Errors
    ///
    /// [`TlsError`], as from the constructors. The previous certificate stays in use.
    pub async fn reload(&self) -> Result<ReloadOutcome, TlsError> {
        let source = self.source.clone();
        let certified = blocking(move || source.load()).await?;
        let changed = certified.is_some_and(|certified| self.resolver.install(certified));
        if changed {
            tracing::info!(fingerprint = self.fingerprint(), "certificate changed; new connections use it");
        }
        Ok(if changed { ReloadOutcome::Changed } else { ReloadOutcome::Unchanged })
    }

    /// SHA-256 fingerprint of the certificate, in the form that browsers show: `AB:CD:...`. `None` before the first one.
    #[must_use]
    pub fn fingerprint(&self) -> Option<String> {
        self.resolver.with(|certified| certified.fingerprint())
    }

    /// SHA-256 of the public key (`SubjectPublicKeyInfo`, RFC 7469) in base64url, for `https://HOST:PORT/#key=...`.
    ///
    /// An app that opens such an invitation accepts no other key. `None` before the first certificate, and for one that a CA
    /// issued, whose key may change at each renewal.
    #[must_use]
    pub fn key_to_pin(&self) -> Option<String> {
        self.resolver.with(|certified| (!certified.is_ca_issued()).then(|| certified.key_fingerprint())).flatten()
    }

    /// Whether a CA issued the certificate. False if it is self-signed.
    #[must_use]
    pub fn is_ca_issued(&self) -> bool {
        self.resolver.with(CertifiedKey::is_ca_issued).unwrap_or(false)
    }

    /// Whether the certificate, or the one that an ACME authority has yet to issue, is for this host name.
    pub(crate) fn covers(&self, name: &str) -> bool {
        self.source.names().iter().any(|known| known.eq_ignore_ascii_case(name))
            || self.resolver.with(|certified| certified.covers(name)).unwrap_or(false)
    }

    /// The certificate in DER, for a client that trusts only this one. `None` before the first one.
    #[must_use]
    pub fn certificate_der(&self) -> Option<Vec<u8>> {
        self.resolver.with(|certified| certified.certificate().to_vec())
    }

    /// Waits until the certificate has another [`fingerprint`](Self::fingerprint) than this one; for `None`, until there is one.
    pub async fn until_replaced(&self, fingerprint: Option<&str>) {
        self.resolver.wait_until(|certified| fingerprint.is_none_or(|old| certified.fingerprint() != old)).await;
    }

    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        self.config.clone()
    }

    fn load(source: CertSource, poll_interval: Duration) -> Result<Self, TlsError> {
        let resolver = Arc::new(CertResolver::default());
        if let Some(certified) = source.load()? {
            resolver.install(certified);
        }
        let config = config(&resolver, &[b"http/1.1"])?;
        Ok(Self { config, resolver, source: Arc::new(source), poll_interval })
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("fingerprint", &self.fingerprint()).finish_non_exhaustive()
    }
}

fn config(resolver: &Arc<CertResolver>, protocols: &[&[u8]]) -> Result<Arc<ServerConfig>, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(resolver.clone());
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(Arc::new(config))
}
