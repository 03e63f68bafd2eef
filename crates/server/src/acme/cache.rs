//! What outlives a restart: the account, and the last certificate with its key. Authorities issue only so many of either.

use std::{
    fs, io,
    io::Write,
    path::{Path, PathBuf},
};

use instant_acme::AccountCredentials;
use sha2::{Digest, Sha256};

use crate::{ticket_key::create_private, tls::TlsError};

/// Files in a directory, readable by their owner alone. Other authorities and other names have other files there.
#[derive(Debug)]
pub(super) struct Cache {
    account: PathBuf,
    certificate: PathBuf,
}

impl Cache {
    pub(super) fn open(directory: &Path, authority: &str, names: &[String]) -> Result<Self, TlsError> {
        fs::create_dir_all(directory).map_err(|error| TlsError::File(directory.to_owned(), error))?;
        let mut sorted = names.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        let account = format!("acme-account-{}.json", short(authority));
        let certificate = format!("acme-certificate-{}.pem", short(&format!("{authority} {}", sorted.join(" "))));
        Ok(Self { account: directory.join(account), certificate: directory.join(certificate) })
    }

    /// The key, then the chain, in PEM.
    pub(super) fn certificate(&self) -> Result<Option<String>, TlsError> {
        read(&self.certificate).map_err(|error| TlsError::File(self.certificate.clone(), error))
    }

    pub(super) fn keep_certificate(&self, pem: &str) -> io::Result<()> {
        write(&self.certificate, pem)
    }

    /// The account. One that does not parse is as good as none: another one is made.
    pub(super) fn account(&self) -> io::Result<Option<AccountCredentials>> {
        let account = read(&self.account)?.map(|text| serde_json::from_str(&text));
        Ok(account
            .and_then(|read| read.inspect_err(|error| tracing::warn!(%error, "the kept account is of no use")).ok()))
    }

    pub(super) fn keep_account(&self, account: &AccountCredentials) -> io::Result<()> {
        write(&self.account, &serde_json::to_string(account)?)
    }

    pub(super) fn forget_account(&self) -> io::Result<()> {
        fs::remove_file(&self.account)
    }
}

/// Eight bytes are enough to tell a few authorities apart.
fn short(text: &str) -> String {
    hex::encode(&Sha256::digest(text)[..8])
}

fn read(path: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// All of it or, when something goes wrong, none.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let draft = path.with_extension("new");
    // Left over where an earlier run was killed in between.
    let _absent: io::Result<()> = fs::remove_file(&draft);
    let mut file = create_private(&draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&draft, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_found_again_by_the_same_authority_and_names() {
        let directory = tempfile::tempdir().unwrap();
        let open = |authority: &str, names: &[&str]| {
            let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
            Cache::open(&directory.path().join("made"), authority, &names).unwrap()
        };
        let one = open("https://one.example", &["a.example", "b.example"]);
        assert!(one.certificate().unwrap().is_none() && one.account().unwrap().is_none());
        one.keep_certificate("first").unwrap();
        one.keep_certificate("second").unwrap();
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
