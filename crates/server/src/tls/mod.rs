//! Certificates: one that the server makes and keeps itself, one from files, or one from an authority.
//!
//! What is shown can change while the server runs: each new handshake takes the certificate of that moment, and connections that
//! exist go on with the one that they began with.

mod keeper;
mod self_signed;
mod shown;

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio_rustls::rustls::{self, ServerConfig};

#[cfg(feature = "acme")]
use crate::acme::{Acme, AcmeOptions};

pub(crate) use keeper::keep;
pub(crate) use shown::{Pair, Shown};

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
    shown: Arc<Shown>,
    source: Arc<Source>,
    every: Duration,
}

/// Where certificates come from.
enum Source {
    SelfSigned {
        directory: PathBuf,
        names: Vec<String>,
    },
    Files {
        certificates: PathBuf,
        key: PathBuf,
    },
    #[cfg(feature = "acme")]
    Acme(Acme),
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
        let shown = Arc::new(Shown::default());
        let acme = Acme::new(options)?;
        if let Some(kept) = acme.kept()? {
            shown.show(kept);
        }
        let config = config(&shown, &[b"http/1.1", crate::acme::CHALLENGE_PROTOCOL])?;
        Ok(Self { config, shown, source: Arc::new(Source::Acme(acme)), every: OWN_EVERY })
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
        let read = tokio::task::spawn_blocking(move || source.read()).await;
        // Reading does not panic, and nothing aborts it.
        let pair = read.map_err(|error| TlsError::Pem(error.to_string()))??;
        let changed = pair.is_some_and(|pair| self.shown.show(pair));
        if changed {
            tracing::info!(fingerprint = self.fingerprint(), "new connections are shown another certificate");
        }
        Ok(if changed { Reloaded::Changed } else { Reloaded::Unchanged })
    }

    /// The SHA-256 fingerprint of the certificate, as browsers show it: `AB:CD:...`. `None` before the first one.
    #[must_use]
    pub fn fingerprint(&self) -> Option<String> {
        self.shown.with(|pair| pair.fingerprint())
    }

    /// The SHA-256 of the certificate's public key (SubjectPublicKeyInfo, RFC 7469) in base64url, for an invitation
    /// `https://HOST:PORT/#key=...`: the app that is given one accepts no other key. `None` before the first certificate, and
    /// where an authority vouches for it, since then the key may change with each one.
    #[must_use]
    pub fn key_to_pin(&self) -> Option<String> {
        self.shown.with(|pair| (!pair.is_vouched_for()).then(|| pair.key_fingerprint())).flatten()
    }

    /// Whether somebody else than the server itself has signed the certificate.
    #[must_use]
    pub fn is_vouched_for(&self) -> bool {
        self.shown.with(Pair::is_vouched_for).unwrap_or(false)
    }

    /// The certificate in DER, for a client that is to trust it and nothing else. `None` before the first one.
    #[must_use]
    pub fn certificate_der(&self) -> Option<Vec<u8>> {
        self.shown.with(|pair| pair.certificate().to_vec())
    }

    /// Waits until another certificate is shown than the one with this [`fingerprint`](Self::fingerprint), or any at all.
    pub async fn until_not(&self, fingerprint: Option<&str>) {
        self.shown.until(|pair| fingerprint.is_none_or(|old| pair.fingerprint() != old)).await;
    }

    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        self.config.clone()
    }

    fn load(source: Source, every: Duration) -> Result<Self, TlsError> {
        let shown = Arc::new(Shown::default());
        if let Some(pair) = source.read()? {
            shown.show(pair);
        }
        Ok(Self { config: config(&shown, &[b"http/1.1"])?, shown, source: Arc::new(source), every })
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("fingerprint", &self.fingerprint()).finish_non_exhaustive()
    }
}

impl Source {
    /// What is there now. `None` where nothing can be there but what is shown already.
    fn read(&self) -> Result<Option<Pair>, TlsError> {
        match self {
            Self::SelfSigned { directory, names } => self_signed::load(directory, names).map(Some),
            Self::Files { certificates, key } => {
                let read = |path: &Path| fs::read(path).map_err(|error| TlsError::File(path.to_owned(), error));
                Pair::from_pem(&read(certificates)?, &read(key)?).map(Some)
            }
            #[cfg(feature = "acme")]
            Self::Acme(acme) => {
                acme.hurry();
                Ok(None)
            }
        }
    }
}

/// Why there is no certificate.
#[derive(Debug)]
pub enum TlsError {
    /// A file or directory could not be read or written.
    File(PathBuf, io::Error),
    /// This is no host name and no address.
    Name(String),
    /// This is no name that an authority could find: an address, a wildcard, or a name of one's own network.
    PublicName(String),
    /// A file holds no certificate or no key in PEM.
    Pem(String),
    /// The certificate could not be made: mostly a name that is no host name.
    Make(rcgen::Error),
    /// The certificate cannot be used: mostly a key that is not its own.
    Use(rustls::Error),
    /// This is no address of an ACME directory.
    Directory(String),
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Name(name) => write!(f, "{name:?} is no host name and no address to make a certificate for"),
            Self::PublicName(name) => {
                write!(
                    f,
                    "{name:?} is no public host name: an authority issues nothing for addresses and wildcards this way"
                )
            }
            Self::Pem(error) => write!(f, "the certificate or its key is not in PEM: {error}"),
            Self::Make(error) => write!(f, "the certificate could not be made: {error}"),
            Self::Use(error) => write!(f, "the certificate cannot be used: {error}"),
            Self::Directory(url) => write!(f, "{url:?} is no https address of an ACME directory"),
        }
    }
}

impl std::error::Error for TlsError {}

impl From<rcgen::Error> for TlsError {
    fn from(error: rcgen::Error) -> Self {
        Self::Make(error)
    }
}

impl From<rustls::Error> for TlsError {
    fn from(error: rustls::Error) -> Self {
        Self::Use(error)
    }
}

fn config(shown: &Arc<Shown>, protocols: &[&[u8]]) -> Result<Arc<ServerConfig>, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(shown.clone());
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(Arc::new(config))
}
