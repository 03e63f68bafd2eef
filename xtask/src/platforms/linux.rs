//! The desktop entry and the metadata of the Linux packages, by the linters that distributions use.

use std::fs;
use std::path::Path;

use anyhow::{Result, bail};

use super::{Problems, files, read};
use crate::exec::{Cmd, find, say};
use crate::packages::{self, Need};
use crate::project::Project;

/// The linters. Where there is no apt and none of them is in PATH, their part is left out and that is said.
const LINTERS: Need = Need {
    debian: &[("desktop-file-utils", &["desktop-file-validate"]), ("appstream", &["appstreamcli"])],
    elsewhere: "desktop-file-validate and appstreamcli",
};

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
        LINTERS.ensure("checking what Linux packages carry")?;
    }
    let bundle = project.root.join("src-tauri/bundle");
    let mut problems = Problems::default();
    for file in files(&bundle) {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        if name.ends_with(".desktop") {
            problems.try_out(entry(project, &file));
        } else if name.ends_with(".metainfo.xml") {
            problems.try_out(lint("appstreamcli", &["validate", "--no-net"], &file));
        }
    }
    problems.end()
}

/// Checks a desktop entry as it will be, and not its template.
fn entry(project: &Project, template: &Path) -> Result<()> {
    let folder = project.target.join("check-platforms");
    fs::create_dir_all(&folder)?;
    let file = folder.join(template.file_name().unwrap_or_default());
    fs::write(&file, fill(&read(template)?)?)?;
    lint("desktop-file-validate", &[], &file)
}

/// The template with its places filled; one that nobody fills is an error.
fn fill(template: &str) -> Result<String> {
    // Conditional parts stay, as where their condition holds.
    let lines =
        template.lines().filter(|line| !line.trim_start().starts_with("{{#") && !line.trim_start().starts_with("{{/"));
    let text: String = lines.flat_map(|line| [line, "\n"]).collect();
    let text = FILLED.iter().fold(text, |text, (place, filled)| text.replace(place, filled));
    match text.split_once("{{") {
        Some((_, rest)) => bail!("nobody fills {{{{{}", rest.lines().next().unwrap_or_default()),
        None => Ok(text),
    }
}

fn lint(program: &str, args: &[&str], file: &Path) -> Result<()> {
    if find(program).is_none() {
        say(format!("{} is not checked: there is no {program} here", file.display()));
        return Ok(());
    }
    // Both tell on their standard output what is wrong.
    Cmd::new(program).args(args).arg(file).run()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{ours, project, write};
    use super::*;

    #[test]
    fn a_template_is_filled_before_it_is_checked() {
        assert_eq!(
            fill("Name={{name}}\n{{#if x}}\nExec={{exec}} %u\n{{/if}}\n").unwrap(),
            "Name=Hutong\nExec=hutong-app %u\n"
        );
        assert!(fill("Name={{nobody}}").unwrap_err().to_string().contains("nobody"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn broken_entries_and_metadata_are_found() {
        if find("desktop-file-validate").is_none() || find("appstreamcli").is_none() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let broken = project(dir.path());
        let entry = dir.path().join("src-tauri/bundle/it.desktop");
        write(&entry, "[Desktop Entry]\nType=Application\nName={{name}}\nExec={{exec}}\n");
        check(&broken).unwrap();
        write(&entry, "[Desktop Entry]\nType=Program\nName={{name}}\nExec={{exec}}\n");
        assert!(format!("{:#}", check(&broken).unwrap_err()).contains("desktop-file-validate"));
        write(&entry, "[Desktop Entry]\nType=Application\nName={{name}}\nExec={{exec}}\n");
        write(
            &dir.path().join("src-tauri/bundle/it.metainfo.xml"),
            "<component type=\"desktop-application\"></component>\n",
        );
        assert!(format!("{:#}", check(&broken).unwrap_err()).contains("appstreamcli"));
    }

    #[test]
    fn ours_are_filled_to_the_last_place() {
        for file in files(&ours().root.join("src-tauri/bundle")) {
            if file.extension().is_some_and(|ending| ending == "desktop") {
                fill(&read(&file).unwrap()).unwrap();
            }
        }
    }
}
