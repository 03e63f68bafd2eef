//! Task that stores the registry's revocations in a file.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::{sleep, timeout};

use crate::{hub::Hub, revocation_file::RevocationFile, supervisor::blocking};

/// How long the writer waits after a failed write, such as on a full disk.
const RETRY_INTERVAL: Duration = Duration::from_secs(10);

/// Stores the hub's revocations, in their order, several at once where they come faster than the disk. A clone writes the same
/// file.
#[derive(Clone, Debug)]
pub(crate) struct RevocationWriter {
    hub: Hub,
    file: Arc<Mutex<RevocationFile>>,
}

impl RevocationWriter {
    pub(crate) fn new(hub: Hub, file: RevocationFile) -> Self {
        Self { hub, file: Arc::new(Mutex::new(file)) }
    }

    /// Task: stores revocations as they come. While that fails, they are in force in memory, and the writer tries again. Never
    /// returns.
    pub(crate) async fn run(self) {
        loop {
            self.hub.revocation_added().await;
            let Err(error) = self.save().await else { continue };
            tracing::warn!(
                %error,
                "storing revoked tickets failed; they are refused, but valid again after a restart before this succeeds"
            );
            loop {
                // Not sooner for a further revocation: the disk is still full.
                sleep(RETRY_INTERVAL).await;
                if self.save().await.is_ok() {
                    break;
                }
            }
            tracing::info!("all revoked tickets are stored again");
        }
    }

    /// Stores the remaining revocations before the process ends, and gives up after this time.
    pub(crate) async fn flush(&self, limit: Duration) {
        if !matches!(timeout(limit, self.save()).await, Ok(Ok(()))) {
            tracing::warn!("storing revoked tickets failed; the last ones may be valid again after a restart");
        }
    }

    async fn save(&self) -> io::Result<()> {
        let Self { hub, file } = self.clone();
        blocking(move || {
            // Taken under the file's lock, so that an earlier batch is written first.
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(unsaved) = hub.take_unsaved_revocations(|count| file.needs_all(count)) else { return Ok(()) };
            file.save(&unsaved).inspect_err(|_| hub.save_all_revocations())
        })
        .await
    }
}
