//! Repair of `src-tauri/gen`, a symbolic link to `gen`, through which the Tauri CLI finds the mobile projects.
//!
//! Where git creates no symbolic links (Windows by default), it checks out a text file that contains the target.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::{Context, Result, bail};
use xtask::exec::status;
use xtask::project::Project;

/// Path of the link in parts, since `cmd` takes a slash for an option.
const LINK: [&str; 2] = ["src-tauri", "gen"];
const TARGET: &str = "../gen";

/// Makes `src-tauri/gen` a link to `gen` if it is not.
///
/// # Errors
///
/// Another file is in its place, or the system creates no link.
pub fn repair(project: &Project) -> Result<()> {
    if repair_at(&project.root, make_link).context("cannot replace src-tauri/gen by a link to gen")? {
        status("replaced src-tauri/gen by a link to gen");
    }
    Ok(())
}

/// Returns whether a repair was necessary.
fn repair_at(root: &Path, make_link: impl Fn(&Path, &Path) -> io::Result<()>) -> Result<bool> {
    let link = LINK.iter().fold(root.to_owned(), |path, part| path.join(part));
    match fs::symlink_metadata(&link) {
        Ok(found) if found.is_file() => {
            let text = fs::read_to_string(&link)?;
            if text.trim() != TARGET {
                bail!(
                    "{} is in the way: it should be a link to {TARGET}; move it away and run this again",
                    link.display()
                );
            }
            fs::remove_file(&link)?;
        }
        // A link, a junction or a directory.
        Ok(_) => return Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error.into()),
    }
    fs::create_dir_all(root.join("gen"))?;
    make_link(&root.join("gen"), &link)?;
    Ok(true)
}

#[cfg(unix)]
fn make_link(_target: &Path, link: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(TARGET, link)
}

/// Creates a junction by `cmd`, since symbolic links need privileges on Windows, and the standard library has no function for
/// junctions.
#[cfg(windows)]
fn make_link(target: &Path, link: &Path) -> io::Result<()> {
    use std::process::{Command, Stdio};
    let status =
        Command::new("cmd").args(["/C", "mklink", "/J"]).arg(link).arg(target).stdout(Stdio::null()).status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("mklink ended with {status}"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_or_text_link_is_repaired_and_other_files_are_kept() {
        for (text, repaired) in [
            (Some("../gen"), Some(true)),
            (Some("../gen\r\n"), Some(true)),
            (None, Some(true)),
            (Some("my notes"), None),
        ] {
            let root = std::env::temp_dir().join(format!("xtask-links-{}", std::process::id()));
            fs::create_dir_all(root.join("src-tauri")).unwrap();
            fs::create_dir_all(root.join("gen/android")).unwrap();
            let link = root.join(LINK[0]).join(LINK[1]);
            if let Some(text) = text {
                fs::write(&link, text).unwrap();
            }
            let done = repair_at(&root, make_link).ok();
            let (works, again) = (link.join("android").is_dir(), repair_at(&root, make_link).ok());
            fs::remove_dir_all(&root).unwrap();
            assert_eq!((done, works, again), (repaired, repaired.is_some(), repaired.map(|_| false)), "{text:?}");
        }
    }
}
