//! `cargo xtask lint-packaging`: what is packed and published. The desktop entry and the metainfo are checked with the other files of
//! platforms, in `platforms/linux.rs`.

use anyhow::{Result, bail};

use super::{unit, version, workflows};
use crate::exec::{Cmd, find, say};
use crate::packages::{self, Need};
use crate::project::Project;

const LINTERS: Need = Need { debian: &[("shellcheck", &["shellcheck"])], elsewhere: "shellcheck" };

/// Checks the version, the server's unit, the packages' scripts and the workflows.
///
/// # Errors
///
/// Everything that is wrong, one a line.
pub fn check(project: &Project) -> Result<()> {
    if packages::is_debian() {
        LINTERS.ensure("checking what is packed")?;
    }
    type Check = fn(&Project) -> Result<()>;
    let checks: [(&str, Check); 4] = [
        ("version", |project| version::check(project, None)),
        ("systemd unit", unit::check),
        ("package scripts", scripts),
        ("workflows", workflows::check),
    ];
    let problems: Vec<String> = checks
        .iter()
        .filter_map(|(name, check)| check(project).err().map(|error| format!("{name}: {error:#}")))
        .collect();
    if problems.is_empty() { Ok(()) } else { bail!("{}", problems.join("\n")) }
}

fn scripts(project: &Project) -> Result<()> {
    if find("shellcheck").is_none() {
        say("there is no shellcheck here: the packages' scripts are not checked");
        return Ok(());
    }
    Cmd::new("shellcheck").args(workflows::files(&project.root.join("packaging/server/deb"))?).passes()
}
