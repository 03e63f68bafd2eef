//! Tasks that the app cannot do without: a panic in one of them ends the app.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    thread::{self, JoinHandle},
};

use tauri::AppHandle;

/// The exit code of a Rust program that panics.
const PANICKED: i32 = 101;

/// Runs a task on the app's runtime.
pub fn spawn(app: &AppHandle, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
    let app = app.clone();
    tauri::async_runtime::spawn(watched(name, task, move || app.exit(PANICKED)));
}

/// Runs a task on a thread that no other task has.
///
/// # Errors
///
/// When the system starts no thread.
pub fn spawn_thread(app: &AppHandle, name: &'static str, task: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let app = app.clone();
    watched_thread(name, task, move || app.exit(PANICKED)).map(drop)
}

async fn watched(name: &str, task: impl Future<Output = ()> + Send + 'static, exit: impl FnOnce()) {
    let ended = tokio::spawn(task).await;
    if ended.is_err_and(|error| error.is_panic()) {
        end(name, exit);
    }
}

fn watched_thread(
    name: &'static str,
    task: impl FnOnce() + Send + 'static,
    exit: impl FnOnce() + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        // Nothing of the task is used after its panic.
        if catch_unwind(AssertUnwindSafe(task)).is_err() {
            end(name, exit);
        }
    })
}

fn end(name: &str, exit: impl FnOnce()) {
    tracing::error!(task = name, "critical task panicked; the app exits");
    exit();
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn a_task_that_panics_ends_the_app_and_one_that_returns_does_not() {
        for panics in [true, false] {
            let mut exited = false;
            watched("test", async move { assert!(!panics, "as this test wants") }, || exited = true).await;
            assert_eq!(exited, panics);
        }
    }

    #[test]
    fn a_thread_that_panics_ends_the_app_and_one_that_returns_does_not() {
        for panics in [true, false] {
            let (exit, exited) = mpsc::channel();
            let task = move || assert!(!panics, "as this test wants");
            watched_thread("test", task, move || exit.send(()).unwrap()).unwrap().join().unwrap();
            assert_eq!(exited.try_recv().is_ok(), panics);
        }
    }
}
