//! Ticket key: the secret that signs session and call tickets, with its former values, and the file that stores them.

use std::{fmt, fs, io, path::Path};

use hutong_durable_file as durable_file;

/// Largest number of keys. Enough to rotate every few hours, with each key kept for the 24 hours that its tickets are valid.
const MAX_KEYS: usize = 8;

/// Version of the file format, on a line `version 1`. Files written by hand need no such line.
const FILE_VERSION: u32 = 1;

/// The key that signs tickets, and former keys whose tickets are still accepted.
///
/// With the same keys after a restart, a server recognizes its users and their calls. `Debug` omits the bytes, so that they
/// cannot reach a log.
#[derive(Clone, PartialEq, Eq)]
pub struct TicketKey {
    signing_key: [u8; 32],
    former: Vec<[u8; 32]>,
}

impl TicketKey {
    /// Generates a random key.
    ///
    /// # Errors
    ///
    /// [`TicketKeyError::NoRandomness`] if the operating system's random number generator fails.
    pub fn random() -> Result<Self, TicketKeyError> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(|_| TicketKeyError::NoRandomness)?;
        Ok(Self { signing_key: key, former: Vec::new() })
    }

    /// Parses keys of 64 hexadecimal digits each, separated by white space. The first one signs. `version` and a number may
    /// stand anywhere between them: a rotation puts a new key in front.
    ///
    /// # Errors
    ///
    /// [`TicketKeyError::Newer`] if the text has a later version than this build knows, else [`TicketKeyError::Invalid`]
    /// unless it is one to eight keys.
    pub fn parse(text: &str) -> Result<Self, TicketKeyError> {
        let mut keys = Vec::new();
        let mut words = text.split_whitespace();
        while let Some(word) = words.next() {
            if word == "version" {
                match words.next().and_then(|number| number.parse::<u32>().ok()).ok_or(TicketKeyError::Invalid)? {
                    ..=FILE_VERSION => {}
                    version => return Err(TicketKeyError::Newer { version }),
                }
            } else {
                keys.push(parse_key(word).ok_or(TicketKeyError::Invalid)?);
            }
        }
        match keys.split_first() {
            Some((signing_key, former)) if keys.len() <= MAX_KEYS => {
                Ok(Self { signing_key: *signing_key, former: former.to_vec() })
            }
            _ => Err(TicketKeyError::Invalid),
        }
    }

    /// Reads keys from a file, as [`parse`](Self::parse) does. If there is none, creates it with a random key, readable by its
    /// owner only.
    ///
    /// # Errors
    ///
    /// [`TicketKeyError`] if the file is invalid, of a later version, or inaccessible. It is then never overwritten.
    pub fn from_file(path: &Path) -> Result<Self, TicketKeyError> {
        match fs::read_to_string(path) {
            Ok(text) => Self::parse(&text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let key = Self::random()?;
                let text = format!("version {FILE_VERSION}\n{}\n", hex::encode(key.signing_key));
                durable_file::create(path, text.as_bytes())?;
                Ok(key)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Number of former keys.
    #[must_use]
    pub const fn former_count(&self) -> usize {
        self.former.len()
    }

    pub(crate) const fn signing_key(&self) -> &[u8; 32] {
        &self.signing_key
    }

    pub(crate) fn former_keys(&self) -> &[[u8; 32]] {
        &self.former
    }
}

impl fmt::Debug for TicketKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TicketKey(..)")
    }
}

/// Error of generating or reading a ticket key.
#[derive(Debug, thiserror::Error)]
pub enum TicketKeyError {
    /// The operating system's random number generator failed.
    #[error("cannot generate a ticket key: the operating system's random number generator failed")]
    NoRandomness,
    /// The text is not one to eight keys of 64 hexadecimal digits.
    #[error(
        "invalid content: expected one to eight keys of 64 hexadecimal digits; without a file, the server creates one"
    )]
    Invalid,
    /// A later version of the server has written the file.
    #[error("the file is of version {version}, which a newer hutong-server has written: update this one")]
    Newer {
        /// The version in the file.
        version: u32,
    },
    /// The file could not be read or created.
    #[error(transparent)]
    Io(#[from] io::Error),
}

fn parse_key(digits: &str) -> Option<[u8; 32]> {
    let mut key = [0; 32];
    hex::decode_to_slice(digits, &mut key).ok()?;
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_is_created_once_and_reused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        let created = TicketKey::from_file(&path).unwrap();
        assert_eq!(TicketKey::from_file(&path).unwrap(), created);
        assert_ne!(TicketKey::random().unwrap(), created);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn an_invalid_file_is_not_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        let nine = format!("{}\n", "0".repeat(64)).repeat(9);
        for text in ["", "\n", "a recipe", &"0".repeat(63), &"+0".repeat(32), &"é".repeat(32), &nine] {
            fs::write(&path, text).unwrap();
            assert!(matches!(TicketKey::from_file(&path), Err(TicketKeyError::Invalid)), "{text}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }

    #[test]
    fn a_newer_file_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        for text in ["version 2\n", &format!("{}\nversion 3\nkey=x", "01".repeat(32))] {
            fs::write(&path, text).unwrap();
            assert!(matches!(TicketKey::from_file(&path), Err(TicketKeyError::Newer { .. })), "{text}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }

    #[test]
    fn a_draft_that_a_power_cut_left_behind_is_ignored() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        fs::write(directory.path().join("key.draft"), "01".repeat(20)).unwrap();
        let created = TicketKey::from_file(&path).unwrap();
        assert_eq!(TicketKey::from_file(&path).unwrap(), created);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn debug_output_omits_the_key() {
        assert_eq!(format!("{:?}", TicketKey { signing_key: [7; 32], former: vec![[8; 32]] }), "TicketKey(..)");
    }

    #[test]
    fn the_first_key_signs_and_the_others_are_former_keys() {
        for version in ["", "version 1\n"] {
            let text = format!("{}\n{version}{} {}\n", "01".repeat(32), "02".repeat(32), "03".repeat(32));
            let key = TicketKey::parse(&text).unwrap();
            assert_eq!((key.signing_key, &key.former[..]), ([1; 32], &[[2; 32], [3; 32]][..]));
        }
    }
}
