//! `cargo xtask tauri`: runs the Tauri CLI, and installs it if needed.

use std::ffi::OsString;

use anyhow::Result;
use xtask::exec::{Cmd, find_in_path, status};
use xtask::packages::{self, DESKTOP};
use xtask::project::Project;
use xtask::tools::{self, NpmTool};

/// Version of the Tauri CLI, for the version of Tauri that the app uses.
const VERSION: &str = "2.12.5";

/// Runs the Tauri CLI.
///
/// # Errors
///
/// It cannot be installed or started.
pub fn run(project: &Project, args: &[OsString]) -> Result<()> {
    DESKTOP.ensure("the desktop app")?;
    cli(project)?.args(args).dir(&project.root).replace_process()
}

/// Runs `tauri build`.
///
/// # Errors
///
/// The CLI cannot be installed, or the build fails.
pub fn build(project: &Project, options: &[&str]) -> Result<()> {
    DESKTOP.ensure("the desktop app")?;
    cli(project)?.arg("build").args(options).dir(&project.root).run()
}

/// The Tauri CLI: the installed one, else npm's prebuilt one, else built from source, which takes minutes.
fn cli(project: &Project) -> Result<Cmd> {
    let installed = Cmd::new("cargo").args(["tauri", "--version"]).output().ok();
    if installed.as_deref().and_then(tools::major) == Some(2) {
        return Ok(Cmd::new("cargo").arg("tauri"));
    }
    if find_in_path("npm").is_some() || packages::is_debian() {
        match tools::npm(project, NpmTool::TauriCli, "the Tauri CLI") {
            Ok(package) => return Ok(Cmd::new("node").arg(package.join("tauri.js"))),
            Err(error) => status(format!("npm cannot install the Tauri CLI: {error:#}")),
        }
    }
    Ok(Cmd::new(tools::cargo_install(project, "tauri-cli", VERSION, "cargo-tauri", &[])?).arg("tauri"))
}
