//! Why there is no certificate.

use std::{io, path::PathBuf};

use tokio_rustls::rustls;

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file or directory could not be read or written.
    #[error("{}: {}", .0.display(), .1)]
    File(PathBuf, io::Error),
    /// This is no host name and no address.
    #[error("{0:?} is no host name and no address to make a certificate for")]
    Name(String),
    /// This is no name that an authority could find: an address, a wildcard, or a name of one's own network.
    #[error("{0:?} is no public host name: an authority issues nothing for addresses and wildcards this way")]
    PublicName(String),
    /// A file holds no certificate or no key in PEM.
    #[error("the certificate or its key is not in PEM: {0}")]
    Pem(String),
    /// The certificate could not be made: mostly a name that is no host name.
    #[error("the certificate could not be made: {0}")]
    Make(#[from] rcgen::Error),
    /// The certificate cannot be used: mostly a key that is not its own.
    #[error("the certificate cannot be used: {0}")]
    Use(#[from] rustls::Error),
    /// This is no address of an ACME directory.
    #[error("{0:?} is no https address of an ACME directory")]
    Directory(String),
}
