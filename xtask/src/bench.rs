//! `cargo xtask bench`: builds what is measured, and measures it.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use xtask::exec::{Cmd, say};
use xtask::packages::{BROWSERS, DESKTOP, INSIGHT, ensure_npm};
use xtask::project::Project;

use crate::cargo::{self, EMBEDDED};

/// As the app is shipped, with the test devices of debug builds; the server as it is released, with names for a profiler:
/// `[profile.bench-app]`.
const PROFILE: &str = "bench-app";

/// The servers that are measured beside ours, and what installs them.
const NODE_FILES: [&str; 4] = ["package.json", "package-lock.json", "old.mjs", "peer.mjs"];

/// The app with its native peer beside Chromium. The web app is the small one, and is built where it is in nobody's way.
pub fn native(project: &Project, args: &[OsString]) -> Result<()> {
    DESKTOP.ensure("the desktop app")?;
    BROWSERS.ensure("measuring beside a browser")?;
    let dist = project.target.join("bench-ui");
    cargo::web_app(project, true, &dist).run()?;
    say("building the server and the app (several minutes the first time)");
    let page = dist.display().to_string().replace('\\', "\\\\").replace('"', "\\\"");
    cargo::host(project)
        .args(["build", "--profile", PROFILE, "--package", "hutong-server", "--package", "hutong-app"])
        .args(EMBEDDED)
        .env("HUTONG_UI_DIST", &dist)
        .env("TAURI_CONFIG", format!(r#"{{"build":{{"frontendDist":"{page}"}}}}"#))
        .run()?;
    cargo::host(project).args(["build", "--package", "hutong-bench"]).run()?;
    cargo::host(project)
        .args(["run", "--quiet", "--package", "hutong-bench", "--", "native"])
        .args(args)
        .env("HUTONG_SERVER_BIN", built(project, "hutong-server"))
        .env("HUTONG_APP_BIN", built(project, "hutong-app"))
        .become_it()
}

/// Our server beside others.
pub fn server(project: &Project, args: &[OsString]) -> Result<()> {
    INSIGHT.ensure("looking into a server")?;
    ensure_npm("the servers that ours is measured beside")?;
    say("building the server and the clients (several minutes the first time)");
    cargo::host(project)
        .args(["build", "--profile", PROFILE, "--package", "hutong-server", "--package", "hutong-load"])
        .run()?;
    let matchbox = matchbox(project)?;
    let node = node(project)?;
    Cmd::new(built(project, "hutong-load"))
        .arg("server")
        .args(args)
        .env("HUTONG_SERVER_BIN", built(project, "hutong-server"))
        .env("HUTONG_BENCH_MATCHBOX", matchbox)
        .env("HUTONG_BENCH_NODE", node)
        .env("HUTONG_DOCS", project.root.join("docs"))
        .become_it()
}

fn built(project: &Project, name: &str) -> PathBuf {
    project.target.join(PROFILE).join(name)
}

/// The program around matchbox_signaling. It has a workspace and a lock of its own: nothing else needs what it depends on.
fn matchbox(project: &Project) -> Result<PathBuf> {
    let target = project.target.join("bench-matchbox");
    let folder = project.root.join("bench/servers/matchbox");
    let manifest = folder.join("Cargo.toml");
    let command = cargo::host(project).args(["build", "--release", "--locked", "--manifest-path"]).arg(manifest);
    command.env("CARGO_TARGET_DIR", &target).run()?;
    Ok(target.join("release/bench-matchbox"))
}

/// The scripts beside what npm installs for them, in the cache: anew whenever one of them is another.
fn node(project: &Project) -> Result<PathBuf> {
    let from = project.root.join("bench/servers/node");
    let folder = project.cache.join("bench-servers");
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let mut is_new = !folder.join("node_modules").is_dir();
    for name in NODE_FILES {
        let wanted = fs::read(from.join(name)).with_context(|| name.to_owned())?;
        let file = folder.join(name);
        if fs::read(&file).ok().as_ref() != Some(&wanted) {
            is_new |= name.ends_with(".json");
            fs::write(&file, wanted)?;
        }
    }
    if is_new {
        say("installing socket.io, express and peer with npm");
        Cmd::new("npm").args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]).dir(&folder).run()?;
    }
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_lock_names_no_place_but_npms_own() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bench/servers/node");
        let lock = fs::read_to_string(root.join("package-lock.json")).unwrap();
        let of = |key: &str| -> Vec<String> {
            lock.lines().filter_map(|line| Some(line.trim().strip_prefix(key)?.to_owned())).collect()
        };
        let integrity = of("\"integrity\": ");
        assert!(integrity.len() > 50 && integrity.iter().all(|sum| sum.starts_with("\"sha512-")));
        assert!(of("\"resolved\": ").iter().all(|place| place.starts_with("\"https://registry.npmjs.org/")));
        assert_eq!(integrity.len(), lock.matches("\"version\": ").count());
    }

    #[test]
    fn every_script_is_there() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bench/servers/node");
        assert!(NODE_FILES.iter().all(|name| root.join(name).is_file()));
    }
}
