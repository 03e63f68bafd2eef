//! Group of connections that are closed together, and whose tasks are awaited.

use std::time::Duration;

use tokio::time::timeout;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How long [`ConnectionGroup::close`] waits. Longer than each connection's own time limit for closing.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Task tracker and cancellation token of connections that are closed together. A clone is the same group.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionGroup {
    /// Tracks the tasks of the connections.
    pub(crate) tasks: TaskTracker,
    /// Cancelled to close the connections.
    pub(crate) shutdown: CancellationToken,
}

impl ConnectionGroup {
    /// An empty group, whose connections also close when the server's token is cancelled.
    pub(crate) fn new(server: &CancellationToken) -> Self {
        Self { tasks: TaskTracker::new(), shutdown: server.child_token() }
    }

    /// Closes all connections and waits until their tasks have ended, at most for [`CLOSE_TIMEOUT`].
    pub(crate) async fn close(&self) {
        self.shutdown.cancel();
        self.tasks.close();
        if timeout(CLOSE_TIMEOUT, self.tasks.wait()).await.is_err() {
            tracing::warn!(tasks = self.tasks.len(), "connections did not close in time; no longer waiting for them");
        }
    }
}
