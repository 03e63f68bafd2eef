//! `cargo xtask ui --watch`: builds again whenever what it is built from changes.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use anyhow::{Context, Result};
use notify::{EventKind, RecursiveMode, Watcher};
use xtask::exec::say;
use xtask::project::Project;
use xtask::toolchain::WasmToolchain;

use crate::app::{self, Options};

/// An editor saves in several steps; a build begins once it has been quiet for this long.
const QUIET: Duration = Duration::from_millis(150);

/// What the web app is built from.
const SOURCES: [&str; 3] = ["ui", "crates/core", "crates/protocol"];

const WAIT_PAGE: &str = "<!doctype html><meta charset=\"utf-8\"><meta http-equiv=\"refresh\" content=\"1\">\
    <title>Hutong</title><p>The web app is being built… 正在构建网页应用……</p>\n";

/// Builds, and then again at every change, until it is ended. A build that fails is said and waits for the next change.
pub fn run(project: &Project, options: &Options) -> Result<()> {
    wait_page(&options.out)?;
    let toolchain = WasmToolchain::ensure(project)?;
    let (changed, changes) = mpsc::sync_channel::<()>(1);
    let ignored = options.out.clone();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let Ok(event) = event else { return };
        if is_change(&event, &ignored) {
            // A full queue means that a build is due already.
            let _ = changed.try_send(());
        }
    })
    .context("cannot watch files here")?;
    for source in SOURCES {
        let path = project.root.join(source);
        watcher.watch(&path, RecursiveMode::Recursive).with_context(|| format!("cannot watch {}", path.display()))?;
    }
    loop {
        if let Err(error) = app::build(project, &toolchain, options) {
            say(format!("the web app is not built: {error:#}"));
        }
        say(format!("waiting for changes in {}", SOURCES.join(", ")));
        changes.recv().context("watching files ended")?;
        while changes.recv_timeout(QUIET) != Err(RecvTimeoutError::Timeout) {}
    }
}

/// A page that waits for the first build, so that a window opened meanwhile has something to show and finds the app later.
fn wait_page(out: &Path) -> Result<()> {
    let path = out.join("index.html");
    if path.exists() {
        return Ok(());
    }
    fs::create_dir_all(out)?;
    fs::write(&path, WAIT_PAGE).with_context(|| format!("cannot write {}", path.display()))
}

fn is_change(event: &notify::Event, out: &Path) -> bool {
    let is_write = !matches!(event.kind, EventKind::Access(_) | EventKind::Other);
    is_write && event.paths.iter().any(|path: &PathBuf| !path.starts_with(out) && !is_hidden(path))
}

/// Editors keep swap and backup files beside the real ones.
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
    fn a_written_source_is_a_change_and_our_own_output_is_not() {
        let out = Path::new("/p/ui/dist");
        let created = EventKind::Create(CreateKind::File);
        assert!(is_change(&event(created, "/p/ui/src/main.rs"), out));
        assert!(!is_change(&event(created, "/p/ui/dist/index.html"), out));
        assert!(!is_change(&event(created, "/p/ui/src/.main.rs.swp"), out));
        assert!(!is_change(&event(EventKind::Access(AccessKind::Read), "/p/ui/src/main.rs"), out));
    }
}
