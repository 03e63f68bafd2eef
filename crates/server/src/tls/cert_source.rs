//! Where a server's certificate comes from: generated, read from files, or issued by an ACME authority.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{certified_key::CertifiedKey, error::TlsError, self_signed};
#[cfg(feature = "acme")]
use crate::acme::AcmeRenewer;

/// Where a server's certificate comes from.
pub(super) enum CertSource {
    SelfSigned {
        directory: PathBuf,
        names: Vec<String>,
    },
    Files {
        certificates: PathBuf,
        key: PathBuf,
    },
    #[cfg(feature = "acme")]
    Acme(AcmeRenewer),
}

impl CertSource {
    /// Loads the current certificate. `None` for ACME: there it only triggers the next order, which installs its result.
    pub(super) fn load(&self) -> Result<Option<CertifiedKey>, TlsError> {
        match self {
            Self::SelfSigned { directory, names } => self_signed::load(directory, names).map(Some),
            Self::Files { certificates, key } => {
                let read = |path: &Path| fs::read(path).map_err(|error| TlsError::File(path.to_owned(), error));
                CertifiedKey::from_pem(&read(certificates)?, &read(key)?).map(Some)
            }
            #[cfg(feature = "acme")]
            Self::Acme(renewer) => {
                renewer.renew_now();
                Ok(None)
            }
        }
    }

    /// The configured names of the certificate, which are known before there is one. Files name none.
    pub(super) fn names(&self) -> &[String] {
        match self {
            Self::SelfSigned { names, .. } => names,
            Self::Files { .. } => &[],
            #[cfg(feature = "acme")]
            Self::Acme(renewer) => renewer.names(),
        }
    }
}
