//! Closing connections together, and waiting for the end of their tasks.

use std::time::Duration;

use tokio::time::timeout;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How long a group that is being closed waits for its connections. Each bounds its own farewell below this.
const FAREWELL: Duration = Duration::from_secs(5);

/// Connections that are closed together. A clone is the same group.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionGroup {
    /// Runs each task of its connections.
    pub(crate) tasks: TaskTracker,
    /// Asks its connections to close.
    pub(crate) shutdown: CancellationToken,
}

impl ConnectionGroup {
    /// A group without connections, which is asked to close by the server's shutdown too.
    pub(crate) fn new(server: &CancellationToken) -> Self {
        Self { tasks: TaskTracker::new(), shutdown: server.child_token() }
    }

    /// Asks all connections to close, and waits a few seconds at most until the last of their tasks has ended.
    pub(crate) async fn close(&self) {
        self.shutdown.cancel();
        self.tasks.close();
        if timeout(FAREWELL, self.tasks.wait()).await.is_err() {
            tracing::warn!(
                tasks = self.tasks.len(),
                "tasks of connections still run after the farewell; they are left"
            );
        }
    }
}
