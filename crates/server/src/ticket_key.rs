//! The secret that tickets are signed with, and the file that it may be kept in.

use std::{fmt, fs, io, io::Write, path::Path};

/// The secret that tickets are signed with.
///
/// A server that has the same one after a restart knows its users and their calls again. Its bytes are left out of debug
/// output, so that they cannot reach a log.
#[derive(Clone, PartialEq, Eq)]
pub struct TicketKey([u8; 32]);

impl TicketKey {
    /// A new random key.
    ///
    /// # Errors
    ///
    /// When the system has no randomness to give.
    pub fn random() -> Result<Self, TicketKeyError> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(|_| TicketKeyError::NoRandomness)?;
        Ok(Self(key))
    }

    /// Reads the key from a file of 64 hexadecimal digits, or, where there is none, makes a random one and writes the file,
    /// readable by its owner alone.
    ///
    /// # Errors
    ///
    /// [`TicketKeyError`] says what is wrong with the file. A file that holds something else is never overwritten.
    pub fn from_file(path: &Path) -> Result<Self, TicketKeyError> {
        match fs::read_to_string(path) {
            Ok(text) => parse(text.trim()).ok_or(TicketKeyError::NotAKey),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let key = Self::random()?;
                let text: String = key.0.iter().map(|byte| format!("{byte:02x}")).chain(["\n".to_owned()]).collect();
                create_private(path)?.write_all(text.as_bytes())?;
                Ok(key)
            }
            Err(error) => Err(error.into()),
        }
    }

    pub(crate) const fn bytes(&self) -> [u8; 32] {
        self.0
    }
}

impl fmt::Debug for TicketKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TicketKey(..)")
    }
}

/// Why there is no ticket key.
#[derive(Debug)]
pub enum TicketKeyError {
    /// The system has no randomness to give.
    NoRandomness,
    /// The file holds something else than 64 hexadecimal digits.
    NotAKey,
    /// The file could not be read or made.
    Io(io::Error),
}

impl fmt::Display for TicketKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRandomness => f.write_str("the system has no randomness to make a ticket key from"),
            Self::NotAKey => {
                f.write_str("a ticket key file holds 64 hexadecimal digits; move this one away to get a new key")
            }
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for TicketKeyError {}

impl From<io::Error> for TicketKeyError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Makes a new file that only its owner can read and write.
pub(crate) fn create_private(path: &Path) -> io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn parse(digits: &str) -> Option<TicketKey> {
    if digits.len() != 64 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let mut key = [0; 32];
    for (byte, pair) in key.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(TicketKey(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_found_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        let made = TicketKey::from_file(&path).unwrap();
        assert_eq!(TicketKey::from_file(&path).unwrap(), made);
        assert_ne!(TicketKey::random().unwrap(), made);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_file_that_is_no_key_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        for text in ["", "a recipe", &"0".repeat(63), &"+0".repeat(32), &"é".repeat(32)] {
            fs::write(&path, text).unwrap();
            assert!(matches!(TicketKey::from_file(&path), Err(TicketKeyError::NotAKey)), "{text}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }

    #[test]
    fn a_key_stays_out_of_debug_output() {
        assert_eq!(format!("{:?}", TicketKey([7; 32])), "TicketKey(..)");
    }
}
