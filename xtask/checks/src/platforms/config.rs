//! Checks of Tauri's configuration, merged with that of each platform, by the library that builds use. Builds on this machine read
//! only one of them. Capabilities are checked by every build.

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
        problems.collect(
            configuration(project, target).with_context(|| format!("the configuration in src-tauri for {target}")),
        );
    }
    problems.finish()
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
    fn the_merged_configuration_of_each_platform_is_checked() {
        let dir = tempfile::tempdir().unwrap();
        let result = || check(&project(dir.path())).map_err(|error| format!("{error:#}"));
        write(&dir.path().join("src-tauri/tauri.conf.json"), r#"{ "identifier": "a.b" }"#);
        write(&dir.path().join("src-tauri/tauri.android.conf.json"), r#"{ "app": { "windows": [] } }"#);
        assert_eq!(result(), Ok(()));
        write(&dir.path().join("src-tauri/tauri.android.conf.json"), r#"{ "app": { "window": [] } }"#);
        let one = result().unwrap_err();
        assert!(one.contains("android") && one.contains("`window`") && !one.contains("windows configuration"), "{one}");
        write(&dir.path().join("src-tauri/tauri.conf.json"), "{");
        assert!(result().unwrap_err().contains("linux"));
    }
}
