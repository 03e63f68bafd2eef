//! Durable replacement of a small file: after a crash or a power cut, the file has its old or its new content, never a part.
//!
//! The steps, as POSIX needs them: write a draft beside the file, fsync it, rename it over the file, fsync the directory.
//! The server writes its ticket key and certificates this way, and the app its settings.

use std::{
    ffi::OsString,
    fs, io,
    io::Write,
    path::{Path, PathBuf},
};

/// Appended to a file's name for its draft. A draft that a power cut left behind is overwritten by the next write.
const DRAFT_SUFFIX: &str = ".draft";

/// Creates the file or replaces its content, durably. The file is readable and writable by its owner only.
///
/// Follows a symbolic link: its target is replaced, not the link. Two writers at once are not corrupted, but one of them may
/// fail.
///
/// # Errors
///
/// If a step fails. The file then has its old or its new content.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    replace_on(&RealDisk, &link_target(path), content)
}

/// Creates the file durably, as [`replace`] does, unless it exists.
///
/// # Errors
///
/// [`AlreadyExists`](io::ErrorKind::AlreadyExists) if there is a file, which stays as it is. Otherwise if a step fails.
pub fn create(path: &Path, content: &[u8]) -> io::Result<()> {
    create_on(&RealDisk, path, content)
}

/// Renames a file, durably, to the first free name of `path` with `.{label}-1`, `.{label}-2` … appended, up to `max`. Returns
/// the new name, or `None` if all are taken: the file then stays where it is.
///
/// # Errors
///
/// If the file cannot be renamed.
pub fn set_aside(path: &Path, label: &str, max: usize) -> io::Result<Option<PathBuf>> {
    for number in 1..=max {
        let aside = with_suffix(path, &format!(".{label}-{number}"));
        // Also finds a dangling symbolic link.
        if fs::symlink_metadata(&aside).is_ok() {
            continue;
        }
        RealDisk.rename(path, &aside)?;
        RealDisk.sync_directory(path)?;
        return Ok(Some(aside));
    }
    Ok(None)
}

fn replace_on(disk: &impl Disk, path: &Path, content: &[u8]) -> io::Result<()> {
    let draft = write_draft(disk, path, content)?;
    disk.rename(&draft, path)?;
    disk.sync_directory(path)
}

fn create_on(disk: &impl Disk, path: &Path, content: &[u8]) -> io::Result<()> {
    if disk.exists(path) {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    let draft = write_draft(disk, path, content)?;
    match disk.link(&draft, path) {
        Ok(()) => disk.remove(&draft)?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            disk.remove(&draft)?;
            return Err(error);
        }
        // A file system without hard links.
        Err(_) => disk.rename(&draft, path)?,
    }
    disk.sync_directory(path)
}

/// Writes and syncs the draft, and returns its path.
fn write_draft(disk: &impl Disk, path: &Path, content: &[u8]) -> io::Result<PathBuf> {
    let draft = with_suffix(path, DRAFT_SUFFIX);
    // An earlier run may have been interrupted before the rename.
    match disk.remove(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    disk.write_new(&draft, content)?;
    Ok(draft)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

/// The file behind a symbolic link; the path itself if there is none.
fn link_target(path: &Path) -> PathBuf {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_symlink() => fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()),
        _ => path.to_owned(),
    }
}

/// The operations of a file system. A test's disk loses power between them.
trait Disk {
    fn exists(&self, path: &Path) -> bool;
    /// Creates a file that only its owner can access, writes it and syncs it.
    fn write_new(&self, path: &Path, content: &[u8]) -> io::Result<()>;
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Syncs the directory of this file: makes renames in it durable.
    fn sync_directory(&self, path: &Path) -> io::Result<()>;
}

struct RealDisk;

impl Disk for RealDisk {
    fn exists(&self, path: &Path) -> bool {
        fs::symlink_metadata(path).is_ok()
    }

