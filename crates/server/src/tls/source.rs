//! Where a server's certificate comes from.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{certified_key::CertifiedKey, error::TlsError, self_signed};
#[cfg(feature = "acme")]
use crate::acme::Acme;

/// Where certificates come from.
pub(super) enum Source {
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

impl Source {
    /// What is there now. `None` where nothing can be there but what is served already.
    pub(super) fn read(&self) -> Result<Option<CertifiedKey>, TlsError> {
        match self {
            Self::SelfSigned { directory, names } => self_signed::load(directory, names).map(Some),
            Self::Files { certificates, key } => {
                let read = |path: &Path| fs::read(path).map_err(|error| TlsError::File(path.to_owned(), error));
                CertifiedKey::from_pem(&read(certificates)?, &read(key)?).map(Some)
            }
            #[cfg(feature = "acme")]
            Self::Acme(acme) => {
                acme.renew_now();
                Ok(None)
            }
        }
    }
}
