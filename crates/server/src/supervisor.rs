//! Supervisor of critical background tasks: a panic in one stops the server.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, resume_unwind},
    sync::{Arc, OnceLock},
};

use futures_util::FutureExt;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

/// Spawns critical background tasks. When one panics, stops the server and stores the reason. A clone is the same supervisor.
///
/// A server without its accept loop or timer would look healthy and serve nobody. A process that exits is restarted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Supervisor {
    /// Stops all supervised tasks and connections of the server when cancelled.
    pub(crate) stop: CancellationToken,
    failure: Arc<OnceLock<TaskFailure>>,
}

/// Error: a critical background task of the server, or its hub, has panicked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server has stopped: its task \"{task}\" has panicked: {message}")]
pub struct TaskFailure {
    task: &'static str,
    message: String,
}

impl Supervisor {
    /// Spawns a task that never returns. Dropping the handle or stopping the server aborts it.
    pub(crate) fn spawn(
        &self,
        task: &'static str,
        future: impl Future<Output = ()> + Send + 'static,
    ) -> AbortOnDropHandle<()> {
        let supervisor = self.clone();
        AbortOnDropHandle::new(tokio::spawn(async move {
            // Unwind safe: the task's data is dropped after the panic.
            let run = AssertUnwindSafe(future).catch_unwind();
            if let Some(Err(panic)) = supervisor.stop.run_until_cancelled(run).await {
                supervisor.fail(task, message(&*panic));
            }
        }))
    }

    /// Waits until a supervised task has panicked.
    pub(crate) async fn failed(&self) -> TaskFailure {
        self.stop.cancelled().await;
        match self.failure.get() {
            Some(failure) => failure.clone(),
            // Stopped without a failure.
            None => std::future::pending().await,
        }
    }

    /// Stops the server because this task, or code that is shared by all connections, has panicked.
    pub(crate) fn fail(&self, task: &'static str, message: String) {
        tracing::error!(task, panic = message, "critical task panicked; the server stops");
        let failure = TaskFailure { task, message };
        // The first of several failures is the cause.
        let _first: Result<(), TaskFailure> = self.failure.set(failure);
        self.stop.cancel();
    }
}

/// Runs blocking work on a thread for it. A panic there resumes in the caller.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            // The runtime is shutting down and drops the caller.
            Err(_cancelled) => std::future::pending().await,
        },
    }
}

/// The message of a panic, if it is text.
fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no message").to_owned()
}

#[cfg(test)]
mod tests {
    use std::{future::pending, time::Duration};

    use tokio::time::timeout;

    use super::*;

    const TEST_TIMEOUT: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn a_panic_stops_the_server_and_is_returned() {
        let supervisor = Supervisor::default();
        let other = supervisor.spawn("other", pending());
        let _bad = supervisor.spawn("bad", async { panic!("out of {}", "luck") });
        let failure = timeout(TEST_TIMEOUT, supervisor.failed()).await.unwrap();
        assert_eq!(failure, TaskFailure { task: "bad", message: "out of luck".into() });
        assert_eq!(failure.to_string(), "the server has stopped: its task \"bad\" has panicked: out of luck");
        assert!(supervisor.stop.is_cancelled());
        timeout(TEST_TIMEOUT, other).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_panic_on_a_blocking_thread_fails_its_task() {
        let supervisor = Supervisor::default();
        let _bad = supervisor.spawn("reader", async {
            assert_eq!(blocking(|| 7).await, 7);
            blocking::<()>(|| panic!("unreadable")).await;
        });
        let failure = timeout(TEST_TIMEOUT, supervisor.failed()).await.unwrap();
        assert_eq!(failure, TaskFailure { task: "reader", message: "unreadable".into() });
    }

    #[tokio::test]
    async fn stopping_a_task_is_no_failure() {
        let supervisor = Supervisor::default();
        drop(supervisor.spawn("dropped", pending()));
        let stopped = supervisor.spawn("stopped", pending());
        supervisor.stop.cancel();
        timeout(TEST_TIMEOUT, stopped).await.unwrap().unwrap();
        assert_eq!(supervisor.failed().now_or_never(), None);
    }
}
