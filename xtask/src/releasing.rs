//! Packages: the server's, a trial of both, and the checks of what is published with them.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use xtask::exec::{Cmd, say};
use xtask::packages::Need;
use xtask::project::Project;
use xtask::tools;

use crate::{cargo, tauri, version};

/// Makes the package of what cargo builds.
const CARGO_DEB: &str = "3.8.0";

/// dpkg-shlibdeps finds the libraries that the program needs.
const DEB_TOOLS: Need = Need { debian: &[("dpkg-dev", &["dpkg-shlibdeps"])], elsewhere: "dpkg-dev" };

/// `cargo xtask server-deb`: builds the web app and the server, and packs them with the systemd unit; gives the package's path and
/// prints it. What is in it is said in crates/server/Cargo.toml, below `[package.metadata.deb]`.
///
/// # Errors
///
/// Where something of it cannot be built, or where the web app is not in it.
pub fn server_deb(project: &Project) -> Result<PathBuf> {
    DEB_TOOLS.ensure("making a Debian package")?;
    cargo::web_app(project, true, &project.dist()).run()?;
    say("building the server");
    cargo::host(project).args(["build", "--release", "--package", "hutong-server"]).run()?;
    let cargo_deb = tools::cargo_install(project, "cargo-deb", CARGO_DEB, "cargo-deb", &["--locked"])?;
    let package = server_package(project)?;
    Cmd::new(cargo_deb)
        .args(["deb", "--no-build", "--package", "hutong-server", "--output"])
        .arg(&package)
        .dir(&project.root)
        .run()?;
    ensure!(package.is_file(), "cargo-deb made no {}", package.display());
    println!("{}", package.display());
    Ok(package)
}

/// `cargo xtask install-test`: tries both packages in a fresh Debian, which are built first unless they are there.
///
/// # Errors
///
/// The first thing that is not as it should be.
pub fn install_test(project: &Project, are_built: bool) -> Result<()> {
    if !are_built {
        tauri::build(project, &["--bundles", "deb"])?;
        server_deb(project)?;
    }
    cargo::checks(project).arg("install").args([app_package(project)?, server_package(project)?]).run()
}

/// `cargo xtask lint-packaging`.
///
/// # Errors
///
/// Everything that is wrong.
pub fn lint(project: &Project) -> Result<()> {
    version::check(project, None)?;
    cargo::checks(project).arg("packaging").run()
}

/// Where `cargo tauri build` puts the app's package.
fn app_package(project: &Project) -> Result<PathBuf> {
    let name = format!("Hutong_{}_{}.deb", version::of(project)?, architecture()?);
    Ok(project.target.join("release/bundle/deb").join(name))
}

fn server_package(project: &Project) -> Result<PathBuf> {
    let name = format!("hutong-server_{}_{}.deb", version::of(project)?, architecture()?);
    Ok(project.target.join("release/bundle/server").join(name))
}

/// Debian's name of the processor that is built for.
fn architecture() -> Result<&'static str> {
    match std::env::consts::ARCH {
        "x86_64" => Some("amd64"),
        "aarch64" => Some("arm64"),
        _ => None,
    }
    .context("packages are made for x86_64 and aarch64 alone")
}
