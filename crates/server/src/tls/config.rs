//! TLS as a server uses it: a configuration whose certificate follows its source.

use std::{fmt, path::Path, sync::Arc, time::Duration};

use tokio_rustls::rustls::{self, ServerConfig};

#[cfg(feature = "acme")]
use super::resolver::CHALLENGE_PROTOCOL;
use super::{certified_key::CertifiedKey, error::TlsError, resolver::CertResolver, source::Source};
#[cfg(feature = "acme")]
use crate::acme::{Acme, AcmeOptions};
use crate::supervisor::blocking;

/// How often certificates in files are looked at. A look is two small reads; being told by the system of changes works neither
/// through every symbolic link nor in every file system.
const FILES_EVERY: Duration = Duration::from_secs(10);

/// How often a certificate of our own is looked at, which is made anew a month before its end.
const OWN_EVERY: Duration = Duration::from_hours(1);

/// A certificate with its key, ready to serve, and kept up to date while a [`Server`](crate::Server) has it. Cheap to clone: the
/// clones show the same.
#[derive(Clone)]
pub struct Tls {
    config: Arc<ServerConfig>,
    pub(super) resolver: Arc<CertResolver>,
    pub(super) source: Arc<Source>,
    /// How often the source is looked at.
    pub(super) every: Duration,
}

/// What [`Tls::reload`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reloaded {
    /// The certificate that is shown already.
    Unchanged,
    /// Another one, which new connections are shown from now on.
    Changed,
}

impl Tls {
    /// The certificate that the server keeps in this directory for these host names and addresses.
    ///
    /// It is made when there is none, when it does not cover all of the names, or when it is about to end; names that it
    /// covered before stay covered, so that moving between two networks does not make it anew each time. `localhost`,
    /// `127.0.0.1` and `::1` are always covered. The key is readable by its owner alone, and outlives the certificates.
    ///
    /// Browsers show a warning for such a certificate once. [`fingerprint`](Self::fingerprint) is what a careful person
    /// compares there.
    ///
    /// # Errors
    ///
    /// [`TlsError`] when the directory cannot be used, or when a name is no host name.
    pub fn self_signed(directory: &Path, names: &[String]) -> Result<Self, TlsError> {
        Self::load(Source::SelfSigned { directory: directory.to_owned(), names: names.to_vec() }, OWN_EVERY)
    }

    /// A certificate chain and its key from PEM files, for example from a public authority. Where the files change, what is
    /// shown changes, within ten seconds; a pair that does not fit is passed over, and the last good one is shown on.
    ///
    /// # Errors
    ///
    /// [`TlsError`] when a file cannot be read, holds something else, or when the key is not the certificate's.
    pub fn from_pem_files(certificates: &Path, key: &Path) -> Result<Self, TlsError> {
        let source = Source::Files { certificates: certificates.to_owned(), key: key.to_owned() };
        Self::load(source, FILES_EVERY)
    }

    /// Certificates that an authority issues by itself (ACME, RFC 8555), by a challenge that comes to the server's own port
    /// (TLS-ALPN-01, RFC 8737). The last one is kept in a directory; until the first one is there, nothing answers in TLS.
    ///
    /// # Errors
    ///
    /// [`TlsError`] when the directory cannot be used, or when a name or a root is none.
    #[cfg(feature = "acme")]
    pub fn acme(options: AcmeOptions) -> Result<Self, TlsError> {
        let resolver = Arc::new(CertResolver::default());
        let acme = Acme::new(options)?;
        if let Some(cached) = acme.cached()? {
            resolver.install(cached);
        }
        let config = config(&resolver, &[b"http/1.1", CHALLENGE_PROTOCOL])?;
        Ok(Self { config, resolver, source: Arc::new(Source::Acme(acme)), every: OWN_EVERY })
    }

    /// The same, looked at as often. Tests shorten it.
    #[must_use]
    pub fn looked_at_every(self, every: Duration) -> Self {
        Self { every, ..self }
    }

    /// Looks at once whether there is another certificate. A server does so by itself from time to time. From an authority it
    /// asks for one at once, if one is due.
    ///
    /// # Errors
    ///
    /// [`TlsError`] as at the beginning. What was shown is shown on.
    pub async fn reload(&self) -> Result<Reloaded, TlsError> {
        let source = self.source.clone();
        let certified = blocking(move || source.read()).await?;
        let changed = certified.is_some_and(|certified| self.resolver.install(certified));
        if changed {
            tracing::info!(fingerprint = self.fingerprint(), "new connections are shown another certificate");
        }
        Ok(if changed { Reloaded::Changed } else { Reloaded::Unchanged })
    }

    /// The SHA-256 fingerprint of the certificate, as browsers show it: `AB:CD:...`. `None` before the first one.
    #[must_use]
    pub fn fingerprint(&self) -> Option<String> {
        self.resolver.with(|certified| certified.fingerprint())
    }

    /// The SHA-256 of the certificate's public key (SubjectPublicKeyInfo, RFC 7469) in base64url, for an invitation
    /// `https://HOST:PORT/#key=...`: the app that is given one accepts no other key. `None` before the first certificate, and
    /// where an authority vouches for it, since then the key may change with each one.
    #[must_use]
    pub fn key_to_pin(&self) -> Option<String> {
        self.resolver.with(|certified| (!certified.is_ca_issued()).then(|| certified.key_fingerprint())).flatten()
    }

    /// Whether somebody else than the server itself has signed the certificate.
    #[must_use]
    pub fn is_vouched_for(&self) -> bool {
        self.resolver.with(CertifiedKey::is_ca_issued).unwrap_or(false)
    }

    /// The certificate in DER, for a client that is to trust it and nothing else. `None` before the first one.
    #[must_use]
    pub fn certificate_der(&self) -> Option<Vec<u8>> {
        self.resolver.with(|certified| certified.certificate().to_vec())
    }

    /// Waits until another certificate is shown than the one with this [`fingerprint`](Self::fingerprint), or any at all.
    pub async fn until_not(&self, fingerprint: Option<&str>) {
        self.resolver.until(|certified| fingerprint.is_none_or(|old| certified.fingerprint() != old)).await;
    }

    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        self.config.clone()
    }

    fn load(source: Source, every: Duration) -> Result<Self, TlsError> {
        let resolver = Arc::new(CertResolver::default());
        if let Some(certified) = source.read()? {
            resolver.install(certified);
        }
        Ok(Self { config: config(&resolver, &[b"http/1.1"])?, resolver, source: Arc::new(source), every })
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
