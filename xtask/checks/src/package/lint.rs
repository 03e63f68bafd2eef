//! Checks of what is packaged and published. Desktop entry and AppStream metadata are checked with the platforms.

use anyhow::Result;
use xtask::exec::{Cmd, find_in_path, status};
use xtask::packages::{self, SHELLCHECK};
use xtask::project::Project;

use super::{container, dependencies, systemd_unit, workflows};
use crate::problems::{Check, files};

/// All checks of packaging.
pub const CHECKS: &[Check] = &[
    ("systemd unit", systemd_unit::check),
    ("package scripts", scripts),
    ("workflows", workflows::check),
    ("container file", container::check),
    ("dependencies", dependencies::check_if_installed),
];

fn scripts(project: &Project) -> Result<()> {
    if packages::is_debian() {
        SHELLCHECK.ensure("checking package scripts")?;
    }
    if find_in_path("shellcheck").is_none() {
        status("skipping the package scripts: shellcheck is not installed");
        return Ok(());
    }
    Cmd::new("shellcheck").args(files(&project.root.join("packaging/server/deb"))).output().map(drop)
}
