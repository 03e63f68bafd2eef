//! A file that is parsed again when it changes, with the last valid content kept.

use std::{
    fs, io,
    io::Read,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::SystemTime,
};

/// Largest file that is read, in bytes. A users file has about 150 bytes a user.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// Parsed content of a file. While the file is missing or invalid, the last valid content stays in force.
#[derive(Debug)]
pub(crate) struct ReloadableFile<T> {
    path: PathBuf,
    parse: fn(&str) -> Result<T, FileContentError>,
    content: RwLock<Arc<T>>,
    /// Version of the last read, valid or not. `None` if the file was missing.
    version: Mutex<Option<FileVersion>>,
}

/// Why a file does not parse. Never contains text of the file, which may be a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FileContentError {
    /// Line number, counted from 1, and the problem.
    #[error("line {0}: {1}")]
    Line(usize, &'static str),
    #[error("{0}")]
    Whole(&'static str),
}

/// Identifies a version of a file: modification time, length in bytes, inode number (0 except on Unix).
type FileVersion = (Option<SystemTime>, u64, u64);

impl<T> ReloadableFile<T> {
    /// Reads the file for the first time.
    pub(crate) fn open(
        path: &Path,
        parse: fn(&str) -> Result<T, FileContentError>,
    ) -> Result<Self, AdmissionFileError> {
        let error = |problem| AdmissionFileError { path: path.to_owned(), problem };
        let version = version(path).map_err(|io| error(FileProblem::Io(io)))?;
        let text = read(path).map_err(|io| error(FileProblem::Io(io)))?;
        let content = parse(&text).map_err(|invalid| error(FileProblem::Content(invalid)))?;
        Ok(Self {
            path: path.to_owned(),
            parse,
            content: RwLock::new(Arc::new(content)),
            version: Mutex::new(Some(version)),
        })
    }

    pub(crate) fn get(&self) -> Arc<T> {
        self.content.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the file again if it has changed. Returns whether there is new content. Blocks.
    ///
    /// A missing or invalid file is logged once per change, and the previous content stays in force.
    pub(crate) fn refresh(&self) -> bool {
        let mut last = self.version.lock().unwrap_or_else(PoisonError::into_inner);
        let version = version(&self.path);
        if version.as_ref().ok() == last.as_ref() {
            return false;
        }
        *last = version.as_ref().ok().copied();
        let parsed = match version.and_then(|_| read(&self.path)) {
            Ok(text) => (self.parse)(&text).map_err(FileProblem::Content),
            Err(error) => Err(FileProblem::Io(error)),
        };
        match parsed {
            Ok(content) => {
                *self.content.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(content);
                tracing::info!(file = %self.path.display(), "admission file changed; reloaded");
                true
            }
            Err(problem) => {
                let error = AdmissionFileError { path: self.path.clone(), problem };
                tracing::error!(%error, "admission file changed but is not usable; previous content stays in force");
                false
            }
        }
    }
}

/// Error: a file of secrets or the deny list cannot be read or parsed.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", path.display())]
pub struct AdmissionFileError {
    path: PathBuf,
    problem: FileProblem,
}

/// The part of the message after the path.
#[derive(Debug, thiserror::Error)]
enum FileProblem {
    #[error("{0}")]
    Io(io::Error),
    #[error("{0}")]
    Content(FileContentError),
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let read = fs::File::open(path)?.take(MAX_BYTES + 1).read_to_string(&mut text)?;
    if read as u64 > MAX_BYTES {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "more than 64 MiB"));
    }
    Ok(text)
}

fn version(path: &Path) -> io::Result<FileVersion> {
    let file = fs::metadata(path)?;
    #[cfg(unix)]
    let inode = std::os::unix::fs::MetadataExt::ino(&file);
    #[cfg(not(unix))]
    let inode = 0;
    Ok((file.modified().ok(), file.len(), inode))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Result<u32, FileContentError> {
        text.trim().parse().map_err(|_| FileContentError::Whole("not a number"))
    }

    #[test]
    fn a_valid_change_is_loaded_and_an_invalid_one_keeps_the_old_content() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        fs::write(&path, "1").unwrap();
        let file = ReloadableFile::open(&path, number).unwrap();
        assert_eq!((file.refresh(), *file.get()), (false, 1));
        for (text, changed, now) in [("22", true, 22), ("three", false, 22), ("4", true, 4)] {
            fs::write(&path, text).unwrap();
            assert_eq!((file.refresh(), *file.get()), (changed, now), "{text}");
            assert!(!file.refresh(), "a change is read once");
        }
        fs::remove_file(&path).unwrap();
        assert_eq!((file.refresh(), *file.get()), (false, 4));
        // Editors replace the file by renaming another one over it.
        fs::write(directory.path().join("new"), "5").unwrap();
        fs::rename(directory.path().join("new"), &path).unwrap();
        assert_eq!((file.refresh(), *file.get()), (true, 5));
    }

    #[test]
    fn an_error_never_contains_text_of_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        assert!(ReloadableFile::open(&path, number).unwrap_err().to_string().contains("file: "));
        fs::write(&path, "s3cret").unwrap();
        let error = ReloadableFile::open(&path, number).unwrap_err();
        assert!(error.to_string().ends_with("file: not a number"), "{error}");
        assert!(!format!("{error:?}").contains("s3cret"));
    }
}
