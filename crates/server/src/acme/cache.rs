//! Cache of the ACME account and the latest certificate.
//!
//! Authorities limit how many accounts and certificates they issue, so a restart must reuse them.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use hutong_durable_file as durable_file;
use instant_acme::AccountCredentials;
use sha2::{Digest, Sha256};

use crate::tls::TlsError;

/// Files in a directory, readable by their owner only. Each authority and set of names has its own files.
#[derive(Debug)]
pub(super) struct AcmeCache {
    account: PathBuf,
    certificate: PathBuf,
}

impl AcmeCache {
    pub(super) fn open(directory: &Path, authority: &str, names: &[String]) -> Result<Self, TlsError> {
        fs::create_dir_all(directory).map_err(|error| TlsError::File(directory.to_owned(), error))?;
        let mut sorted = names.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        let account = format!("acme-account-{}.json", short_hash(authority));
        let certificate = format!("acme-certificate-{}.pem", short_hash(&format!("{authority} {}", sorted.join(" "))));
        Ok(Self { account: directory.join(account), certificate: directory.join(certificate) })
    }

    /// The key and the chain in PEM. `None` if there is none yet.
    pub(super) fn certificate(&self) -> Result<Option<String>, TlsError> {
        read(&self.certificate).map_err(|error| TlsError::File(self.certificate.clone(), error))
    }

    pub(super) fn store_certificate(&self, pem: &str) -> io::Result<()> {
        durable_file::replace(&self.certificate, pem.as_bytes())
    }

    /// The account. `None` if there is none or its file is invalid; the caller then creates another one.
    pub(super) fn account(&self) -> io::Result<Option<AccountCredentials>> {
        let Some(text) = read(&self.account)? else { return Ok(None) };
        let account = serde_json::from_str(&text);
        Ok(account
            .inspect_err(|error| tracing::warn!(%error, "cached ACME account is invalid; a new one will be created"))
            .ok())
    }

    pub(super) fn store_account(&self, account: &AccountCredentials) -> io::Result<()> {
        durable_file::replace(&self.account, &serde_json::to_vec(account)?)
    }

    pub(super) fn delete_account(&self) -> io::Result<()> {
        fs::remove_file(&self.account)
    }
}

/// Eight bytes are enough for a file name: there are only a few authorities and sets of names.
fn short_hash(text: &str) -> String {
    hex::encode(&Sha256::digest(text)[..8])
}

fn read(path: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_again_only_for_the_same_authority_and_names() {
        let directory = tempfile::tempdir().unwrap();
        let open = |authority: &str, names: &[&str]| {
            let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
            AcmeCache::open(&directory.path().join("new"), authority, &names).unwrap()
        };
        let one = open("https://one.example", &["a.example", "b.example"]);
        assert!(one.certificate().unwrap().is_none() && one.account().unwrap().is_none());
        one.store_certificate("first").unwrap();
        one.store_certificate("second").unwrap();
        assert_eq!(open("https://one.example", &["b.example", "a.example"]).certificate().unwrap().unwrap(), "second");
        for other in
            [open("https://one.example", &["a.example"]), open("https://two.example", &["a.example", "b.example"])]
        {
            assert_eq!(other.certificate().unwrap(), None);
        }
        fs::write(&one.account, "{").unwrap();
        assert!(one.account().unwrap().is_none());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&one.certificate).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
}