    fn write_new(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path)?;
        file.write_all(content)?;
        file.sync_all()
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    /// Windows cannot sync a directory; NTFS journals renames.
    #[cfg(not(unix))]
    fn sync_directory(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    #[cfg(unix)]
    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        match fs::File::open(directory)?.sync_all() {
            // Some network and FUSE file systems cannot sync a directory (fsync(2): EINVAL, EROFS).
            Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(()),
            synced => synced,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        cell::{Cell, RefCell},
        collections::BTreeMap,
    };

    use super::*;

    const OLD: &[u8] = b"the old content";
    const NEW: &[u8] = b"new";

    /// A disk that fails at an operation, as at a power cut, and what it then holds.
    ///
    /// Until a sync, a file's content and a directory's entries may or may not be there: [`after_power_cut`](Self::after_power_cut)
    /// returns every case.
    #[derive(Clone, Default)]
    struct TestDisk {
        /// Content by inode: `None` while it is not synced.
        files: RefCell<Vec<Option<Vec<u8>>>>,
        /// Inode by path: as written, and as synced.
        entries: RefCell<BTreeMap<PathBuf, usize>>,
        synced: RefCell<BTreeMap<PathBuf, usize>>,
        /// Operations until the power cut.
        left: Cell<usize>,
        has_links: bool,
    }

    impl TestDisk {
        fn with(path: &Path, content: Option<&[u8]>, has_links: bool) -> Self {
            let disk = Self { has_links, left: Cell::new(usize::MAX), ..Self::default() };
            if let Some(content) = content {
                disk.files.borrow_mut().push(Some(content.to_vec()));
                disk.entries.borrow_mut().insert(path.to_owned(), 0);
                disk.synced.borrow_mut().insert(path.to_owned(), 0);
            }
            disk
        }

        fn step(&self) -> io::Result<()> {
            match self.left.get().checked_sub(1) {
                Some(left) => self.left.set(left),
                None => return Err(io::Error::other("power cut")),
            }
            Ok(())
        }

        fn inode(&self, path: &Path) -> io::Result<usize> {
            self.entries.borrow().get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
        }

        /// The possible contents of a file after a power cut, `None` for no file: with old or new directory entries, and
        /// unsynced content empty or cut in half.
        fn after_power_cut(&self, path: &Path) -> Vec<Option<Vec<u8>>> {
            let mut possible = Vec::new();
            for entries in [&self.entries, &self.synced] {
                match entries.borrow().get(path).map(|inode| self.files.borrow()[*inode].clone()) {
                    None => possible.push(None),
                    Some(Some(content)) => possible.push(Some(content)),
                    Some(None) => possible.extend([Some(vec![]), Some(b"ne".to_vec())]),
                }
            }
            possible
        }
    }

    impl Disk for TestDisk {
        fn exists(&self, path: &Path) -> bool {
            self.inode(path).is_ok()
        }

        fn write_new(&self, path: &Path, content: &[u8]) -> io::Result<()> {
            if self.exists(path) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            self.step()?;
            let inode = self.files.borrow().len();
            self.files.borrow_mut().push(None);
            self.entries.borrow_mut().insert(path.to_owned(), inode);
            self.step()?;
            self.files.borrow_mut()[inode] = Some(content.to_vec());
            Ok(())
        }

        fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
            if !self.has_links {
                return Err(io::ErrorKind::Unsupported.into());
            }
            if self.exists(to) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            self.step()?;
            let inode = self.inode(from)?;
            self.entries.borrow_mut().insert(to.to_owned(), inode);
            Ok(())
        }

        fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
            self.step()?;
            let inode = self.inode(from)?;
            self.entries.borrow_mut().remove(from);
            self.entries.borrow_mut().insert(to.to_owned(), inode);
            Ok(())
        }

        fn remove(&self, path: &Path) -> io::Result<()> {
            self.inode(path)?;
            self.step()?;
            self.entries.borrow_mut().remove(path);
            Ok(())
        }

        fn sync_directory(&self, _: &Path) -> io::Result<()> {
            self.step()?;
            self.synced.replace(self.entries.borrow().clone());
            Ok(())
        }
    }

    type Write = fn(&TestDisk, &Path, &[u8]) -> io::Result<()>;

    #[test]
    fn a_power_cut_at_any_step_leaves_the_old_or_the_new_content() {
        let path = Path::new("file");
        let replace: Write = replace_on;
        let create: Write = create_on;
        for (write, old, has_links) in
            [(replace, Some(OLD), true), (replace, None, true), (create, None, true), (create, None, false)]
        {
            let mut steps = 0;
            loop {
                let disk = TestDisk::with(path, old, has_links);
                disk.left.set(steps);
                let written = write(&disk, path, NEW);
                for content in disk.after_power_cut(path) {
                    let whole = content.as_deref() == old || content.as_deref() == Some(NEW);
                    assert!(whole, "after {steps} steps: {content:?}");
                    // What a write has reported as done stays.
                    assert!(written.is_err() || content.as_deref() == Some(NEW), "after {steps} steps: {content:?}");
                }
                if written.is_ok() {
                    break;
                }
                // The next run writes again, over whatever draft is left.
                disk.left.set(usize::MAX);
                if old.is_some() || !disk.exists(path) {
                    write(&disk, path, NEW).unwrap();
                    assert_eq!(disk.after_power_cut(path), [Some(NEW.to_vec()), Some(NEW.to_vec())]);
                }
                steps += 1;
            }
            assert!(steps >= 4, "{steps} steps");
        }
    }

    #[test]
    fn files_are_replaced_privately_over_a_draft_left_behind() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        fs::write(directory.path().join("file.draft"), "half of a dra").unwrap();
        for content in [OLD, NEW] {
            replace(&path, content).unwrap();
            assert_eq!(fs::read(&path).unwrap(), content);
        }
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "no draft is left");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert!(replace(&directory.path().join("none/file"), NEW).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn the_target_of_a_symbolic_link_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let (path, target) = (directory.path().join("link"), directory.path().join("target"));
        fs::write(&target, OLD).unwrap();
        std::os::unix::fs::symlink(&target, &path).unwrap();
        replace(&path, NEW).unwrap();
        assert_eq!(fs::read(&target).unwrap(), NEW);
        assert!(fs::symlink_metadata(&path).unwrap().is_symlink());
    }

    #[test]
    fn an_existing_file_is_not_created_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        create(&path, OLD).unwrap();
        assert_eq!(create(&path, NEW).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), OLD);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "no draft is left");
    }

    #[test]
    fn files_set_aside_are_bounded_and_never_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        for number in 1..=4 {
            fs::write(&path, format!("{number}")).unwrap();
            let expected = (number <= 3).then(|| directory.path().join(format!("file.bad-{number}")));
            assert_eq!(set_aside(&path, "bad", 3).unwrap(), expected);
        }
        for (name, content) in [("file.bad-1", "1"), ("file.bad-2", "2"), ("file.bad-3", "3"), ("file", "4")] {
            assert_eq!(fs::read_to_string(directory.path().join(name)).unwrap(), content);
        }
    }
}
