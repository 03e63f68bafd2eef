//! Commands for packages: building, test installation, and checks of what is published.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use xtask::exec::{Cmd, status};
use xtask::packages::SystemPackages;
use xtask::project::Project;
use xtask::tools;
use xtask::web_app::WebAppBuild;

use crate::{cargo, tauri, version};

/// Version of `cargo-deb`, which builds the server's package.
const CARGO_DEB: &str = "3.8.0";

/// Tools that `cargo-deb` needs to find the dependencies of the program.
const DEB_TOOLS: SystemPackages =
    SystemPackages { debian: &[("dpkg-dev", &["dpkg-shlibdeps"])], other_systems: "dpkg-dev" };

/// `cargo xtask server-deb`: builds the server's Debian package, and prints and returns its path. Its content is configured in
/// `crates/server/Cargo.toml`, `[package.metadata.deb]`.
pub fn server_deb(project: &Project) -> Result<PathBuf> {
    DEB_TOOLS.ensure("building a Debian package")?;
    cargo::web_app(project, Some(WebAppBuild::Browser), true).run()?;
    status("building the server");
    cargo::host(project).args(["build", "--release", "--package", "hutong-server"]).run()?;
    let cargo_deb = tools::cargo_install(project, "cargo-deb", CARGO_DEB, "cargo-deb", &["--locked"])?;
    let package = server_package(project)?;
    Cmd::new(cargo_deb)
        .args(["deb", "--no-build", "--package", "hutong-server", "--output"])
        .arg(&package)
        .dir(&project.root)
        .run()?;
    ensure!(package.is_file(), "cargo-deb created no {}", package.display());
    println!("{}", package.display());
    Ok(package)
}

/// `cargo xtask install-test`: installs both packages in a fresh Debian, after building them unless `are_built`.
///
/// # Errors
///
/// A package cannot be built, or its test fails.
pub fn install_test(project: &Project, are_built: bool) -> Result<()> {
    if !are_built {
        tauri::build(project, &["--bundles", "deb"])?;
        server_deb(project)?;
    }
    cargo::checks(project).arg("install").args([app_package(project)?, server_package(project)?]).run()
}

/// `cargo xtask lint-packaging`.
pub fn lint(project: &Project) -> Result<()> {
    version::check(project, None)?;
    cargo::checks(project).arg("packaging").run()
}

/// Path of the app's package, as `cargo tauri build` names it.
fn app_package(project: &Project) -> Result<PathBuf> {
    let name = format!("Hutong_{}_{}.deb", version::workspace_version(project)?, architecture()?);
    Ok(project.target.join("release/bundle/deb").join(name))
}

fn server_package(project: &Project) -> Result<PathBuf> {
    let name = format!("hutong-server_{}_{}.deb", version::workspace_version(project)?, architecture()?);
    Ok(project.target.join("release/bundle/server").join(name))
}

/// Debian's name of this machine's architecture.
fn architecture() -> Result<&'static str> {
    match std::env::consts::ARCH {
        "x86_64" => Some("amd64"),
        "aarch64" => Some("arm64"),
        _ => None,
    }
    .context("packages are built on x86_64 and aarch64 only")
}
