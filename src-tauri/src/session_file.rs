//! The app's session in a file, so that a restarted app goes on with it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use hutong_core::SavedSession;
use hutong_durable_file as durable_file;
use serde::{Deserialize, Serialize};
use tokio::{sync::watch, task::JoinHandle};

use crate::settings::SavedServer;

/// A session with the server that its ticket is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredSession {
    /// The choice of server at the time.
    pub server: SavedServer,
    /// The session.
    pub session: SavedSession,
}

/// The file of the session. It exists while a person is logged in, and holds the session's ticket: only its owner can read it.
#[derive(Clone, Debug)]
pub struct SessionFile(PathBuf);

impl SessionFile {
    /// The file in this data directory.
    #[must_use]
    pub fn in_directory(directory: &Path) -> Self {
        Self(directory.join("session.json"))
    }

    /// Whether a session is stored.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.0.exists()
    }

    /// Reads the session on this server. `None` if there is none, it belongs to another server, or the file is not valid: then
    /// the person logs in again.
    #[must_use]
    pub fn read(&self, server: &SavedServer) -> Option<SavedSession> {
        let text = match fs::read(&self.0) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(%error, "session file cannot be read; the person has to log in again");
                return None;
            }
        };
        match serde_json::from_slice(&text) {
            Ok(StoredSession { server: stored, session }) => (stored == *server).then_some(session),
            Err(error) => {
                // Not the error's text, which may quote the ticket.
                tracing::warn!(line = error.line(), "session file invalid; the person has to log in again");
                None
            }
        }
    }

    fn write(&self, stored: Option<&StoredSession>) -> io::Result<()> {
        match stored {
            Some(stored) => durable_file::replace(&self.0, &serde_json::to_vec(stored)?),
            None => match fs::remove_file(&self.0) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            },
        }
    }
}

/// Writes the session file in the background. Of changes in quick succession it may write the last one only.
#[derive(Debug)]
pub struct SessionWriter {
    latest: watch::Sender<Option<StoredSession>>,
    task: JoinHandle<()>,
}

impl SessionWriter {
    /// Starts the writer on the current tokio runtime. It writes nothing before the first change.
    #[must_use]
    pub fn start(file: SessionFile) -> Self {
        let (latest, mut changes) = watch::channel(None);
        let task = tokio::spawn(async move {
            while changes.changed().await.is_ok() {
                let (file, stored): (_, Option<StoredSession>) = (file.clone(), changes.borrow_and_update().clone());
                let written = tokio::task::spawn_blocking(move || file.write(stored.as_ref())).await;
                if let Err(error) = written.map_err(io::Error::other).flatten() {
                    tracing::warn!(%error, "session not stored; after a restart of the app the person has to log in again");
                }
            }
        });
        Self { latest, task }
    }

    /// Stores this session, or removes the stored one.
    pub fn set(&self, stored: Option<StoredSession>) {
        self.latest.send_replace(stored);
    }

    /// Waits until the last change is written.
    pub async fn stop(self) {
        drop(self.latest);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the writer of the session failed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(name: &str) -> StoredSession {
        let session = serde_json::json!({ "name": name, "ticket": "t" });
        StoredSession { server: SavedServer::Embedded, session: serde_json::from_value(session).unwrap() }
    }

    #[tokio::test]
    async fn the_last_session_is_stored_for_its_server_and_removed_after_the_logout() {
        let directory = tempfile::tempdir().unwrap();
        let file = SessionFile::in_directory(directory.path());
        let writer = SessionWriter::start(file.clone());
        for name in ["Ana", "Bo"] {
            writer.set(Some(stored(name)));
        }
        writer.stop().await;
        let expected = stored("Bo");
        assert_eq!(file.read(&expected.server), Some(expected.session));
        let other = SavedServer::Other { address: "https://calls.example".to_owned() };
        assert_eq!(file.read(&other), None, "a ticket goes to its server only");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(&file.0).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }

        let writer = SessionWriter::start(file.clone());
        writer.set(None);
        writer.stop().await;
        assert!(!file.exists());
        assert_eq!(file.read(&SavedServer::Embedded), None);
    }

    #[tokio::test]
    async fn a_writer_without_a_change_keeps_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let file = SessionFile::in_directory(directory.path());
        file.write(Some(&stored("Ana"))).unwrap();
        SessionWriter::start(file.clone()).stop().await;
        assert!(file.exists());
    }

    #[test]
    fn an_invalid_file_is_no_session() {
        let directory = tempfile::tempdir().unwrap();
        let file = SessionFile::in_directory(directory.path());
        for text in ["", "half a fi", "{}", r#"{"server":{"is":"embedded"},"session":{"name":7}}"#] {
            fs::write(&file.0, text).unwrap();
            assert_eq!(file.read(&SavedServer::Embedded), None, "{text}");
        }
    }
}
