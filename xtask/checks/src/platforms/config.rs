//! `tauri.conf.json` and each platform's own merged into it, read by the library that reads it in builds on that platform. Only the
//! one for this machine is read by builds here; what capabilities allow is checked by each build.

use anyhow::{Context, Result};
use tauri_utils::config::{Config, parse};
use tauri_utils::platform::Target;
use xtask::project::Project;

use crate::problems::Problems;

const TARGETS: [Target; 5] = [Target::Linux, Target::Windows, Target::MacOS, Target::Android, Target::Ios];

/// Checks the configuration of every platform.
pub fn check(project: &Project) -> Result<()> {
    let mut problems = Problems::default();
    for target in TARGETS {
        problems
            .try_out(configuration(project, target).with_context(|| format!("src-tauri's configuration for {target}")));
    }
    problems.end()
}

fn configuration(project: &Project, target: Target) -> Result<Config> {
    let (merged, _) = parse::read_from(target, &project.root.join("src-tauri"))?;
    Ok(serde_json::from_value(merged)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problems::tests::{project, write};

    #[test]
    fn a_platforms_own_configuration_is_checked_where_it_is_merged() {
        let dir = tempfile::tempdir().unwrap();
        let told = || check(&project(dir.path())).map_err(|error| format!("{error:#}"));
        write(&dir.path().join("src-tauri/tauri.conf.json"), r#"{ "identifier": "a.b" }"#);
        write(&dir.path().join("src-tauri/tauri.android.conf.json"), r#"{ "app": { "windows": [] } }"#);
        assert_eq!(told(), Ok(()));
        write(&dir.path().join("src-tauri/tauri.android.conf.json"), r#"{ "app": { "window": [] } }"#);
        let one = told().unwrap_err();
        assert!(one.contains("android") && one.contains("`window`") && !one.contains("windows configuration"), "{one}");
        write(&dir.path().join("src-tauri/tauri.conf.json"), "{");
        assert!(told().unwrap_err().contains("linux"));
    }
}
