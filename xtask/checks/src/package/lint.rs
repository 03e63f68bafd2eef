//! What is packed and published. The desktop entry and the metainfo are checked with the other files of platforms.

use anyhow::Result;
use xtask::exec::{Cmd, find, say};
use xtask::packages::{self, SHELLCHECK};
use xtask::project::Project;

use super::{unit, workflows};
use crate::problems::{Check, files};

/// The server's unit, the packages' scripts and the workflows.
pub const CHECKS: &[Check] =
    &[("systemd unit", unit::check), ("package scripts", scripts), ("workflows", workflows::check)];

fn scripts(project: &Project) -> Result<()> {
    if packages::is_debian() {
        SHELLCHECK.ensure("checking what is packed")?;
    }
    if find("shellcheck").is_none() {
        say("there is no shellcheck here: the packages' scripts are not checked");
        return Ok(());
    }
    Cmd::new("shellcheck").args(files(&project.root.join("packaging/server/deb"))).output().map(drop)
}
