//! External tools, installed into the cache and never into the system.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::exec::{Cmd, find_in_path, status};
use crate::packages;
use crate::project::Project;

/// Version of Binaryen on npm, for `wasm-opt`.
const BINARYEN: &str = "132.0.0";

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
    let package = npm(project, "binaryen", BINARYEN, "optimizing wasm")?;
    Ok(Cmd::new("node").arg(package.join("bin/wasm-opt")))
}

/// Installs an npm package into the cache if needed, and returns its directory.
///
/// # Errors
///
/// npm is missing, or the installation fails.
pub fn npm(project: &Project, package: &str, version: &str, purpose: &str) -> Result<PathBuf> {
    packages::ensure_npm(purpose)?;
    let prefix = project.cache.join("npm").join(format!("{}-{version}", package.replace(['@', '/'], "_")));
    let directory = prefix.join("node_modules").join(package);
    let done = prefix.join("installed");
    if done.is_file() {
        return Ok(directory);
    }
    status(format!("installing {package} {version} from npm for {purpose}"));
    fs::create_dir_all(&prefix).with_context(|| format!("cannot write to {}", prefix.display()))?;
    Cmd::new(if cfg!(windows) { "npm.cmd" } else { "npm" })
        .args(["install", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error", "--prefix"])
        .arg(&prefix)
        .arg(format!("{package}@{version}"))
        .run()?;
    fs::write(&done, "")?;
    Ok(directory)
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
    let root = project.cache.join("cargo").join(format!("{krate}-{version}"));
    let path = root.join("bin").join(format!("{program}{}", std::env::consts::EXE_SUFFIX));
    if path.is_file() {
        return Ok(path);
    }
    status(format!("building {program} {version} from crates.io (once, one or two minutes)"));
    Cmd::new("cargo")
        .args(["install", "--quiet", "--debug", krate, "--version", version, "--bin", program])
        .args(flags)
        .arg("--root")
        .arg(&root)
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .env_remove("CARGO_TARGET_DIR")
        .env_remove("RUSTFLAGS")
        .dir(std::env::temp_dir())
        .run()?;
    Ok(path)
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
    fn the_major_version_is_parsed() {
        assert_eq!(major("wasm-opt version 132 (version_132)\n"), Some(132));
        assert_eq!(major("tauri-cli 2.12.5"), Some(2));
        assert_eq!(major("wasm-opt"), None);
        assert_eq!(major(""), None);
    }
}
