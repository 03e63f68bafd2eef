//! The secret that tickets are signed with, those before it, and the file that they may be kept in.

use std::{fmt, fs, io, io::Write, path::Path};

/// How many secrets are kept: a new one every few hours, each for the 24 hours that a ticket is good for.
const MOST: usize = 8;

/// The secret that tickets are signed with, and those of earlier times whose tickets are still good.
///
/// A server that has the same ones after a restart knows its users and their calls again. Their bytes are left out of debug
/// output, so that they cannot reach a log.
#[derive(Clone, PartialEq, Eq)]
pub struct TicketKey {
    signs: [u8; 32],
    former: Vec<[u8; 32]>,
}

impl TicketKey {
    /// A new random key.
    ///
    /// # Errors
    ///
    /// When the system has no randomness to give.
    pub fn random() -> Result<Self, TicketKeyError> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(|_| TicketKeyError::NoRandomness)?;
        Ok(Self { signs: key, former: Vec::new() })
    }

    /// Reads keys of 64 hexadecimal digits each, separated by spaces or line ends. The first signs.
    ///
    /// # Errors
    ///
    /// [`TicketKeyError::NotAKey`] when there is none, something else, or more than eight.
    pub fn parse(text: &str) -> Result<Self, TicketKeyError> {
        let keys = text.split_whitespace().map(parse).collect::<Option<Vec<_>>>().ok_or(TicketKeyError::NotAKey)?;
        match keys.split_first() {
            Some((signs, former)) if keys.len() <= MOST => Ok(Self { signs: *signs, former: former.to_vec() }),
            _ => Err(TicketKeyError::NotAKey),
        }
    }

    /// Reads keys, as [`parse`](Self::parse) does, from a file, or, where there is none, makes a random one and writes the file,
    /// readable by its owner alone.
    ///
    /// # Errors
    ///
    /// [`TicketKeyError`] says what is wrong with the file. A file that holds something else is never overwritten.
    pub fn from_file(path: &Path) -> Result<Self, TicketKeyError> {
        match fs::read_to_string(path) {
            Ok(text) => Self::parse(&text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let key = Self::random()?;
                create_private(path)?.write_all(format!("{}\n", hex::encode(key.signs)).as_bytes())?;
                Ok(key)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// How many keys of earlier times there are.
    #[must_use]
    pub const fn former(&self) -> usize {
        self.former.len()
    }

    pub(crate) const fn signs(&self) -> &[u8; 32] {
        &self.signs
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

/// Why there is no ticket key.
#[derive(Debug, thiserror::Error)]
pub enum TicketKeyError {
    /// The system has no randomness to give.
    #[error("the system has no randomness to make a ticket key from")]
    NoRandomness,
    /// There is something else than one to eight keys of 64 hexadecimal digits.
    #[error("a key is 64 hexadecimal digits, and there may be eight; a file moved away is made anew")]
    NotAKey,
    /// The file could not be read or made.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Makes a new file that only its owner can read and write.
pub(crate) fn create_private(path: &Path) -> io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn parse(digits: &str) -> Option<[u8; 32]> {
    let mut key = [0; 32];
    hex::decode_to_slice(digits, &mut key).ok()?;
    Some(key)
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
        let nine = format!("{}\n", "0".repeat(64)).repeat(9);
        for text in ["", "\n", "a recipe", &"0".repeat(63), &"+0".repeat(32), &"é".repeat(32), &nine] {
            fs::write(&path, text).unwrap();
            assert!(matches!(TicketKey::from_file(&path), Err(TicketKeyError::NotAKey)), "{text}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }

    #[test]
    fn a_key_stays_out_of_debug_output() {
        assert_eq!(format!("{:?}", TicketKey { signs: [7; 32], former: vec![[8; 32]] }), "TicketKey(..)");
    }

    #[test]
    fn the_first_key_signs_and_the_others_are_former_ones() {
        let text = format!("{}\n{} {}\n", "01".repeat(32), "02".repeat(32), "03".repeat(32));
        let key = TicketKey::parse(&text).unwrap();
        assert_eq!((key.signs, &key.former[..]), ([1; 32], &[[2; 32], [3; 32]][..]));
    }
}
