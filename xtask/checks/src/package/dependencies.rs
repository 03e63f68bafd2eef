//! Checks of dependencies by cargo-deny: licences, sources, banned and duplicate crates, known vulnerabilities. Its settings are in
//! `deny.toml`.

use std::path::Path;

use anyhow::Result;
use xtask::exec::{Cmd, find_in_path, status};
use xtask::project::Project;
use xtask::tools::{cargo_install, installed_by_cargo};

const VERSION: &str = "0.20.2";

/// Checks with an installed cargo-deny. Building it takes minutes, so without it this check is skipped.
pub fn check_if_installed(project: &Project) -> Result<()> {
    let installed = installed_by_cargo(project, "cargo-deny", VERSION, "cargo-deny");
    let Some(program) = installed.or_else(|| find_in_path("cargo-deny")) else {
        status("skipping the dependencies: cargo-deny is not installed (`cargo xtask check-dependencies` installs it)");
        return Ok(());
    };
    check(project, &program)
}

/// Builds cargo-deny if needed, and checks with it.
pub fn check_always(project: &Project) -> Result<()> {
    check(project, &cargo_install(project, "cargo-deny", VERSION, "cargo-deny", &[])?)
}

fn check(project: &Project, program: &Path) -> Result<()> {
    let deny =
        |args: &[&str]| Cmd::new(program).args(["--locked", "--log-level", "error"]).args(args).dir(&project.root);
    deny(&["check", "--hide-inclusion-graph", "bans", "licenses", "sources"]).output()?;
    if deny(&["fetch", "db"]).output().is_err() {
        status("skipping known vulnerabilities: the database (github.com/rustsec/advisory-db) cannot be fetched");
        return Ok(());
    }
    deny(&["check", "--disable-fetch", "advisories"]).output().map(drop)
}
