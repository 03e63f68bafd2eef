//! Tasks that the app cannot do without: a panic in one of them ends the app.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
};

use tauri::AppHandle;

/// The exit code of a Rust program that panics.
const PANICKED: i32 = 101;

/// Runs a task on the app's runtime.
pub fn spawn(app: &AppHandle, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
    let task = tauri::async_runtime::spawn(task);
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        if let Err(tauri::Error::JoinError(error)) = task.await
            && error.is_panic()
        {
            end(&app, name);
        }
    });
}

/// Runs a task on a thread that no other task has.
///
/// # Errors
///
/// When the system starts no thread.
pub fn spawn_thread(app: &AppHandle, name: &'static str, task: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let app = app.clone();
    let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
        // Nothing of the task is used after its panic.
        if catch_unwind(AssertUnwindSafe(task)).is_err() {
            end(&app, name);
        }
    });
    thread.map(drop)
}

fn end(app: &AppHandle, name: &str) {
    tracing::error!(task = name, "critical task panicked; the app exits");
    app.exit(PANICKED);
}
