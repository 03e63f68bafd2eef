//! Tools that are not crates of ours, installed into the cache and never into the system.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::exec::{Cmd, find, say};
use crate::packages;
use crate::project::Project;

/// Binaryen, for wasm-opt.
const BINARYEN: &str = "132.0.0";

/// Distributions carry versions from before what rustc emits today; from here on an installed one is good.
const OLDEST_WASM_OPT: u32 = 120;

/// A command that runs wasm-opt.
pub fn wasm_opt(project: &Project) -> Result<Cmd> {
    let installed = Cmd::new("wasm-opt").arg("--version").output().ok();
    if installed.as_deref().and_then(major).is_some_and(|major| major >= OLDEST_WASM_OPT) {
        return Ok(Cmd::new("wasm-opt"));
    }
    let package = npm(project, "binaryen", BINARYEN, "making the wasm small")?;
    Ok(Cmd::new("node").arg(package.join("bin/wasm-opt")))
}

/// The directory of an npm package, installed into the cache when it is not there yet.
pub fn npm(project: &Project, package: &str, version: &str, why: &str) -> Result<PathBuf> {
    packages::ensure_npm(why)?;
    let prefix = project.cache.join("npm").join(format!("{}-{version}", package.replace(['@', '/'], "_")));
    let place = prefix.join("node_modules").join(package);
    let done = prefix.join("installed");
    if done.is_file() {
        return Ok(place);
    }
    say(format!("installing {package} {version} from npm, for {why}"));
    fs::create_dir_all(&prefix).with_context(|| format!("cannot write to {}", prefix.display()))?;
    Cmd::new(if cfg!(windows) { "npm.cmd" } else { "npm" })
        .args(["install", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error", "--prefix"])
        .arg(&prefix)
        .arg(format!("{package}@{version}"))
        .run()?;
    fs::write(&done, "")?;
    Ok(place)
}

/// The program that runs wasm tests in a browser, of the same version as wasm-bindgen.
pub fn wasm_test_runner(project: &Project, version: &str) -> Result<PathBuf> {
    // Without TLS, which it would need for remote browsers only: that halves the time.
    cargo_install(project, "wasm-bindgen-cli", version, "wasm-bindgen-test-runner", &["--no-default-features"])
}

/// A program of a crate, built without optimisation into the cache when it is not there yet.
pub fn cargo_install(project: &Project, krate: &str, version: &str, program: &str, flags: &[&str]) -> Result<PathBuf> {
    let root = project.cache.join("cargo").join(format!("{krate}-{version}"));
    let place = root.join("bin").join(format!("{program}{}", std::env::consts::EXE_SUFFIX));
    if place.is_file() {
        return Ok(place);
    }
    say(format!("building {program} {version} from crates.io, once (one or two minutes)"));
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
    Ok(place)
}

/// Where a browser's driver stands.
pub fn chromedriver() -> Result<PathBuf> {
    find("chromedriver").context("there is no chromedriver in PATH; it comes with Chromium or Chrome")
}

/// The first number of `wasm-opt version 132 (...)` or `tauri-cli 2.12.5`.
pub fn major(version: &str) -> Option<u32> {
    version.split_whitespace().find_map(|word| word.split('.').next()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_number_of_a_version_is_read() {
        assert_eq!(major("wasm-opt version 132 (version_132)\n"), Some(132));
        assert_eq!(major("tauri-cli 2.12.5"), Some(2));
        assert_eq!(major("wasm-opt"), None);
        assert_eq!(major(""), None);
    }
}
