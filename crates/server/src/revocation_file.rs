//! File of revoked session tickets: an append-only log of lines, compacted from time to time.
//!
//! The first line is the version. Each further line is one revocation: its kind, its fields, and the Unix time in seconds at
//! which its tickets have expired. The functions block.

use std::{
    ffi::OsString,
    fs,
    io::{self, Write},
    iter,
    path::{Path, PathBuf},
    time::Duration,
};

use hutong_durable_file as durable_file;
use hutong_protocol::Token;

use crate::registry::{NameTag, Revocation, RevokedSessions, SessionId};

/// First line. Another version has another number.
const HEADER: &str = "hutong-revocations 1";

/// Beginning of the first line in every version.
const HEADER_OF_ANY_VERSION: &str = "hutong-revocations ";

/// Lines beyond the revocations in force at which the file is compacted.
const SPARE_LINES: usize = 4_096;

/// Largest file that is read, in bytes: more than the table's maximum with the spare lines, a little below 100 bytes each.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// The path of the file that belongs to a ticket key file: beside it.
#[must_use]
pub fn revocation_file_beside(ticket_key_file: &Path) -> PathBuf {
    let mut name = OsString::from(ticket_key_file);
    name.push(".revoked");
    name.into()
}

/// The file, open for appending.
#[derive(Debug)]
pub(crate) struct RevocationFile {
    path: PathBuf,
    state: FileState,
}

#[derive(Debug)]
enum FileState {
    /// Lines can be appended; `lines` is their number without the header.
    Open { file: fs::File, lines: usize },
    /// The file has to be written anew, because its end may be damaged or because it was never written.
    Unwritten,
    /// A newer version of this program wrote the file. It stays as it is.
    Foreign,
}

/// Content of the file at the start of a server.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LoadedRevocations {
    pub(crate) revocations: Vec<Revocation>,
    /// Whether revocations may be missing. The server then revokes all earlier tickets.
    pub(crate) is_complete: bool,
}

/// What has to be saved.
#[derive(Debug)]
pub(crate) enum UnsavedRevocations {
    /// These revocations, beside those in the file.
    New(Vec<Revocation>),
    /// All revocations, which replace the content of the file.
    All(Vec<Revocation>),
}

impl RevocationFile {
    /// Reads the file, which need not exist. Never fails: without a usable file, `is_complete` is false.
    pub(crate) fn open(path: &Path) -> (Self, LoadedRevocations) {
        let file = |state| Self { path: path.to_owned(), state };
        let nothing = |is_complete| LoadedRevocations { revocations: Vec::new(), is_complete };
        let text = match read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return (file(FileState::Unwritten), nothing(true));
            }
            Err(error) => {
                tracing::error!(
                    %error, file = %path.display(),
                    "file of revoked tickets cannot be read; all earlier tickets are refused"
                );
                return (file(FileState::Unwritten), nothing(false));
            }
        };
        let (header, lines) = text.split_once('\n').unwrap_or((&text, ""));
        if header != HEADER && header.starts_with(HEADER_OF_ANY_VERSION) {
            tracing::error!(
                file = %path.display(),
                "file of revoked tickets is of a newer version; it stays as it is, all earlier tickets are refused, and \
                 revocations are lost at the next restart"
            );
            return (file(FileState::Foreign), nothing(false));
        }
        // The last line has no end if the process or the machine stopped while it was written. Then its revocation was not yet
        // stored, as with one that had not begun.
        let complete = lines.rfind('\n').map_or("", |end| &lines[..=end]);
        let revocations: Option<Vec<_>> = complete.lines().map(parse).collect();
        let is_empty = text.is_empty();
        let is_complete = is_empty || (header == HEADER && revocations.is_some());
        if !is_complete {
            tracing::error!(
                file = %path.display(), "file of revoked tickets is damaged; all earlier tickets are refused"
            );
        }
        let revocations = complete.lines().filter_map(parse).collect();
        (file(FileState::Unwritten), LoadedRevocations { revocations, is_complete })
    }

    /// Stores revocations. They outlast a power cut when this returns.
    ///
    /// # Errors
    ///
    /// The error of the file system, such as a full disk. The caller then has to save all revocations: the end of the file may be
    /// damaged.
    pub(crate) fn save(&mut self, unsaved: &UnsavedRevocations) -> io::Result<()> {
        let result = match (&mut self.state, unsaved) {
            (FileState::Foreign, _) => return Ok(()),
            (FileState::Open { file, lines }, UnsavedRevocations::New(new)) => {
                *lines += new.len();
                append(file, new)
            }
            (FileState::Unwritten, UnsavedRevocations::New(_)) => {
                Err(io::Error::new(io::ErrorKind::InvalidInput, "the file has to be written as a whole first"))
            }
            (FileState::Open { .. } | FileState::Unwritten, UnsavedRevocations::All(all)) => {
                replace(&self.path, all).map(|file| self.state = FileState::Open { file, lines: all.len() })
            }
        };
        if result.is_err() {
            self.state = FileState::Unwritten;
        }
        result
    }

    /// Whether the file has to be written as a whole: it has many lines that are not in force any more, or a damaged end.
    pub(crate) fn needs_all(&self, in_force: usize) -> bool {
        match self.state {
            FileState::Open { lines, .. } => lines > in_force + SPARE_LINES,
            FileState::Unwritten => true,
            FileState::Foreign => false,
        }
    }
}

