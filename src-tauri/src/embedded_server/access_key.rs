//! The access key of the embedded server, in a file that exists while logins require it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hutong_durable_file as durable_file;
use hutong_protocol::Secret;

/// Random bytes of a key: 128 bits.
const KEY_BYTES: usize = 16;

/// The file of the access key.
#[derive(Clone, Debug)]
pub struct AccessKeyFile(PathBuf);

impl AccessKeyFile {
    /// The file in this data directory.
    #[must_use]
    pub fn in_directory(directory: &Path) -> Self {
        Self(directory.join("access-key"))
    }

    /// Reads the key. `None` if there is no file: then logins require no key. A file without a valid key gets a new one, since
    /// the person does not want to let everybody in.
    ///
    /// # Errors
    ///
    /// The file cannot be read or replaced, or there is no randomness.
    pub fn read(&self) -> io::Result<Option<Secret>> {
        match fs::read_to_string(&self.0) {
            Ok(text) => match valid_key(text.trim()) {
                Some(key) => Ok(Some(key)),
                None => {
                    tracing::error!("the file of the access key has none; a new key replaces it");
                    self.create().map(Some)
                }
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Stores a new random key, and returns it.
    ///
    /// # Errors
    ///
    /// The file cannot be written, or there is no randomness.
    pub fn create(&self) -> io::Result<Secret> {
        let mut bytes = [0; KEY_BYTES];
        getrandom::fill(&mut bytes).map_err(io::Error::other)?;
        let key = Secret::new(&URL_SAFE_NO_PAD.encode(bytes)).map_err(io::Error::other)?;
        durable_file::replace(&self.0, format!("{}\n", key.expose()).as_bytes())?;
        Ok(key)
    }

    /// Removes the file.
    ///
    /// # Errors
    ///
    /// It cannot be removed.
    pub fn remove(&self) -> io::Result<()> {
        match fs::remove_file(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// A key as [`AccessKeyFile::create`] writes it: others could not be part of an address as they are.
fn valid_key(text: &str) -> Option<Secret> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    (bytes.len() == KEY_BYTES).then(|| Secret::new(text).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_outlasts_the_process_until_it_is_removed_and_the_next_one_differs() {
        let directory = tempfile::tempdir().unwrap();
        let file = AccessKeyFile::in_directory(directory.path());
        assert_eq!(file.read().unwrap(), None);
        let key = file.create().unwrap();
        assert_eq!(key.expose().len(), 22);
        assert_eq!(AccessKeyFile::in_directory(directory.path()).read().unwrap(), Some(key.clone()));
        file.remove().unwrap();
        file.remove().unwrap();
        assert_eq!(file.read().unwrap(), None);
        assert_ne!(file.create().unwrap(), key);
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read_the_key() {
        use std::os::unix::fs::PermissionsExt as _;

        let directory = tempfile::tempdir().unwrap();
        AccessKeyFile::in_directory(directory.path()).create().unwrap();
        let mode = fs::metadata(directory.path().join("access-key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_damaged_file_requires_a_new_key_instead_of_none() {
        let directory = tempfile::tempdir().unwrap();
        let file = AccessKeyFile::in_directory(directory.path());
        for damaged in ["", "short", "not base64 not base64 x", "AAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
            fs::write(directory.path().join("access-key"), damaged).unwrap();
            let key = file.read().unwrap().unwrap();
            assert_ne!(key.expose(), damaged);
            assert_eq!(file.read().unwrap(), Some(key));
        }
    }
}
