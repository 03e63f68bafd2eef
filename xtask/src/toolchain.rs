//! Rust toolchain for `wasm32-unknown-unknown`: the installed one, else with rustup's target, else Debian's packages.

use std::env;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::exec::{Cmd, find_in_path, status};
use crate::packages::{self, RUST_WEB, RUST_WEB_CLIPPY};
use crate::project::Project;

/// The target triple for browsers.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// Variable with rustc flags for the wasm target only: host builds must not get them.
const FLAGS: &str = "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS";

/// Directory of the programs of Debian's `rustc-web` and `cargo-web`.
const DEBIAN_BIN: &str = "/usr/bin";

/// The web app is built with link-time optimization, which needs bitcode; cargo omits it from libraries built without.
const STD_FLAGS: &str = "-Cembed-bitcode=yes";

/// Rust toolchain for wasm.
#[derive(Debug, Clone)]
pub enum WasmToolchain {
    /// The installed Rust has the target's standard library.
    Installed,
    /// Debian's `rustc-web`, with a standard library that xtask builds into its cache.
    Debian {
        /// rustc's `--sysroot` for the wasm target.
        sysroot: PathBuf,
    },
}

impl WasmToolchain {
    /// Finds a working toolchain, or installs one. `HUTONG_WASM_TOOLCHAIN` (`installed`, `rustup` or `debian`) restricts the
    /// search.
    ///
    /// # Errors
    ///
    /// No toolchain works, and none can be installed.
    pub fn ensure(project: &Project) -> Result<Self> {
        let only = env::var("HUTONG_WASM_TOOLCHAIN").ok();
        let may_try = |kind: &str| only.as_deref().is_none_or(|only| only == kind);
        if may_try("installed") && Self::Installed.works(project) {
            return Ok(Self::Installed);
        }
        if may_try("debian")
            && let Some(toolchain) = existing_debian_toolchain(project)
        {
            return Ok(toolchain);
        }
        if may_try("rustup") {
            match rustup_target_add(TARGET) {
                Ok(()) if Self::Installed.works(project) => return Ok(Self::Installed),
                Ok(()) => status("rustup has the wasm target, but compiling with it fails"),
                Err(error) => status(format!("rustup cannot add the wasm target: {error:#}")),
            }
        }
        if may_try("debian") && packages::is_debian() {
            RUST_WEB.ensure("compiling to wasm")?;
            return build_debian_toolchain(project);
        }
        bail!("no Rust toolchain for {TARGET} was found; install {}", RUST_WEB.other_systems);
    }

    /// Cargo for wasm builds. Uses a separate target directory, since the compiler may differ from the host's.
    pub fn cargo(&self, project: &Project) -> Cmd {
        let command = match self {
            Self::Installed => Cmd::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into())),
            Self::Debian { sysroot } => debian_env(Cmd::new(debian("cargo")), sysroot),
        };
        command.env("CARGO_TARGET_DIR", target_dir(project)).dir(&project.root)
    }

    /// Cargo for wasm builds with additional rustc flags.
    pub fn cargo_with_rustflags(&self, project: &Project, flags: &str) -> Cmd {
        let flags = match self {
            Self::Installed => flags.to_owned(),
            Self::Debian { sysroot } => format!("{} {flags}", debian_flags(sysroot)),
        };
        self.cargo(project).env(FLAGS, flags)
    }

    /// `cargo clippy` of this toolchain.
    ///
    /// # Errors
    ///
    /// Clippy cannot be installed.
    pub fn clippy(&self, project: &Project) -> Result<Cmd> {
        let Self::Debian { sysroot } = self else { return Ok(self.cargo(project).arg("clippy")) };
        RUST_WEB_CLIPPY.ensure("clippy for wasm")?;
        // By its path: `cargo clippy` would run rustup's.
        let command = debian_env(Cmd::new(debian("cargo-clippy")).arg("clippy"), sysroot);
        Ok(command.env("CARGO", debian("cargo")).env("CARGO_TARGET_DIR", target_dir(project)).dir(&project.root))
    }

    /// Short description for status lines.
    pub fn describe(&self) -> String {
        match self {
            Self::Installed => "the installed Rust".to_owned(),
            Self::Debian { sysroot } => {
                format!("Debian's rustc-web with the standard library in {}", sysroot.display())
            }
        }
    }

    fn works(&self, project: &Project) -> bool {
        let source = "fn main() { println!(\"{:?}\", std::env::args().collect::<Vec<_>>()); }";
        probe_compiles(&target_dir(project), source, |dir| {
            let command = match self {
                Self::Installed => Cmd::new("rustc"),
                Self::Debian { sysroot } => Cmd::new(debian("rustc")).arg("--sysroot").arg(sysroot),
            };
            command.args(["--target", TARGET, "-o"]).arg(dir.join("probe.wasm"))
        })
    }
}

