//! Directories of the project, its build output and its caches.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The directories that every command uses.
#[derive(Debug, Clone)]
pub struct Project {
    /// The workspace's root.
    pub root: PathBuf,
    /// Cargo's target directory for host builds.
    pub target: PathBuf,
    /// Tools and toolchain parts, shared by all clones.
    pub cache: PathBuf,
}

impl Project {
    /// Finds the workspace around the current directory, or around the crate that `cargo run` started.
    ///
    /// # Errors
    ///
    /// There is no workspace, or no current directory.
    pub fn find() -> Result<Self> {
        let start = match env::var_os("CARGO_MANIFEST_DIR") {
            Some(dir) => PathBuf::from(dir),
            None => env::current_dir().context("the current directory does not exist")?,
        };
        let root = workspace_root(&start)
            .with_context(|| format!("no Cargo.toml with a [workspace] at or above {}", start.display()))?;
        let target = match env::var_os("CARGO_TARGET_DIR") {
            Some(dir) => env::current_dir()?.join(dir),
            None => root.join("target"),
        };
        let cache = cache_dir(|name| env::var_os(name).map(PathBuf::from)).unwrap_or_else(|| target.join("cache"));
        Ok(Self { root, target, cache })
    }

    /// The web app's package. By default it also holds the output directories, from which the server and the app embed their builds.
    pub fn ui(&self) -> PathBuf {
        self.root.join("ui")
    }
}

fn workspace_root(start: &Path) -> Option<PathBuf> {
    start.ancestors().find(|dir| is_workspace(dir)).map(Path::to_path_buf)
}

fn is_workspace(dir: &Path) -> bool {
    std::fs::read_to_string(dir.join("Cargo.toml")).is_ok_and(|text| text.lines().any(|line| line == "[workspace]"))
}

fn cache_dir(var: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    let set = |name| var(name).filter(|path| path.is_absolute());
    set("HUTONG_CACHE")
        .or_else(|| set("XDG_CACHE_HOME").map(|dir| dir.join("hutong")))
        .or_else(|| set("LOCALAPPDATA").map(|dir| dir.join("hutong")))
        .or_else(|| set("HOME").map(|dir| dir.join(".cache").join("hutong")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_root_is_found_from_a_subdirectory() {
        let project = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = workspace_root(&project.join("src")).unwrap();
        assert!(root.join("crates/protocol").is_dir());
    }

    #[test]
    fn hutong_cache_takes_precedence_over_platform_variables() {
        let vars = |name: &str| match name {
            "HUTONG_CACHE" => Some(PathBuf::from("/c")),
            "HOME" => Some(PathBuf::from("/home/x")),
            _ => None,
        };
        assert_eq!(cache_dir(vars), Some(PathBuf::from("/c")));
        let home = |name: &str| (name == "HOME").then(|| PathBuf::from("/home/x"));
        assert_eq!(cache_dir(home), Some(PathBuf::from("/home/x/.cache/hutong")));
        assert_eq!(cache_dir(|_| None), None);
    }

    #[test]
    fn a_relative_cache_path_is_ignored() {
        assert_eq!(cache_dir(|name| (name == "HUTONG_CACHE").then(|| PathBuf::from("c"))), None);
    }
}
