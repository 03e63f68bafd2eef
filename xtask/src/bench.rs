//! `cargo xtask bench`: builds and runs the benchmarks.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use xtask::exec::{Cmd, status};
use xtask::packages::{BROWSERS, COTURN, DESKTOP, PROFILERS, ensure_npm};
use xtask::project::Project;
use xtask::tools;
use xtask::web_app::WebAppBuild;

use crate::cargo::{self, EMBEDDED_UI};

/// Cargo profile of measured programs: the release profile, with test devices in the app and symbols for profilers.
const PROFILE: &str = "bench-app";

/// The servers that are measured beside ours, and what installs them.
const NODE_FILES: [&str; 4] = ["package.json", "package-lock.json", "peer.mjs", "socket_io.mjs"];

/// Compares the app's native peer with Chromium. Builds the web app into separate directories.
pub fn native(project: &Project, args: &[OsString]) -> Result<()> {
    DESKTOP.ensure("the desktop app")?;
    BROWSERS.ensure("comparing with a browser")?;
    let out = project.target.join("bench-ui");
    cargo::web_app(project, None, true).arg("--out").arg(&out).run()?;
    status("building the server and the app (several minutes the first time)");
    let page = WebAppBuild::App.dir(&out).display().to_string().replace('\\', "\\\\").replace('"', "\\\"");
    cargo::host(project)
        .args(["build", "--profile", PROFILE, "--package", "hutong-server", "--package", "hutong-app"])
        .args(EMBEDDED_UI)
        .env("HUTONG_UI_DIST", WebAppBuild::Browser.dir(&out))
        .env("TAURI_CONFIG", format!(r#"{{"build":{{"frontendDist":"{page}"}}}}"#))
        .run()?;
    cargo::host(project).args(["build", "--package", "hutong-bench"]).run()?;
    cargo::host(project)
        .args(["run", "--quiet", "--package", "hutong-bench", "--", "native"])
        .args(args)
        .env("HUTONG_SERVER_BIN", program(project, "hutong-server"))
        .env("HUTONG_APP_BIN", program(project, "hutong-app"))
        .replace_process()
}

/// Compares the server with others.
pub fn server(project: &Project, args: &[OsString]) -> Result<()> {
    PROFILERS.ensure("profiling a server")?;
    ensure_npm("the compared servers")?;
    build_server_and_clients(project)?;
    let matchbox = matchbox(project)?;
    let node = node(project)?;
    Cmd::new(program(project, "hutong-load"))
        .arg("server")
        .args(args)
        .env("HUTONG_SERVER_BIN", program(project, "hutong-server"))
        .env("HUTONG_BENCH_MATCHBOX", matchbox)
        .env("HUTONG_BENCH_NODE", node)
        .env("HUTONG_DOCS", project.root.join("docs"))
        .replace_process()
}

/// Compares the relay with coturn.
pub fn relay(project: &Project, args: &[OsString]) -> Result<()> {
    COTURN.ensure("comparing with coturn")?;
    build_server_and_clients(project)?;
    Cmd::new(program(project, "hutong-load"))
        .arg("relay")
        .args(args)
        .env("HUTONG_SERVER_BIN", program(project, "hutong-server"))
        .env("HUTONG_DOCS", project.root.join("docs"))
        .replace_process()
}

/// Measures what attacks and failures can do, and prints the scoreboard of docs/SECURITY.md.
pub fn security(project: &Project) -> Result<()> {
    /// Tests that print rows.
    const TESTS: [&str; 3] =
        ["scoreboard", "silent_addresses_get_fewer_than_20_packets", "the_bytes_that_one_user_causes_for_others"];
    const ROWS: usize = 17;
    status("building the tests");
    let tests = ["test", "--package", "hutong-server", "--package", "hutong-media", "--lib", "--tests"];
    cargo::host(project).args(tests).arg("--no-run").run()?;
    println!("| what | bound | measured |\n| --- | --- | --- |");
    let mut rows = 0;
    cargo::host(project)
        .args(tests)
        .args(["--quiet", "--", "--include-ignored", "--nocapture", "--test-threads=1"])
        .args(TESTS)
        .for_each_line(|line| {
            if let Some(row) = line.find("| ").and_then(|start| line.get(start..)).filter(|row| row.ends_with('|')) {
                println!("{row}");
                rows += 1;
            }
        })?;
    // A test that was renamed would not run.
    ensure!(rows == ROWS, "the scoreboard has {ROWS} rows on Linux, and {rows} were measured");
    Ok(())
}

/// Compares the set-up of relayed calls with that of direct ones, in browsers.
pub fn relayed(project: &Project, args: &[OsString]) -> Result<()> {
    BROWSERS.ensure("calls in browsers")?;
    let out = project.target.join("bench-ui");
    cargo::web_app(project, None, true).arg("--out").arg(&out).run()?;
    status("building the server (several minutes the first time)");
    cargo::host(project)
        .args(["build", "--profile", PROFILE, "--package", "hutong-server"])
        .env("HUTONG_UI_DIST", WebAppBuild::Browser.dir(&out))
        .run()?;
    cargo::host(project).args(["build", "--package", "hutong-bench"]).run()?;
    cargo::host(project)
        .args(["run", "--quiet", "--package", "hutong-bench", "--", "relayed"])
        .args(args)
        .env("HUTONG_SERVER_BIN", program(project, "hutong-server"))
        .replace_process()
}

fn build_server_and_clients(project: &Project) -> Result<()> {
    status("building the server and the clients (several minutes the first time)");
    cargo::host(project)
        .args(["build", "--profile", PROFILE, "--package", "hutong-server", "--package", "hutong-load"])
        .run()
}

/// Path of a measured program.
fn program(project: &Project, name: &str) -> PathBuf {
    project.target.join(PROFILE).join(name)
}

/// Builds the server around `matchbox_signaling`. It is a separate workspace, since nothing else uses its dependencies.
fn matchbox(project: &Project) -> Result<PathBuf> {
    let target = project.target.join("bench-matchbox");
    let folder = project.root.join("bench/servers/matchbox");
    let manifest = folder.join("Cargo.toml");
    let command = cargo::host(project).args(["build", "--release", "--locked", "--manifest-path"]).arg(manifest);
    command.env("CARGO_TARGET_DIR", &target).run()?;
    Ok(target.join("release/bench-matchbox"))
}

/// Copies the Node servers into the cache, and installs their dependencies whenever the lock file changed.
fn node(project: &Project) -> Result<PathBuf> {
    let folder = project.cache.join("bench-servers");
    tools::npm_ci(&project.root.join("bench/servers/node"), &NODE_FILES, &folder, "the compared servers")?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn the_npm_lock_file_has_checksums_and_no_foreign_registry() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bench/servers/node");
        let lock = fs::read_to_string(root.join("package-lock.json")).unwrap();
        let values = |key: &str| -> Vec<String> {
            lock.lines().filter_map(|line| Some(line.trim().strip_prefix(key)?.to_owned())).collect()
        };
        let integrity = values("\"integrity\": ");
        assert!(integrity.len() > 50 && integrity.iter().all(|sum| sum.starts_with("\"sha512-")));
        assert!(values("\"resolved\": ").iter().all(|address| address.starts_with("\"https://registry.npmjs.org/")));
        assert_eq!(integrity.len(), lock.matches("\"version\": ").count());
    }

    #[test]
    fn every_node_file_exists() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bench/servers/node");
        assert!(NODE_FILES.iter().all(|name| root.join(name).is_file()));
    }
}
