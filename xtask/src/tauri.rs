//! `cargo xtask tauri`: the Tauri CLI, from wherever it can be had soonest.

use std::ffi::OsString;

use anyhow::Result;
use xtask::exec::{Cmd, find, say};
use xtask::packages::{self, DESKTOP};
use xtask::project::Project;
use xtask::tools;

/// The CLI of the Tauri that the app is built with.
const VERSION: &str = "2.12.5";

/// Runs the Tauri CLI with these arguments.
pub fn run(project: &Project, args: &[OsString]) -> Result<()> {
    DESKTOP.ensure("the desktop app")?;
    cli(project)?.args(args).dir(&project.root).become_it()
}

/// `tauri build` with these options, of the app as it is shipped.
pub fn build(project: &Project, options: &[&str]) -> Result<()> {
    DESKTOP.ensure("the desktop app")?;
    cli(project)?.arg("build").args(options).dir(&project.root).run()
}

/// An installed one, else npm's, which comes prebuilt, else one built here, which takes minutes.
fn cli(project: &Project) -> Result<Cmd> {
    let installed = Cmd::new("cargo").args(["tauri", "--version"]).output().ok();
    if installed.as_deref().and_then(tools::major) == Some(2) {
        return Ok(Cmd::new("cargo").arg("tauri"));
    }
    if find("npm").is_some() || packages::is_debian() {
        match tools::npm(project, "@tauri-apps/cli", VERSION, "the Tauri CLI") {
            Ok(package) => return Ok(Cmd::new("node").arg(package.join("tauri.js"))),
            Err(error) => say(format!("npm cannot bring the Tauri CLI: {error:#}")),
        }
    }
    Ok(Cmd::new(tools::cargo_install(project, "tauri-cli", VERSION, "cargo-tauri", &[])?).arg("tauri"))
}