/// Whether `source` compiles: detects incomplete toolchains early. `rustc` returns the command, without the source file, for a
/// temporary directory below `within`.
pub fn probe_compiles(within: &Path, source: &str, rustc: impl FnOnce(&Path) -> Cmd) -> bool {
    let dir = within.join(format!("probe-{}", std::process::id()));
    let compile = || -> Result<()> {
        fs::create_dir_all(&dir)?;
        let file = dir.join("probe.rs");
        fs::write(&file, source)?;
        rustc(&dir).arg(&file).output().map(drop)
    };
    let is_ok = compile().is_ok();
    let _ = fs::remove_dir_all(&dir);
    is_ok
}

/// Path of clippy's compiler driver.
///
/// # Errors
///
/// Clippy is not installed.
pub fn clippy_driver() -> Result<PathBuf> {
    find_in_path("clippy-driver").context("clippy is not installed; with rustup, run: rustup component add clippy")
}

/// Debian's cargo, for builds that compile the standard library (`-Zbuild-std`).
pub fn debian_cargo() -> Cmd {
    debian_rust(Cmd::new(debian("cargo"))).env("RUSTC_BOOTSTRAP", "1")
}

/// Target directory of wasm builds.
pub fn target_dir(project: &Project) -> PathBuf {
    project.target.join("wasm")
}

/// Adds the standard library of a target by rustup.
///
/// # Errors
///
/// rustup is not installed, its server cannot be reached, or it fails.
pub fn rustup_target_add(target: &str) -> Result<()> {
    if find_in_path("rustup").is_none() {
        bail!("rustup is not installed");
    }
    let is_direct = ["RUSTUP_DIST_SERVER", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]
        .iter()
        .all(|name| env::var_os(name).is_none());
    if is_direct && !reachable("static.rust-lang.org:443") {
        bail!("static.rust-lang.org cannot be reached");
    }
    status(format!("rustup target add {target}"));
    Cmd::new("rustup")
        .args(["target", "add", target])
        .env("RUSTUP_MAX_RETRIES", "1")
        .run_with_timeout(Duration::from_secs(180))
}

/// Whether a TCP connection succeeds within 3 s. rustup itself waits for minutes if packets are dropped.
fn reachable(address: &str) -> bool {
    let Ok(mut addresses) = address.to_socket_addrs() else { return false };
    addresses.any(|address| TcpStream::connect_timeout(&address, Duration::from_secs(3)).is_ok())
}

fn debian(program: &str) -> PathBuf {
    Path::new(DEBIAN_BIN).join(program)
}

/// Environment for Debian's programs with the wasm sysroot. Build scripts and macros, compiled for the host, keep Debian's standard
/// library.
fn debian_env(command: Cmd, sysroot: &Path) -> Cmd {
    debian_rust(command).env(FLAGS, debian_flags(sysroot))
}

/// Environment for Debian's programs, independent of a rustup toolchain that started xtask.
fn debian_rust(command: Cmd) -> Cmd {
    let path = env::var_os("PATH").unwrap_or_default();
    let dirs = std::iter::once(PathBuf::from(DEBIAN_BIN)).chain(env::split_paths(&path));
    let path = env::join_paths(dirs).unwrap_or(path);
    command
        .env_remove("RUSTUP_TOOLCHAIN")
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env("PATH", path)
        .env("RUSTC", debian("rustc"))
        .env("RUSTDOC", debian("rustdoc"))
}

