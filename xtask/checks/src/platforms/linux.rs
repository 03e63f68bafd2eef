//! The desktop entry and the metadata of the Linux packages, by the linters that distributions use.

use std::fs;
use std::path::Path;

use anyhow::{Result, ensure};
use xtask::exec::{Cmd, find, say};
use xtask::packages::{self, LINUX_LINTERS};
use xtask::project::Project;

use crate::problems::{Problems, files, read};

/// What the bundler puts into the template, as Tauri's CLI does it for this project.
const FILLED: [(&str, &str); 6] = [
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
        LINUX_LINTERS.ensure("checking what Linux packages carry")?;
    }
    let mut problems = Problems::default();
    for file in files(&project.root.join("src-tauri/bundle")) {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        if name.ends_with(".desktop") {
            // As it will be, and not its template.
            let filled = project.target.join(&*name);
            fs::create_dir_all(&project.target)?;
            fs::write(&filled, fill(&read(&file)?)?)?;
            problems.try_out(lint("desktop-file-validate", &[], &filled));
        } else if name.ends_with(".metainfo.xml") {
            problems.try_out(lint("appstreamcli", &["validate", "--no-net"], &file));
        }
    }
    problems.end()
}

/// The template with its places filled; one that nobody fills is an error.
fn fill(template: &str) -> Result<String> {
    // Conditional parts stay, as where their condition holds.
    let is_condition = |line: &&str| ["{{#", "{{/"].iter().any(|mark| line.trim_start().starts_with(mark));
    let text: String = template.lines().filter(|line| !is_condition(line)).flat_map(|line| [line, "\n"]).collect();
    let text = FILLED.iter().fold(text, |text, (place, filled)| text.replace(place, filled));
    ensure!(!text.contains("{{"), "nobody fills all places of the desktop entry:\n{text}");
    Ok(text)
}

fn lint(program: &str, args: &[&str], file: &Path) -> Result<()> {
    if find(program).is_none() {
        say(format!("{} is not checked: there is no {program} here", file.display()));
        return Ok(());
    }
    Cmd::new(program).args(args).arg(file).output().map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problems::tests::{project, write};

    #[test]
    fn a_template_is_filled_before_it_is_checked() {
        let filled = fill("Name={{name}}\n{{#if x}}\nExec={{exec}} %u\n{{/if}}\n").unwrap();
        assert_eq!(filled, "Name=Hutong\nExec=hutong-app %u\n");
        assert!(fill("Name={{nobody}}").unwrap_err().to_string().contains("{{nobody}}"));
    }

    #[test]
    fn broken_entries_and_metadata_are_found() {
        if find("desktop-file-validate").is_none() || find("appstreamcli").is_none() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let told = || check(&project(dir.path())).map_err(|error| format!("{error:#}"));
        let entry = dir.path().join("src-tauri/bundle/it.desktop");
        write(&entry, "[Desktop Entry]\nType=Program\nName={{name}}\nExec={{exec}}\n");
        assert!(told().unwrap_err().contains("desktop-file-validate"));
        write(&entry, "[Desktop Entry]\nType=Application\nName={{name}}\nExec={{exec}}\n");
        assert_eq!(told(), Ok(()));
        let metainfo = "<component type=\"desktop-application\"></component>\n";
        write(&dir.path().join("src-tauri/bundle/it.metainfo.xml"), metainfo);
        assert!(told().unwrap_err().contains("appstreamcli"));
    }
}
