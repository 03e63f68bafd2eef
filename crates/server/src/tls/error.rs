//! Error of loading or generating a certificate.

use std::{io, path::PathBuf};

use tokio_rustls::rustls;

/// Error of loading or generating a certificate.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file or directory could not be read or written.
    #[error("{}: {}", .0.display(), .1)]
    File(PathBuf, io::Error),
    /// A name for a self-signed certificate is neither a host name nor an address.
    #[error("{0:?} is neither a host name nor an address, so a certificate cannot cover it")]
    Name(String),
    /// A name for an ACME certificate is an address, a wildcard or a local name.
    #[error(
        "{0:?} is not a public host name; the ACME authority issues nothing for addresses, wildcards and local names"
    )]
    PublicName(String),
    /// A file contains no certificate or no key in PEM.
    #[error("the certificate or its key is not valid PEM: {0}")]
    Pem(String),
    /// A certificate could not be generated, usually because a name is not a host name.
    #[error("cannot generate the certificate: {0}")]
    Generate(#[from] rcgen::Error),
    /// The certificate cannot be used, usually because the key belongs to another one.
    #[error("the certificate cannot be used: {0}")]
    Unusable(#[from] rustls::Error),
    /// The URL of the ACME directory is not an https URL.
    #[error("{0:?} is not the https URL of an ACME directory")]
    DirectoryUrl(String),
}