fn read(path: &Path) -> io::Result<String> {
    if fs::metadata(path)?.len() > MAX_BYTES {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    // Damage may have made it invalid UTF-8: the damaged lines do not parse.
    fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

fn append(file: &mut fs::File, revocations: &[Revocation]) -> io::Result<()> {
    let lines: String = revocations.iter().map(line).collect();
    file.write_all(lines.as_bytes())?;
    file.sync_data()
}

/// Replaces the file durably, and returns it open for appending.
fn replace(path: &Path, revocations: &[Revocation]) -> io::Result<fs::File> {
    let lines = iter::once(format!("{HEADER}\n")).chain(revocations.iter().map(line));
    durable_file::replace(path, lines.collect::<String>().as_bytes())?;
    fs::OpenOptions::new().append(true).open(path)
}

fn line(revocation: &Revocation) -> String {
    let expires = revocation.expires.as_secs();
    match revocation.revoked {
        RevokedSessions::One { name, session, user } => {
            format!("session {} {session} {} {expires}\n", hex::encode(name.0), user.0)
        }
        RevokedSessions::OfName { name, until } => format!("name {} {} {expires}\n", hex::encode(name.0), until.0),
        RevokedSessions::All { until } => format!("all {} {expires}\n", until.0),
    }
}

fn parse(line: &str) -> Option<Revocation> {
    let mut fields = line.split(' ');
    let name = |field: Option<&str>| {
        let mut tag = [0; 16];
        hex::decode_to_slice(field?, &mut tag).ok()?;
        Some(NameTag(tag))
    };
    let token = |field: Option<&str>| Some(Token(field?.parse().ok()?));
    let revoked = match fields.next()? {
        "session" => RevokedSessions::One {
            name: name(fields.next())?,
            session: SessionId::parse(fields.next()?)?,
            user: token(fields.next())?,
        },
        "name" => RevokedSessions::OfName { name: name(fields.next())?, until: token(fields.next())? },
        "all" => RevokedSessions::All { until: token(fields.next())? },
        _ => return None,
    };
    // Rounded up, since the line has whole seconds.
    let expires = Duration::from_secs(fields.next()?.parse::<u64>().ok()?.checked_add(1)?);
    fields.next().is_none().then_some(Revocation { revoked, expires })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn some() -> Vec<Revocation> {
        let name = NameTag([0xa1; 16]);
        [
            RevokedSessions::One { name, session: SessionId([7; 16]), user: Token(1_795_471_200_123_456) },
            RevokedSessions::OfName { name, until: Token(5) },
            RevokedSessions::All { until: Token(6) },
        ]
        .map(|revoked| Revocation { revoked, expires: Duration::from_secs(1_795_557_600) })
        .to_vec()
    }

    fn read_back(path: &Path) -> LoadedRevocations {
        let (_, mut loaded) = RevocationFile::open(path);
        for revocation in &mut loaded.revocations {
            revocation.expires -= Duration::from_secs(1);
        }
        loaded
    }

    fn complete(revocations: Vec<Revocation>) -> LoadedRevocations {
        LoadedRevocations { revocations, is_complete: true }
    }

    struct Directory(tempfile::TempDir);

    impl Directory {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn path(&self) -> PathBuf {
            revocation_file_beside(&self.0.path().join("ticket-key"))
        }
    }

    #[test]
    fn revocations_are_appended_and_read_back() {
        let directory = Directory::new();
        let path = directory.path();
        assert!(path.ends_with("ticket-key.revoked"));
        let (mut file, loaded) = RevocationFile::open(&path);
        assert_eq!(loaded, complete(vec![]));
        assert!(file.needs_all(0), "the first write creates the file");
        let all = some();
        file.save(&UnsavedRevocations::All(all[..1].to_vec())).unwrap();
        for one in &all[1..] {
            file.save(&UnsavedRevocations::New(vec![*one])).unwrap();
        }
        assert_eq!(read_back(&path), complete(all));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_line_without_an_end_is_ignored_and_all_others_count() {
        let directory = Directory::new();
        let path = directory.path();
        let (mut file, _) = RevocationFile::open(&path);
        file.save(&UnsavedRevocations::All(some())).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        for length in 0..text.len() {
            fs::write(&path, &text[..length]).unwrap();
            let loaded = read_back(&path);
            assert!(loaded.is_complete || length < HEADER.len(), "{length}");
            let lines = text[..length].matches('\n').count().saturating_sub(1);
            assert_eq!(loaded.revocations, some()[..lines], "{length}");
        }
    }

    #[test]
    fn a_damaged_file_is_incomplete_and_replaced_and_one_of_a_newer_version_stays() {
        let directory = Directory::new();
        let path = directory.path();
        let good = some().iter().map(line).collect::<String>();
        for (text, kept) in [
            ("a recipe\n".to_owned(), 0),
            (format!("{HEADER}\n{good}\0\0\0\0\n{good}"), 6),
            (format!("{HEADER}\nsession 00 11 22 33\n{good}"), 3),
        ] {
            fs::write(&path, &text).unwrap();
            let (mut file, loaded) = RevocationFile::open(&path);
            assert_eq!((loaded.is_complete, loaded.revocations.len()), (false, kept), "{text}");
            assert!(file.needs_all(3));
            file.save(&UnsavedRevocations::All(some())).unwrap();
            assert_eq!(read_back(&path), complete(some()));
        }
        let newer = "hutong-revocations 2\nsomething else\n";
        fs::write(&path, newer).unwrap();
        let (mut file, loaded) = RevocationFile::open(&path);
        assert_eq!(loaded, LoadedRevocations { revocations: vec![], is_complete: false });
        file.save(&UnsavedRevocations::All(some())).unwrap();
        assert!(!file.needs_all(0));
        assert_eq!(fs::read_to_string(&path).unwrap(), newer);
    }

    #[test]
    fn a_file_with_many_old_lines_is_compacted() {
        let directory = Directory::new();
        let (mut file, _) = RevocationFile::open(&directory.path());
        file.save(&UnsavedRevocations::All(vec![])).unwrap();
        file.save(&UnsavedRevocations::New(vec![some()[0]; SPARE_LINES + 1])).unwrap();
        assert!(!file.needs_all(1) && file.needs_all(0));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn after_a_failed_write_the_file_is_written_as_a_whole() {
        let directory = Directory::new();
        let path = directory.path();
        let (mut file, _) = RevocationFile::open(&path);
        file.save(&UnsavedRevocations::All(some()[..1].to_vec())).unwrap();
        // Every write to this device fails with "no space left".
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        file.state = FileState::Open { file: full, lines: 1 };
        assert!(file.save(&UnsavedRevocations::New(some()[1..].to_vec())).is_err());
        assert!(file.needs_all(3), "a further line would follow an incomplete one");
        assert!(file.save(&UnsavedRevocations::New(vec![])).is_err());
        file.save(&UnsavedRevocations::All(some())).unwrap();
        assert_eq!(read_back(&path), complete(some()));
        // A draft that cannot be written leaves the file as it was.
        fs::create_dir(directory.0.path().join("ticket-key.revoked.draft")).unwrap();
        assert!(file.save(&UnsavedRevocations::All(vec![])).is_err());
        assert_eq!(read_back(&path), complete(some()));
    }

    proptest! {
        #[test]
        fn any_content_is_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let directory = Directory::new();
            fs::write(directory.path(), &bytes).unwrap();
            RevocationFile::open(&directory.path());
            fs::write(directory.path(), [format!("{HEADER}\n").as_bytes(), &bytes].concat()).unwrap();
            RevocationFile::open(&directory.path());
        }
    }
}
