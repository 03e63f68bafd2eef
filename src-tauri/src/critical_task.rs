//! Critical tasks and threads: when one panics, the app exits.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    thread::{self, JoinHandle},
};

use tauri::AppHandle;

/// The exit code of a Rust program whose main thread panics.
const PANIC_EXIT_CODE: i32 = 101;

/// Spawns a critical task on the app's runtime.
pub fn spawn(app: &AppHandle, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
    let app = app.clone();
    tauri::async_runtime::spawn(run_task(name, task, move || app.exit(PANIC_EXIT_CODE)));
}

/// Spawns a critical task on a dedicated thread.
///
/// # Errors
///
/// When the system cannot start a thread.
pub fn spawn_thread(app: &AppHandle, name: &'static str, task: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let app = app.clone();
    run_thread(name, task, move || app.exit(PANIC_EXIT_CODE)).map(drop)
}

async fn run_task(name: &str, task: impl Future<Output = ()> + Send + 'static, exit: impl FnOnce()) {
    let ended = tokio::spawn(task).await;
    if ended.is_err_and(|error| error.is_panic()) {
        exit_after_panic(name, exit);
    }
}

fn run_thread(
    name: &'static str,
    task: impl FnOnce() + Send + 'static,
    exit: impl FnOnce() + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        // Unwind safe: the task's data is not used after a panic.
        if catch_unwind(AssertUnwindSafe(task)).is_err() {
            exit_after_panic(name, exit);
        }
    })
}

fn exit_after_panic(name: &str, exit: impl FnOnce()) {
    tracing::error!(task = name, "critical task panicked; the app exits");
    exit();
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn a_task_that_panics_exits_the_app_and_one_that_returns_does_not() {
        for panics in [true, false] {
            let mut exited = false;
            run_task("test", async move { assert!(!panics, "the panic under test") }, || exited = true).await;
            assert_eq!(exited, panics);
        }
    }

    #[test]
    fn a_thread_that_panics_exits_the_app_and_one_that_returns_does_not() {
        for panics in [true, false] {
            let (exit, exited) = mpsc::channel();
            let task = move || assert!(!panics, "the panic under test");
            run_thread("test", task, move || exit.send(()).unwrap()).unwrap().join().unwrap();
            assert_eq!(exited.try_recv().is_ok(), panics);
        }
    }
}
