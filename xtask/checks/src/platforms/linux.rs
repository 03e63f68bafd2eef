//! Checks of the desktop entry and the AppStream metadata, by the linters that distributions use.

use std::fs;
use std::path::Path;

use anyhow::{Result, ensure};
use xtask::exec::{Cmd, find_in_path, status};
use xtask::packages::{self, LINUX_LINTERS};
use xtask::project::Project;

use crate::problems::{Problems, files, read};

/// Values of the template's placeholders, as in Tauri's bundler.
const PLACEHOLDERS: [(&str, &str); 6] = [
    ("{{name}}", "Hutong"),
    ("{{comment}}", "See who is online, and call them"),
    ("{{categories}}", "Network;"),
    ("{{exec}}", "hutong-app"),
    ("{{icon}}", "hutong-app"),
    ("{{mime_type}}", "x-scheme-handler/hutong;"),
];

/// Checks `src-tauri/bundle/*.desktop` and `*.metainfo.xml`.
pub fn check(project: &Project) -> Result<()> {
    if packages::is_debian() {
        LINUX_LINTERS.ensure("checking the files of Linux packages")?;
    }
    let mut problems = Problems::default();
    for file in files(&project.root.join("src-tauri/bundle")) {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        if name.ends_with(".desktop") {
            // The linter rejects the template itself.
            let filled = project.target.join(&*name);
            fs::create_dir_all(&project.target)?;
            fs::write(&filled, fill(&read(&file)?)?)?;
            problems.collect(lint("desktop-file-validate", &[], &filled));
        } else if name.ends_with(".metainfo.xml") {
            problems.collect(lint("appstreamcli", &["validate", "--no-net"], &file));
        }
    }
    problems.finish()
}

/// Fills the placeholders of a template; an unknown placeholder is an error.
fn fill(template: &str) -> Result<String> {
    // Assumes that all conditions hold.
    let is_condition = |line: &&str| ["{{#", "{{/"].iter().any(|mark| line.trim_start().starts_with(mark));
    let text: String = template.lines().filter(|line| !is_condition(line)).flat_map(|line| [line, "\n"]).collect();
    let text = PLACEHOLDERS.iter().fold(text, |text, (name, value)| text.replace(name, value));
    ensure!(!text.contains("{{"), "the desktop entry has unknown placeholders:\n{text}");
    Ok(text)
}

fn lint(program: &str, args: &[&str], file: &Path) -> Result<()> {
    if find_in_path(program).is_none() {
        status(format!("skipping {}: {program} is not installed", file.display()));
        return Ok(());
    }
    Cmd::new(program).args(args).arg(file).output().map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problems::tests::{project, write};

    #[test]
    fn placeholders_are_filled_and_unknown_ones_rejected() {
        let filled = fill("Name={{name}}\n{{#if x}}\nExec={{exec}} %u\n{{/if}}\n").unwrap();
        assert_eq!(filled, "Name=Hutong\nExec=hutong-app %u\n");
        assert!(fill("Name={{nobody}}").unwrap_err().to_string().contains("{{nobody}}"));
    }

    #[test]
    fn invalid_entries_and_metadata_are_reported() {
        if find_in_path("desktop-file-validate").is_none() || find_in_path("appstreamcli").is_none() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let result = || check(&project(dir.path())).map_err(|error| format!("{error:#}"));
        let entry = dir.path().join("src-tauri/bundle/it.desktop");
        write(&entry, "[Desktop Entry]\nType=Program\nName={{name}}\nExec={{exec}}\n");
        assert!(result().unwrap_err().contains("desktop-file-validate"));
        write(&entry, "[Desktop Entry]\nType=Application\nName={{name}}\nExec={{exec}}\n");
        assert_eq!(result(), Ok(()));
        let metainfo = "<component type=\"desktop-application\"></component>\n";
        write(&dir.path().join("src-tauri/bundle/it.metainfo.xml"), metainfo);
        assert!(result().unwrap_err().contains("appstreamcli"));
    }
}
