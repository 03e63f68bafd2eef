//! The tasks of a peer.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::JoinSet;

/// The tasks of a peer. Once taken for shutdown, no task can be added.
#[derive(Clone)]
pub(crate) struct PeerTasks(Arc<Mutex<Option<JoinSet<()>>>>);

impl Default for PeerTasks {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Some(JoinSet::new()))))
    }
}

impl PeerTasks {
    /// Spawns a task; does nothing after [`Self::take`].
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tasks) = tasks.as_mut() {
            while tasks.try_join_next().is_some() {}
            tasks.spawn(task);
        }
    }

    /// Takes the set of tasks: dropping it aborts them. Returns `None` from the second call on.
    pub fn take(&self) -> Option<JoinSet<()>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
