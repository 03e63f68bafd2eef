//! The version has one source, the workspace's Cargo.toml: who repeats it is checked against that.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use crate::project::Project;

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

    /// A project of a few files, removed at its end.
    struct Sketch(Project);

    impl Sketch {
        fn new(name: &str, files: &[(&str, &str)]) -> Self {
            let root = std::env::temp_dir().join(format!("xtask-version-{name}-{}", std::process::id()));
            for (file, text) in files {
                let path = root.join(file);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            Self(Project { target: root.join("target"), cache: root.join("cache"), root })
        }
    }

    impl Drop for Sketch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0.root);
        }
    }

    const CARGO: (&str, &str) =
        ("Cargo.toml", "[workspace]\nversion = \"9.9.9\"\n[workspace.package]\nversion = \"1.2.3\"\n");
    const CONFIG: (&str, &str) = (TAURI_CONFIG, "{\n  \"productName\": \"Hutong\"\n}");
    const INFO: (&str, &str) =
        (METAINFO, "<releases>\n<release date=\"2026-01-01\" version=\"1.2.3\"/>\n<release version=\"1.2.2\"/>");

    const CHANGES: (&str, &str) = ("CHANGELOG.md", "# Changelog\n\n## [1.2.3] - 2026-01-01\n\n- new\n");

    fn problem(name: &str, files: &[(&str, &str)], tag: Option<&str>) -> String {
        check(&Sketch::new(name, files).0, tag).unwrap_err().to_string()
    }

    #[test]
    fn this_project_names_one_version() {
        check(&Project::find().unwrap(), None).unwrap();
    }

    #[test]
    fn whoever_names_another_version_is_told() {
        let sketch = Sketch::new(
            "good",
            &[
                CARGO,
                CONFIG,
                INFO,
                CHANGES,
                ("gen/apple/project.yml", " CFBundleVersion: \"1.2.3\"\n CFBundleShortVersionString: 0.0.0"),
            ],
        );
        assert_eq!(of(&sketch.0).unwrap(), "1.2.3");
        check(&sketch.0, Some("v1.2.3")).unwrap();

        let own = (TAURI_CONFIG, "{\n  \"version\": \"1.2.3\"\n}");
        assert!(problem("config", &[CARGO, own, INFO], None).contains(TAURI_CONFIG));
        let old = (METAINFO, "<release version=\"1.2.2\">");
        assert!(problem("metainfo", &[CARGO, CONFIG, old], None).contains("1.2.2"));
        let none = (METAINFO, "<component/>");
        assert!(problem("none", &[CARGO, CONFIG, none], None).contains(METAINFO));
        let apple = ("gen/apple/project.yml", "      CFBundleShortVersionString: 1.2.0\n");
        assert!(problem("apple", &[CARGO, CONFIG, INFO, apple], None).contains("1.2.0"));
        assert!(problem("tag", &[CARGO, CONFIG, INFO], Some("v1.2.4")).contains("v1.2.3"));
        let unreleased = ("CHANGELOG.md", "# Changelog\n\n## [Unreleased]\n\n- new\n");
        let untold = problem("untold", &[CARGO, CONFIG, INFO, unreleased], Some("v1.2.3"));
        assert!(untold.contains("CHANGELOG.md has no section [1.2.3]"), "{untold}");
    }

    #[test]
    fn notes_are_the_versions_own_or_what_is_not_released() {
        let text =
            "# Changelog\n\n## [Unreleased]\n\n- new\n\n## [1.2.3] - 2026-01-01\n\n### Added\n\n- old\n\n## [1.2.2]\n";
        let sketch = Sketch::new("notes", &[("CHANGELOG.md", text)]);
        assert_eq!(notes(&sketch.0, "1.2.3").unwrap(), "### Added\n\n- old");
        assert_eq!(notes(&sketch.0, "2.0.0").unwrap(), "- new");
        assert!(notes(&sketch.0, "1.2.2").is_err());
    }
}
