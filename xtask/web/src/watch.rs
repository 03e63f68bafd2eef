//! `cargo xtask ui --watch`: rebuilds the web app when its sources change.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use anyhow::{Context, Result};
use notify::{EventKind, RecursiveMode, Watcher};
use xtask::exec::status;
use xtask::project::Project;
use xtask::toolchain::WasmToolchain;
use xtask::web_app::WebAppBuild;

use crate::app::{self, WebAppOptions};

/// Time without changes before a rebuild: editors save in several steps.
const DEBOUNCE: Duration = Duration::from_millis(150);

/// Source directories of the web app.
const SOURCES: [&str; 3] = ["ui", "crates/core", "crates/protocol"];

const PLACEHOLDER_PAGE: &str = "<!doctype html><meta charset=\"utf-8\"><meta http-equiv=\"refresh\" content=\"1\">\
    <title>Hutong</title><p>The web app is being built… 正在构建网页应用……</p>\n";

/// Builds now and after every change, until it is killed. After a failed build it waits for the next change.
///
/// # Errors
///
/// There is no wasm toolchain, or files cannot be watched.
pub fn run(project: &Project, options: &WebAppOptions) -> Result<()> {
    for build in &options.builds {
        write_placeholder_page(&build.dir(&options.out))?;
    }
    let toolchain = WasmToolchain::ensure(project)?;
    let (changed, changes) = mpsc::sync_channel::<()>(1);
    let ignored = WebAppBuild::ALL.map(|build| build.dir(&options.out));
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let Ok(event) = event else { return };
        if is_change(&event, &ignored) {
            // If the queue is full, a rebuild is already pending.
            let _ = changed.try_send(());
        }
    })
    .context("cannot watch the source files for changes")?;
    for source in SOURCES {
        let path = project.root.join(source);
        watcher.watch(&path, RecursiveMode::Recursive).with_context(|| format!("cannot watch {}", path.display()))?;
    }
    loop {
        if let Err(error) = app::build(project, &toolchain, options) {
            status(format!("building the web app failed: {error:#}"));
        }
        status(format!("waiting for changes in {}", SOURCES.join(", ")));
        changes.recv().context("the file watcher stopped")?;
        while changes.recv_timeout(DEBOUNCE) != Err(RecvTimeoutError::Timeout) {}
    }
}

/// Writes a page that reloads every second, for windows that open before the first build is complete.
fn write_placeholder_page(out: &Path) -> Result<()> {
    let path = out.join("index.html");
    if path.exists() {
        return Ok(());
    }
    fs::create_dir_all(out)?;
    fs::write(&path, PLACEHOLDER_PAGE).with_context(|| format!("cannot write {}", path.display()))
}

fn is_change(event: &notify::Event, outputs: &[PathBuf]) -> bool {
    let is_write = !matches!(event.kind, EventKind::Access(_) | EventKind::Other);
    let is_output = |path: &Path| outputs.iter().any(|dir| path.starts_with(dir));
    is_write && event.paths.iter().any(|path| !is_output(path) && !is_hidden(path))
}

/// Whether a path is a swap or backup file of an editor.
fn is_hidden(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with(['.', '#']) || name.ends_with('~')
}

#[cfg(test)]
mod tests {
    use super::*;
    use notify::event::{AccessKind, CreateKind};

    fn event(kind: EventKind, path: &str) -> notify::Event {
        notify::Event::new(kind).add_path(PathBuf::from(path))
    }

    #[test]
    fn source_changes_trigger_a_rebuild_and_output_changes_do_not() {
        let outputs = WebAppBuild::ALL.map(|build| build.dir(Path::new("/p/ui")));
        let created = EventKind::Create(CreateKind::File);
        assert!(is_change(&event(created, "/p/ui/src/main.rs"), &outputs));
        assert!(!is_change(&event(created, "/p/ui/dist/index.html"), &outputs));
        assert!(!is_change(&event(created, "/p/ui/dist-app/index.html"), &outputs));
        assert!(!is_change(&event(created, "/p/ui/src/.main.rs.swp"), &outputs));
        assert!(!is_change(&event(EventKind::Access(AccessKind::Read), "/p/ui/src/main.rs"), &outputs));
    }
}
