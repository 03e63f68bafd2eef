//! `cargo xtask server-deb`: the server with its systemd unit, as a Debian package. What is in it is said in
//! crates/server/Cargo.toml, below `[package.metadata.deb]`.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use super::version;
use crate::exec::{Cmd, say};
use crate::packages::Need;
use crate::project::Project;
use crate::test::host_cargo;
use crate::toolchain::WasmToolchain;
use crate::{tools, ui};

/// Makes the package of what cargo builds.
const CARGO_DEB: &str = "3.8.0";

/// dpkg-shlibdeps finds the libraries that the program needs.
const DEB_TOOLS: Need = Need { debian: &[("dpkg-dev", &["dpkg-shlibdeps"])], elsewhere: "dpkg-dev" };

/// Builds the web app and the server, and packs them; gives the package's path and prints it.
///
/// # Errors
///
/// Where something of it cannot be built, or where the web app is not in it.
pub fn build(project: &Project) -> Result<PathBuf> {
    DEB_TOOLS.ensure("making a Debian package")?;
    let options = ui::Options { release: true, out: project.dist() };
    ui::build(project, &WasmToolchain::ensure(project)?, &options)?;
    say("building the server");
    host_cargo(project).args(["build", "--release", "--package", "hutong-server"]).run()?;
    let cargo_deb = tools::cargo_install(project, "cargo-deb", CARGO_DEB, "cargo-deb", &["--locked"])?;
    let package = path(project)?;
    Cmd::new(cargo_deb)
        .args(["deb", "--no-build", "--package", "hutong-server", "--output"])
        .arg(&package)
        .dir(&project.root)
        .run()?;
    ensure!(package.is_file(), "cargo-deb made no {}", package.display());
    println!("{}", package.display());
    Ok(package)
}

/// Where the package is put: `target/release/bundle/server/hutong-server_VERSION_ARCH.deb`.
pub fn path(project: &Project) -> Result<PathBuf> {
    let name = format!("hutong-server_{}_{}.deb", version::of(project)?, architecture()?);
    Ok(project.target.join("release/bundle/server").join(name))
}

/// Debian's name of the processor that is built for.
pub fn architecture() -> Result<&'static str> {
    match std::env::consts::ARCH {
        "x86_64" => Some("amd64"),
        "aarch64" => Some("arm64"),
        _ => None,
    }
    .context("packages are made for x86_64 and aarch64 alone")
}
