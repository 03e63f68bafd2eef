//! A file that is read anew when it has changed.

use std::{
    fs, io,
    io::Read,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::SystemTime,
};

/// The largest file that is read. A users' file has about 150 bytes a user.
const LARGEST: u64 = 64 * 1024 * 1024;

/// What a file says, as of when it was last good.
#[derive(Debug)]
pub(crate) struct Watched<T> {
    path: PathBuf,
    parse: fn(&str) -> Result<T, Fault>,
    now: RwLock<Arc<T>>,
    seen: Mutex<Option<Stamp>>,
}

/// What is wrong with a file's text. Nothing of the text is in it: it may be a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    /// In this line, counted from 1.
    #[error(", line {0}: {1}")]
    Line(usize, &'static str),
    #[error(": {0}")]
    Whole(&'static str),
}

/// Tells whether a file is another than before.
type Stamp = (Option<SystemTime>, u64, u64);

impl<T> Watched<T> {
    /// Reads the file for the first time.
    pub(crate) fn open(path: &Path, parse: fn(&str) -> Result<T, Fault>) -> Result<Self, EntryFileError> {
        let error = |why| EntryFileError { path: path.to_owned(), why };
        let stamp = stamp(path).map_err(|io| error(Why::Io(io)))?;
        let text = read(path).map_err(|io| error(Why::Io(io)))?;
        let first = parse(&text).map_err(|fault| error(Why::Fault(fault)))?;
        Ok(Self { path: path.to_owned(), parse, now: RwLock::new(Arc::new(first)), seen: Mutex::new(Some(stamp)) })
    }

    pub(crate) fn get(&self) -> Arc<T> {
        self.now.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the file if it has changed, and returns whether it now says something else. A file that is gone or wrong is told once,
    /// and what it said before goes on. Blocks.
    pub(crate) fn refresh(&self) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = stamp(&self.path);
        if stamp.as_ref().ok() == seen.as_ref() {
            return false;
        }
        *seen = stamp.as_ref().ok().copied();
        let parsed = match stamp.and_then(|_| read(&self.path)) {
            Ok(text) => (self.parse)(&text).map_err(Why::Fault),
            Err(error) => Err(Why::Io(error)),
        };
        match parsed {
            Ok(parsed) => {
                *self.now.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(parsed);
                tracing::info!(file = %self.path.display(), "read anew");
                true
            }
            Err(why) => {
                let error = EntryFileError { path: self.path.clone(), why };
                tracing::error!("{error}; what it said before goes on");
                false
            }
        }
    }
}

/// Why a file that says who may come in cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}{why}", path.display())]
pub struct EntryFileError {
    path: PathBuf,
    why: Why,
}

/// What comes after the path.
#[derive(Debug, thiserror::Error)]
enum Why {
    #[error(": {0}")]
    Io(io::Error),
    #[error("{0}")]
    Fault(Fault),
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let read = fs::File::open(path)?.take(LARGEST + 1).read_to_string(&mut text)?;
    if read as u64 > LARGEST {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "more than 64 MiB"));
    }
    Ok(text)
}

fn stamp(path: &Path) -> io::Result<Stamp> {
    let file = fs::metadata(path)?;
    #[cfg(unix)]
    let number = std::os::unix::fs::MetadataExt::ino(&file);
    #[cfg(not(unix))]
    let number = 0;
    Ok((file.modified().ok(), file.len(), number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Result<u32, Fault> {
        text.trim().parse().map_err(|_| Fault::Whole("no number"))
    }

    #[test]
    fn a_change_is_read_and_a_mistake_leaves_what_was() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        fs::write(&path, "1").unwrap();
        let file = Watched::open(&path, number).unwrap();
        assert_eq!((file.refresh(), *file.get()), (false, 1));
        for (text, changed, now) in [("22", true, 22), ("three", false, 22), ("4", true, 4)] {
            fs::write(&path, text).unwrap();
            assert_eq!((file.refresh(), *file.get()), (changed, now), "{text}");
            assert!(!file.refresh(), "once");
        }
        fs::remove_file(&path).unwrap();
        assert_eq!((file.refresh(), *file.get()), (false, 4));
        // As editors do: another file takes its place.
        fs::write(directory.path().join("new"), "5").unwrap();
        fs::rename(directory.path().join("new"), &path).unwrap();
        assert_eq!((file.refresh(), *file.get()), (true, 5));
    }

    #[test]
    fn what_is_wrong_is_said_without_the_text() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        assert!(Watched::open(&path, number).unwrap_err().to_string().contains("file: "));
        fs::write(&path, "s3cret").unwrap();
        let error = Watched::open(&path, number).unwrap_err();
        assert!(error.to_string().ends_with("file: no number"), "{error}");
        assert!(!format!("{error:?}").contains("s3cret"));
    }
}