fn debian_flags(sysroot: &Path) -> String {
    format!("--sysroot={}", sysroot.display())
}

fn existing_debian_toolchain(project: &Project) -> Option<WasmToolchain> {
    let sysroot = debian_sysroot(project).ok()?;
    let toolchain = WasmToolchain::Debian { sysroot };
    toolchain.works(project).then_some(toolchain)
}

/// Directory of the wasm standard library. Its name contains a hash of the compiler's version and the flags, since a library fits
/// one compiler only.
fn debian_sysroot(project: &Project) -> Result<PathBuf> {
    let version = Cmd::new(debian("rustc")).arg("-vV").output()?;
    Ok(project.cache.join("wasm-sysroot").join(sysroot_name(&version)))
}

fn sysroot_name(version: &str) -> String {
    let mut hasher = DefaultHasher::new();
    (version, STD_FLAGS).hash(&mut hasher);
    let release = version.lines().find_map(|line| line.strip_prefix("release: ")).unwrap_or("unknown");
    format!("{release}-{:016x}", hasher.finish())
}

fn build_debian_toolchain(project: &Project) -> Result<WasmToolchain> {
    let sysroot = debian_sysroot(project)?;
    status("building Rust's standard library for wasm (once, about a minute)");
    let work = project.cache.join(format!("std-build-{}", std::process::id()));
    let built = build_std(&work, &sysroot);
    let _ = fs::remove_dir_all(&work);
    built.context("cannot build the standard library for wasm")?;
    let toolchain = WasmToolchain::Debian { sysroot };
    if !toolchain.works(project) {
        bail!(
            "the standard library for wasm was built, but a test program does not link with it; check the package lld-22"
        );
    }
    Ok(toolchain)
}

fn build_std(work: &Path, sysroot: &Path) -> Result<()> {
    fs::create_dir_all(work.join("src"))?;
    fs::write(work.join("Cargo.toml"), "[package]\nname = \"empty\"\nversion = \"0.0.0\"\n\n[workspace]\n")?;
    fs::write(work.join("src/lib.rs"), "")?;
    debian_env(Cmd::new(debian("cargo")), sysroot)
        .env(FLAGS, STD_FLAGS)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_TARGET_DIR", work.join("target"))
        .args(["build", "--quiet", "-Zbuild-std=std,panic_abort,test", "--release", "--target", TARGET])
        .dir(work)
        .run()?;
    let libraries = work.join("target").join(TARGET).join("release/deps");
    let staged = work.join("sysroot");
    let staged_lib = staged.join("lib/rustlib").join(TARGET).join("lib");
    fs::create_dir_all(&staged_lib)?;
    for entry in fs::read_dir(&libraries)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.ends_with(".rlib") && !name.starts_with("libempty-") {
            fs::copy(&path, staged_lib.join(name))?;
        }
    }
    // Renamed at the end, so that an interrupted build leaves no incomplete library.
    fs::create_dir_all(sysroot.parent().context("the path of the wasm sysroot has no parent")?)?;
    let _ = fs::remove_dir_all(sysroot);
    fs::rename(&staged, sysroot)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_compiler_version_has_its_own_sysroot() {
        let one = sysroot_name("rustc 1.96.0\nrelease: 1.96.0\nLLVM version: 22.1.2\n");
        let two = sysroot_name("rustc 1.96.0\nrelease: 1.96.0\nLLVM version: 22.1.8\n");
        assert!(one.starts_with("1.96.0-") && two.starts_with("1.96.0-"));
        assert_ne!(one, two);
    }

    #[test]
    fn a_closed_port_is_unreachable() {
        // Port 1 on loopback refuses at once.
        assert!(!reachable("127.0.0.1:1"));
    }
}
