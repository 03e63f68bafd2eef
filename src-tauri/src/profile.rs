//! Where an app keeps what it keeps, and what tells it from another app of the same person.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

/// A data directory of the person's own choice. The usual one is the system's, and is no profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    directory: PathBuf,
    id: String,
}

impl Profile {
    /// The profile in this directory, which is made if there is none. However it is written, it is the same profile.
    ///
    /// # Errors
    ///
    /// What the disk says.
    pub fn within(directory: &Path) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        // Not in Windows' `\\?\` form where another names it too: the webview takes no such directory.
        let directory = dunce::canonicalize(directory)?;
        let digest = Sha256::digest(directory.as_os_str().as_encoded_bytes());
        // Names on the bus must not begin with a digit.
        let id = format!("p{}", hex::encode(digest.get(..8).unwrap_or(&digest)));
        Ok(Self { directory, id })
    }

    /// Where it keeps everything.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// A short word for it in names that must differ from other profiles': `p` and 16 hexadecimal digits.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_directory_is_one_profile_however_it_is_written() {
        let root = tempfile::tempdir().unwrap();
        let one = Profile::within(&root.path().join("new/one")).unwrap();
        let again = Profile::within(&root.path().join("new/../new/one/")).unwrap();
        assert_eq!(one, again);
        assert!(one.directory().is_dir());
        let other = Profile::within(&root.path().join("other")).unwrap();
        assert_ne!(one.id(), other.id());
        assert!(one.id().len() == 17 && one.id().chars().all(|c| c.is_ascii_alphanumeric()), "{}", one.id());
    }

    #[test]
    fn a_file_in_the_way_is_an_error() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(Profile::within(&file.join("profile")).is_err());
    }
}
