//! The version of the workspace, in Cargo.toml. Files that repeat it are checked against it.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use xtask::project::Project;

/// AppStream metadata with the list of releases.
pub const METAINFO: &str = "src-tauri/bundle/app.hutong.Hutong.metainfo.xml";

/// Tauri's configuration. Without a version it uses that of `src-tauri/Cargo.toml`, which is the workspace's.
const TAURI_CONFIG: &str = "src-tauri/tauri.conf.json";

/// Files, and keys of lines that may repeat the version. The Tauri CLI writes it there in every build; before the first build it is
/// [`UNBUILT`].
const REPEATED: [(&str, &str); 2] =
    [("gen/apple/project.yml", "CFBundleShortVersionString:"), ("gen/apple/project.yml", "CFBundleVersion:")];

/// Placeholder before the first build.
const UNBUILT: &str = "0.0.0";

/// Returns the version of the workspace.
///
/// # Errors
///
/// Cargo.toml cannot be read, or has no version.
pub fn workspace_version(project: &Project) -> Result<String> {
    let text = read(&project.root, "Cargo.toml")?;
    let line = text.lines().skip_while(|line| *line != "[workspace.package]").find_map(version_of_line);
    Ok(line.context("Cargo.toml has no version in [workspace.package]")?.to_owned())
}

/// Checks that no file has another version, and that `tag`, if any, matches.
///
/// # Errors
///
/// The first difference.
pub fn check(project: &Project, tag: Option<&str>) -> Result<()> {
    let version = workspace_version(project)?;
    if let Some(tag) = tag {
        ensure!(
            tag == format!("v{version}"),
            "the tag is {tag}, but the version in Cargo.toml is {version}: the tag must be v{version}"
        );
        let notes = section(&read(&project.root, "CHANGELOG.md")?, &version);
        ensure!(notes.is_some_and(|notes| !notes.is_empty()), "CHANGELOG.md has no section [{version}]");
    }
    let config = read(&project.root, TAURI_CONFIG)?;
    ensure!(!has_version(&config), "{TAURI_CONFIG} has a version; remove it: the version in Cargo.toml applies");
    let newest = newest_release(&read(&project.root, METAINFO)?).map(str::to_owned);
    match newest {
        Some(newest) if newest == version => {}
        newest => bail!("{METAINFO}: the newest release is {newest:?}, but the version in Cargo.toml is {version}"),
    }
    for (file, key) in REPEATED {
        let Ok(text) = fs::read_to_string(project.root.join(file)) else { continue };
        for value in text.lines().filter_map(|line| line.trim().strip_prefix(key)) {
            let value = value.trim().trim_matches('"');
            ensure!(
                value == version || value == UNBUILT,
                "{file}: {key} is {value}, but the version in Cargo.toml is {version}"
            );
        }
    }
    Ok(())
}

/// Returns the section of a version in CHANGELOG.md, or of unreleased changes if there is none.
///
/// # Errors
///
/// The section is missing or empty.
pub fn notes(project: &Project, version: &str) -> Result<String> {
    let text = read(&project.root, "CHANGELOG.md")?;
    let notes = section(&text, version).or_else(|| section(&text, "Unreleased"));
    notes.filter(|notes| !notes.is_empty()).with_context(|| format!("CHANGELOG.md has no notes for {version}"))
}

fn read(root: &Path, file: &str) -> Result<String> {
    fs::read_to_string(root.join(file)).with_context(|| format!("cannot read {file}"))
}

fn version_of_line(line: &str) -> Option<&str> {
    line.strip_prefix("version = \"")?.strip_suffix('"')
}

/// Whether a formatted JSON object has the key `version` at its first level.
fn has_version(json: &str) -> bool {
    json.lines().any(|line| line.starts_with("  \"version\":"))
}

fn newest_release(metainfo: &str) -> Option<&str> {
    let (_, after) = metainfo.split_once("<release ")?;
    let (element, _) = after.split_once('>')?;
    element.split_once("version=\"")?.1.split('"').next()
}

fn section(changelog: &str, name: &str) -> Option<String> {
    let heading = format!("## [{name}]");
    let mut lines = changelog.lines().skip_while(|line| !line.starts_with(&heading));
    lines.next()?;
    let section: Vec<&str> = lines.take_while(|line| !line.starts_with("## ")).collect();
    Some(section.join("\n").trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: [(&str, &str); 5] = [
        ("Cargo.toml", "[workspace]\nversion = \"9.9.9\"\n[workspace.package]\nversion = \"1.2.3\"\n"),
        (TAURI_CONFIG, "{\n  \"productName\": \"Hutong\"\n}"),
        (METAINFO, "<release date=\"2026-01-01\" version=\"1.2.3\"/>\n<release version=\"1.2.2\"/>"),
        ("gen/apple/project.yml", " CFBundleVersion: \"1.2.3\"\n CFBundleShortVersionString: 0.0.0"),
        (
            "CHANGELOG.md",
            "# Changelog\n\n## [Unreleased]\n\n- new\n\n## [1.2.3] - 2026-01-01\n\n### Added\n\n- old\n\n## [1.2.2]\n",
        ),
    ];

    /// Calls `check` with a project of the files in [`GOOD`], one of them changed.
    fn with_changed_file<T>(changed: (&str, &str), check: impl FnOnce(&Project) -> T) -> T {
        let root = std::env::temp_dir().join(format!("xtask-version-{}-{}", std::process::id(), changed.1.len()));
        for (file, text) in GOOD.iter().chain([&changed]) {
            let path = root.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let result = check(&Project { target: root.join("target"), cache: root.join("cache"), root: root.clone() });
        fs::remove_dir_all(&root).unwrap();
        result
    }

    #[test]
    fn files_with_another_version_are_reported() {
        check(&Project::find().unwrap(), None).unwrap();
        with_changed_file(GOOD[0], |project| check(project, Some("v1.2.3")).unwrap());
        for (changed, tag, expected) in [
            ((TAURI_CONFIG, "{\n  \"version\": \"1.2.3\"\n}"), None, TAURI_CONFIG),
            ((METAINFO, "<release version=\"1.2.2\">"), None, "1.2.2"),
            ((METAINFO, "<component/>"), None, METAINFO),
            (("gen/apple/project.yml", "      CFBundleShortVersionString: 1.2.0\n"), None, "1.2.0"),
            (GOOD[1], Some("v1.2.4"), "v1.2.3"),
            (("CHANGELOG.md", "## [Unreleased]\n\n- new\n"), Some("v1.2.3"), "CHANGELOG.md has no section [1.2.3]"),
        ] {
            let error = with_changed_file(changed, |project| check(project, tag).unwrap_err().to_string());
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn notes_are_those_of_the_version_or_unreleased_ones() {
        with_changed_file(GOOD[2], |project| {
            assert_eq!(notes(project, "1.2.3").unwrap(), "### Added\n\n- old");
            assert_eq!(notes(project, "2.0.0").unwrap(), "- new");
            assert!(notes(project, "1.2.2").is_err());
        });
    }
}
