//! Profiles: separate data directories, each used by a separate app instance.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

/// A data directory that the person chose, with an ID derived from its path. The default data directory is no profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    directory: PathBuf,
    id: String,
}

impl Profile {
    /// Opens the profile in this directory, and creates the directory if needed. All spellings of one path give the same
    /// profile.
    ///
    /// # Errors
    ///
    /// When the directory cannot be created or resolved.
    pub fn open(directory: &Path) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        // `dunce` avoids Windows' `\\?\` paths, which the webview does not accept.
        let directory = dunce::canonicalize(directory)?;
        let digest = Sha256::digest(directory.as_os_str().as_encoded_bytes());
        // An element of a D-Bus name must not begin with a digit.
        let id = format!("p{}", hex::encode(digest.get(..8).unwrap_or(&digest)));
        Ok(Self { directory, id })
    }

    /// The data directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// An ID for names that must differ between profiles: `p` and 16 hexadecimal digits.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_spellings_of_a_directory_give_one_profile() {
        let root = tempfile::tempdir().unwrap();
        let one = Profile::open(&root.path().join("new/one")).unwrap();
        let again = Profile::open(&root.path().join("new/../new/one/")).unwrap();
        assert_eq!(one, again);
        assert!(one.directory().is_dir());
        let other = Profile::open(&root.path().join("other")).unwrap();
        assert_ne!(one.id(), other.id());
        assert!(one.id().len() == 17 && one.id().chars().all(|c| c.is_ascii_alphanumeric()), "{}", one.id());
    }

    #[test]
    fn a_file_in_place_of_the_directory_is_an_error() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(Profile::open(&file.join("profile")).is_err());
    }
}
