//! Paths of built and installed programs, and of folders for output.

use std::path::{Path, PathBuf};

use crate::{Context, Result, bail};

/// Target directory that the running test or program was built into.
///
/// # Errors
///
/// Returns an error when the executable lies in no target directory.
pub fn target_dir() -> Result<PathBuf> {
    profile_dir()?.parent().map(Path::to_owned).context("the test lies in no target directory")
}

/// Directory of the profile's programs: target/debug, for target/debug/deps/it-0123 and target/debug/hutong-bench.
fn profile_dir() -> Result<PathBuf> {
    let exe = std::env::current_exe().context("the path of this test")?;
    let folder = exe.parent().context("the test lies in no folder")?;
    let profile = if folder.ends_with("deps") { folder.parent() } else { Some(folder) };
    profile.map(Path::to_owned).context("the test lies in no target directory")
}

/// Path of a program of this workspace: from the environment variable, or next to the running test.
///
/// # Errors
///
/// Returns an error when it is not built.
pub fn workspace_program(variable: &str, name: &str) -> Result<PathBuf> {
    let path = match std::env::var_os(variable) {
        Some(path) => PathBuf::from(path),
        None => profile_dir()?.join(name),
    };
    if !path.is_file() {
        bail!("{} is missing: run `cargo build -p {name}`, or set {variable}", path.display());
    }
    Ok(path)
}

/// The first of these programs on `PATH`.
#[must_use]
pub fn find_on_path(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders: Vec<_> = std::env::split_paths(&path).collect();
    names.iter().find_map(|name| folders.iter().map(|folder| folder.join(name)).find(|file| file.is_file()))
}

/// Path of an installed program.
///
/// # Errors
///
/// Returns an error with installation instructions when there is none.
pub fn installed_program(names: &[&str], instructions: &str) -> Result<PathBuf> {
    find_on_path(names).with_context(|| format!("{} is not installed: {instructions}", names.join(" or ")))
}

/// Creates a folder in the target directory and returns its path.
///
/// # Errors
///
/// Returns an error when it cannot be created.
pub fn create_target_dir(name: &str) -> Result<PathBuf> {
    let folder = target_dir()?.join(name);
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    Ok(folder)
}

/// The folder for screenshots (`e2e/shots`), created if needed.
///
/// # Errors
///
/// Returns an error when it cannot be created.
pub fn screenshots_dir() -> Result<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("shots");
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    Ok(folder)
}
