//! Where programs and folders are.

use std::path::{Path, PathBuf};

use crate::{Context, Result, bail};

/// The target directory that this test or program was built into.
///
/// # Errors
///
/// When it lies in none.
pub fn target_dir() -> Result<PathBuf> {
    built_into()?.parent().map(Path::to_owned).context("the test lies in no target directory")
}

/// Where this test's programs are: target/debug, for target/debug/deps/it-0123 and target/debug/hutong-bench.
fn built_into() -> Result<PathBuf> {
    let exe = std::env::current_exe().context("the path of this test")?;
    let folder = exe.parent().context("the test lies in no folder")?;
    let profile = if folder.ends_with("deps") { folder.parent() } else { Some(folder) };
    profile.map(Path::to_owned).context("the test lies in no target directory")
}

/// A program of this workspace: from the environment variable, or beside this test.
///
/// # Errors
///
/// When it has not been built.
pub fn program(variable: &str, name: &str) -> Result<PathBuf> {
    let path = match std::env::var_os(variable) {
        Some(path) => PathBuf::from(path),
        None => built_into()?.join(name),
    };
    if !path.is_file() {
        bail!("{} is missing: `cargo build -p {name}` makes it ({variable} names another)", path.display());
    }
    Ok(path)
}

/// The first of these programs on the search path.
#[must_use]
pub fn on_path(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders: Vec<_> = std::env::split_paths(&path).collect();
    names.iter().find_map(|name| folders.iter().map(|folder| folder.join(name)).find(|file| file.is_file()))
}

/// An installed program, with a word on how to get it.
///
/// # Errors
///
/// When there is none.
pub fn installed(names: &[&str], how: &str) -> Result<PathBuf> {
    on_path(names).with_context(|| format!("no {} here: {how}", names.join(" or ")))
}

/// Makes a folder under the target directory, and gives its path.
///
/// # Errors
///
/// When it cannot be made.
pub fn folder_in_target(name: &str) -> Result<PathBuf> {
    let folder = target_dir()?.join(name);
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    Ok(folder)
}

/// The folder for pictures to look at.
///
/// # Errors
///
/// When it cannot be made.
pub fn shots() -> Result<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("shots");
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    Ok(folder)
}
