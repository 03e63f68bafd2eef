//! `src-tauri/gen` is a link to `gen`. Where git does not make links (Windows, unless told to), it checks out a file that holds
//! the link's target as text, and the Tauri CLI would find no projects.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::{Context, Result, bail};
use xtask::exec::say;
use xtask::project::Project;

/// In parts: cmd takes a slash for the beginning of a switch.
const LINK: [&str; 2] = ["src-tauri", "gen"];
const TARGET: &str = "../gen";

/// Makes `src-tauri/gen` lead to `gen` where it does not.
///
/// # Errors
///
/// Where something else stands in its place, or the system makes no link.
pub fn mend(project: &Project) -> Result<()> {
    if mend_at(&project.root, make_link).context("src-tauri/gen is no link to gen, and could not be made one")? {
        say("src-tauri/gen was checked out as text; it is a link to gen now");
    }
    Ok(())
}

/// Whether there was something to mend.
fn mend_at(root: &Path, make_link: impl Fn(&Path, &Path) -> io::Result<()>) -> Result<bool> {
    let link = LINK.iter().fold(root.to_owned(), |path, part| path.join(part));
    match fs::symlink_metadata(&link) {
        Ok(found) if found.is_file() => {
            let text = fs::read_to_string(&link)?;
            if text.trim() != TARGET {
                bail!("{} is a file, and holds something else than {TARGET:?}", link.display());
            }
            fs::remove_file(&link)?;
        }
        // A link or a junction, or the directory itself.
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

/// A junction, since making a symbolic link asks for rights that an ordinary account has not. It has no call in the standard
/// library; cmd's `mklink /J` makes one.
#[cfg(windows)]
fn make_link(target: &Path, link: &Path) -> io::Result<()> {
    use std::process::{Command, Stdio};
    let made = Command::new("cmd").args(["/C", "mklink", "/J"]).arg(link).arg(target).stdout(Stdio::null()).status()?;
    if made.success() { Ok(()) } else { Err(io::Error::other(format!("mklink ended with {made}"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_stands_there_leads_to_gen_unless_somebody_put_it_there() {
        for (text, made) in [
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
            let done = mend_at(&root, make_link).ok();
            let (leads, again) = (link.join("android").is_dir(), mend_at(&root, make_link).ok());
            fs::remove_dir_all(&root).unwrap();
            assert_eq!((done, leads, again), (made, made.is_some(), made.map(|_| false)), "{text:?}");
        }
    }
}
