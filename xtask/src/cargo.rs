//! Cargo as this project uses it: its own programs, and those crates of xtask that are compiled only when a step needs them.

use std::path::Path;

use xtask::exec::Cmd;
use xtask::project::Project;

/// The app as it is shipped, with the web app inside instead of a development server's address.
pub const EMBEDDED: [&str; 2] = ["--features", "hutong-app/custom-protocol"];

/// The cargo that builds for this machine, in the project's root.
pub fn host(project: &Project) -> Cmd {
    let cargo = Cmd::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.env("CARGO_TARGET_DIR", &project.target).dir(&project.root)
}

/// Builds the web app into `out`: small, or quickly. What builds it is compiled first where it is not yet.
pub fn web_app(project: &Project, release: bool, out: &Path) -> Cmd {
    tool(project, "xtask-web").args(release.then_some("--release")).arg("--out").arg(out)
}

/// Checks packages and other platforms' projects. What does it is compiled first where it is not yet.
pub fn checks(project: &Project) -> Cmd {
    tool(project, "xtask-checks")
}

fn tool(project: &Project, package: &str) -> Cmd {
    host(project).args(["run", "--package", package, "--"])
}
