//! The version has one source, the workspace's Cargo.toml: who repeats it is checked against that.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use xtask::project::Project;

/// Software centres show its list of releases.
pub const METAINFO: &str = "src-tauri/bundle/app.hutong.Hutong.metainfo.xml";

/// Without a version of its own it takes that of src-tauri/Cargo.toml, which is the workspace's.
const TAURI_CONFIG: &str = "src-tauri/tauri.conf.json";

/// Files that may repeat the version in a line of this form. The Tauri CLI writes it there anew with every build; before the first one it
/// is [`UNBUILT`].
const REPEATED: [(&str, &str); 2] =
    [("gen/apple/project.yml", "CFBundleShortVersionString:"), ("gen/apple/project.yml", "CFBundleVersion:")];

/// Stands where no build has written a version yet.
const UNBUILT: &str = "0.0.0";

/// The version that everything of this workspace has.
pub fn of(project: &Project) -> Result<String> {
    let text = read(&project.root, "Cargo.toml")?;
    let line = text.lines().skip_while(|line| *line != "[workspace.package]").find_map(version_of_line);
    Ok(line.context("Cargo.toml has no version below [workspace.package]")?.to_owned())
}

/// Checks that nothing names another version, and that a tag, if there is one, names this one.
///
/// # Errors
///
/// The first file that differs, and what it says.
pub fn check(project: &Project, tag: Option<&str>) -> Result<()> {
    let version = of(project)?;
    if let Some(tag) = tag {
        ensure!(
            tag == format!("v{version}"),
            "the tag is {tag}, but Cargo.toml says {version}: the tag would be v{version}"
        );
        let told = section(&read(&project.root, "CHANGELOG.md")?, &version).is_some_and(|said| !said.is_empty());
        ensure!(told, "CHANGELOG.md has no section [{version}]");
    }
    let config = read(&project.root, TAURI_CONFIG)?;
    ensure!(!names_version(&config), "{TAURI_CONFIG} has a version of its own: without it, Cargo.toml's counts");
    let newest = newest_release(&read(&project.root, METAINFO)?).map(str::to_owned);
    match newest {
        Some(newest) if newest == version => {}
        newest => bail!("{METAINFO}: the first release is {newest:?}, but Cargo.toml says {version}"),
    }
    for (file, key) in REPEATED {
        let Ok(text) = fs::read_to_string(project.root.join(file)) else { continue };
        for said in text.lines().filter_map(|line| line.trim().strip_prefix(key)) {
            let said = said.trim().trim_matches('"');
            ensure!(said == version || said == UNBUILT, "{file}: {key} is {said}, but Cargo.toml says {version}");
        }
    }
    Ok(())
}

/// What CHANGELOG.md tells of a version, or of what is not released yet where it has no section of its own.
///
/// # Errors
///
/// Where neither section says anything.
pub fn notes(project: &Project, version: &str) -> Result<String> {
    let text = read(&project.root, "CHANGELOG.md")?;
    let said = section(&text, version).or_else(|| section(&text, "Unreleased"));
    said.filter(|said| !said.is_empty()).with_context(|| format!("CHANGELOG.md says nothing of {version}"))
}

fn read(root: &Path, file: &str) -> Result<String> {
    fs::read_to_string(root.join(file)).with_context(|| format!("cannot read {file}"))
}

fn version_of_line(line: &str) -> Option<&str> {
    line.strip_prefix("version = \"")?.strip_suffix('"')
}

/// Whether a JSON object has the key `version` at its first level, as it is written by every formatter.
fn names_version(json: &str) -> bool {
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
    let said: Vec<&str> = lines.take_while(|line| !line.starts_with("## ")).collect();
    Some(said.join("\n").trim().to_owned())
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

    /// What becomes of a project of these files, in which one has another text.
    fn with<T>(changed: (&str, &str), look: impl FnOnce(&Project) -> T) -> T {
        let root = std::env::temp_dir().join(format!("xtask-version-{}-{}", std::process::id(), changed.1.len()));
        for (file, text) in GOOD.iter().chain([&changed]) {
            let path = root.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let seen = look(&Project { target: root.join("target"), cache: root.join("cache"), root: root.clone() });
        fs::remove_dir_all(&root).unwrap();
        seen
    }

    #[test]
    fn whatever_names_another_version_is_told() {
        check(&Project::find().unwrap(), None).unwrap();
        with(GOOD[0], |project| check(project, Some("v1.2.3")).unwrap());
        for (changed, tag, told) in [
            ((TAURI_CONFIG, "{\n  \"version\": \"1.2.3\"\n}"), None, TAURI_CONFIG),
            ((METAINFO, "<release version=\"1.2.2\">"), None, "1.2.2"),
            ((METAINFO, "<component/>"), None, METAINFO),
            (("gen/apple/project.yml", "      CFBundleShortVersionString: 1.2.0\n"), None, "1.2.0"),
            (GOOD[1], Some("v1.2.4"), "v1.2.3"),
            (("CHANGELOG.md", "## [Unreleased]\n\n- new\n"), Some("v1.2.3"), "CHANGELOG.md has no section [1.2.3]"),
        ] {
            let said = with(changed, |project| check(project, tag).unwrap_err().to_string());
            assert!(said.contains(told), "{said}");
        }
    }

    #[test]
    fn notes_are_the_versions_own_or_what_is_not_released() {
        with(GOOD[2], |project| {
            assert_eq!(notes(project, "1.2.3").unwrap(), "### Added\n\n- old");
            assert_eq!(notes(project, "2.0.0").unwrap(), "- new");
            assert!(notes(project, "1.2.2").is_err());
        });
    }
}
