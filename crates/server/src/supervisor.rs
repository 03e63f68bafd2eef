//! Background tasks that a server cannot do without: none of them may end unnoticed.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, resume_unwind},
    sync::{Arc, OnceLock},
};

use futures_util::FutureExt;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

/// Starts critical background tasks. When one panics, it stops the server and keeps the reason. A clone is the same supervisor.
///
/// A server whose accept loop or whose timers are gone looks alive to everybody and serves nobody. One that ends is started again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Supervisor {
    /// Stops the whole server: each supervised task, and each connection.
    pub(crate) stop: CancellationToken,
    failure: Arc<OnceLock<TaskFailure>>,
}

/// A background task that the server cannot do without has ended by a panic.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server cannot go on: its task \"{task}\" has panicked: {message}")]
pub struct TaskFailure {
    task: &'static str,
    message: String,
}

impl Supervisor {
    /// Starts a task that never ends by itself. Dropping the handle, or stopping the server, stops it.
    pub(crate) fn spawn(
        &self,
        task: &'static str,
        future: impl Future<Output = ()> + Send + 'static,
    ) -> AbortOnDropHandle<()> {
        let supervisor = self.clone();
        AbortOnDropHandle::new(tokio::spawn(async move {
            // Nobody looks at what the task owned once it has panicked.
            let run = AssertUnwindSafe(future).catch_unwind();
            if let Some(Err(panic)) = supervisor.stop.run_until_cancelled(run).await {
                supervisor.fail(TaskFailure { task, message: message(&*panic) });
            }
        }))
    }

    /// Waits until a supervised task has panicked.
    pub(crate) async fn failed(&self) -> TaskFailure {
        self.stop.cancelled().await;
        match self.failure.get() {
            Some(failure) => failure.clone(),
            // Stopped as it was asked to.
            None => std::future::pending().await,
        }
    }

    fn fail(&self, failure: TaskFailure) {
        tracing::error!(task = failure.task, panic = failure.message, "background task panicked; server stopped");
        // Where several fail, the first is the reason.
        let _first: Result<(), TaskFailure> = self.failure.set(failure);
        self.stop.cancel();
    }
}

/// Runs what blocks on a thread of its own; a panic there is one of the caller.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            // The runtime stops, and the caller with it.
            Err(_cancelled) => std::future::pending().await,
        },
    }
}

/// What the panic said, as far as that is text.
fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no message").to_owned()
}

#[cfg(test)]
mod tests {
    use std::{future::pending, time::Duration};

    use tokio::time::timeout;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn a_panic_stops_the_server_with_its_reason() {
        let supervisor = Supervisor::default();
        let other = supervisor.spawn("other", pending());
        let _bad = supervisor.spawn("bad", async { panic!("out of {}", "luck") });
        let failure = timeout(PATIENCE, supervisor.failed()).await.unwrap();
        assert_eq!(failure, TaskFailure { task: "bad", message: "out of luck".into() });
        assert_eq!(failure.to_string(), "the server cannot go on: its task \"bad\" has panicked: out of luck");
        assert!(supervisor.stop.is_cancelled());
        timeout(PATIENCE, other).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_panic_on_a_blocking_thread_is_one_of_its_task() {
        let supervisor = Supervisor::default();
        let _bad = supervisor.spawn("reader", async {
            assert_eq!(blocking(|| 7).await, 7);
            blocking::<()>(|| panic!("unreadable")).await;
        });
        let failure = timeout(PATIENCE, supervisor.failed()).await.unwrap();
        assert_eq!(failure, TaskFailure { task: "reader", message: "unreadable".into() });
    }

    #[tokio::test]
    async fn a_task_that_is_stopped_has_not_failed() {
        let supervisor = Supervisor::default();
        drop(supervisor.spawn("dropped", pending()));
        let stopped = supervisor.spawn("stopped", pending());
        supervisor.stop.cancel();
        timeout(PATIENCE, stopped).await.unwrap().unwrap();
        assert_eq!(supervisor.failed().now_or_never(), None);
    }
}
