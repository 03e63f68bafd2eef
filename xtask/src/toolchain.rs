//! A Rust that compiles to wasm32-unknown-unknown: the one at hand, else rustup's target, else Debian's packages.

use std::env;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::exec::{Cmd, find, say};
use crate::packages::{self, RUST_WEB, RUST_WEB_CLIPPY};
use crate::project::Project;

/// The target that browsers run.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// Where cargo reads the flags for rustc of the wasm side alone.
const FLAGS: &str = "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS";

/// Where Debian's rustc-web and cargo-web put their programs.
const DEBIAN_BIN: &str = "/usr/bin";

/// Cargo leaves bitcode out of what it builds without link-time optimisation; the web app, built with it, needs it.
const STD_FLAGS: &str = "-Cembed-bitcode=yes";

/// How wasm is compiled here.
#[derive(Debug, Clone)]
pub enum WasmToolchain {
    /// The Rust at hand has the target's standard library.
    Installed,
    /// Debian's rustc-web, with a standard library built by us into a directory of our own.
    Debian {
        /// Passed to rustc as `--sysroot` for the wasm side of a build.
        sysroot: PathBuf,
    },
}

impl WasmToolchain {
    /// Finds a way that works, preparing one where needed.
    ///
    /// `HUTONG_WASM_TOOLCHAIN` names the only way to try: `installed`, `rustup` or `debian`.
    pub fn ensure(project: &Project) -> Result<Self> {
        let only = env::var("HUTONG_WASM_TOOLCHAIN").ok();
        let may = |way: &str| only.as_deref().is_none_or(|only| only == way);
        if may("installed") && Self::Installed.works(project) {
            return Ok(Self::Installed);
        }
        if may("debian")
            && let Some(prepared) = debian_prepared(project)
        {
            return Ok(prepared);
        }
        if may("rustup") {
            match rustup_add(TARGET) {
                Ok(()) if Self::Installed.works(project) => return Ok(Self::Installed),
                Ok(()) => say("rustup says that it has the wasm target, but nothing compiles with it"),
                Err(error) => say(format!("rustup cannot add the wasm target here: {error:#}")),
            }
        }
        if may("debian") && packages::is_debian() {
            RUST_WEB.ensure("compiling to wasm")?;
            return debian_prepare(project);
        }
        bail!("nothing here compiles to {TARGET}. Install {}", RUST_WEB.elsewhere);
    }

    /// A cargo that builds for wasm; its output goes to a target directory of its own, since the compiler may differ.
    pub fn cargo(&self, project: &Project) -> Cmd {
        let command = match self {
            Self::Installed => Cmd::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into())),
            Self::Debian { sysroot } => debian_env(Cmd::new(debian("cargo")), sysroot),
        };
        command.env("CARGO_TARGET_DIR", target_dir(project)).dir(&project.root)
    }

    /// The same, with these flags for rustc besides its own.
    pub fn cargo_with(&self, project: &Project, flags: &str) -> Cmd {
        let flags = match self {
            Self::Installed => flags.to_owned(),
            Self::Debian { sysroot } => format!("{} {flags}", debian_flags(sysroot)),
        };
        self.cargo(project).env(FLAGS, flags)
    }

    /// `cargo clippy` of the same Rust.
    pub fn clippy(&self, project: &Project) -> Result<Cmd> {
        let Self::Debian { sysroot } = self else { return Ok(self.cargo(project).arg("clippy")) };
        RUST_WEB_CLIPPY.ensure("clippy for wasm")?;
        // By its own path: asked for `clippy`, any cargo would find the one of rustup first.
        let command = debian_env(Cmd::new(debian("cargo-clippy")).arg("clippy"), sysroot);
        Ok(command.env("CARGO", debian("cargo")).env("CARGO_TARGET_DIR", target_dir(project)).dir(&project.root))
    }

    /// In a few words, for the log.
    pub fn describe(&self) -> String {
        match self {
            Self::Installed => "the installed Rust".to_owned(),
            Self::Debian { sysroot } => format!("Debian's rustc-web with the library in {}", sysroot.display()),
        }
    }

    fn works(&self, project: &Project) -> bool {
        let source = "fn main() { println!(\"{:?}\", std::env::args().collect::<Vec<_>>()); }";
        compiles(&target_dir(project), source, |dir| {
            let command = match self {
                Self::Installed => Cmd::new("rustc"),
                Self::Debian { sysroot } => Cmd::new(debian("rustc")).arg("--sysroot").arg(sysroot),
            };
            command.args(["--target", TARGET, "-o"]).arg(dir.join("probe.wasm"))
        })
    }
}

/// Whether this compiles, tried in a directory below `within` that is gone afterwards: a target that is only half installed shows
/// itself here and not later. `rustc` is given that directory, and lacks the source's file alone.
pub fn compiles(within: &Path, source: &str, rustc: impl FnOnce(&Path) -> Cmd) -> bool {
    let dir = within.join(format!("probe-{}", std::process::id()));
    let compile = || -> Result<()> {
        fs::create_dir_all(&dir)?;
        let file = dir.join("probe.rs");
        fs::write(&file, source)?;
        rustc(&dir).arg(&file).output().map(drop)
    };
    let compiles = compile().is_ok();
    let _ = fs::remove_dir_all(&dir);
    compiles
}

/// The compiler that clippy is.
pub fn clippy_driver() -> Result<PathBuf> {
    find("clippy-driver").context("there is no clippy here; with rustup: rustup component add clippy")
}

/// Debian's cargo, for a build that makes its own standard library (`-Zbuild-std`) with Debian's compiler.
pub fn debian_cargo() -> Cmd {
    debian_rust(Cmd::new(debian("cargo"))).env("RUSTC_BOOTSTRAP", "1")
}

/// Where wasm builds go.
pub fn target_dir(project: &Project) -> PathBuf {
    project.target.join("wasm")
}

/// Has rustup add the standard library of a target, where rustup is there and its server is reached.
pub fn rustup_add(target: &str) -> Result<()> {
    if find("rustup").is_none() {
        bail!("rustup is not installed");
    }
    let is_direct = ["RUSTUP_DIST_SERVER", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]
        .iter()
        .all(|name| env::var_os(name).is_none());
    if is_direct && !reachable("static.rust-lang.org:443") {
        bail!("static.rust-lang.org cannot be reached");
    }
    say(format!("rustup target add {target}"));
    Cmd::new("rustup")
        .args(["target", "add", target])
        .env("RUSTUP_MAX_RETRIES", "1")
        .run_within(Duration::from_secs(180))
}

/// Whether a connection opens soon; rustup itself would wait for minutes where packets are dropped.
fn reachable(address: &str) -> bool {
    let Ok(mut addresses) = address.to_socket_addrs() else { return false };
    addresses.any(|address| TcpStream::connect_timeout(&address, Duration::from_secs(3)).is_ok())
}

fn debian(program: &str) -> PathBuf {
    Path::new(DEBIAN_BIN).join(program)
}

/// Debian's programs, undisturbed by a rustup toolchain that started us. The flag reaches the wasm side alone: build
/// scripts and macros, compiled for the host, keep Debian's own library.
fn debian_env(command: Cmd, sysroot: &Path) -> Cmd {
    debian_rust(command).env(FLAGS, debian_flags(sysroot))
}

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

fn debian_prepared(project: &Project) -> Option<WasmToolchain> {
    let sysroot = debian_sysroot(project).ok()?;
    let toolchain = WasmToolchain::Debian { sysroot };
    toolchain.works(project).then_some(toolchain)
}

/// A library fits one compiler only, so its directory is named after everything that the compiler says about itself, and
/// after the flags.
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

fn debian_prepare(project: &Project) -> Result<WasmToolchain> {
    let sysroot = debian_sysroot(project)?;
    say("building Rust's standard library for wasm, once (about a minute)");
    let work = project.cache.join(format!("std-build-{}", std::process::id()));
    let built = build_std(&work, &sysroot);
    let _ = fs::remove_dir_all(&work);
    built.context("cannot build the standard library for wasm")?;
    let toolchain = WasmToolchain::Debian { sysroot };
    if !toolchain.works(project) {
        bail!("the standard library for wasm was built, but nothing links with it; is the package lld-22 complete?");
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
    let place = staged.join("lib/rustlib").join(TARGET).join("lib");
    fs::create_dir_all(&place)?;
    for entry in fs::read_dir(&libraries)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.ends_with(".rlib") && !name.starts_with("libempty-") {
            fs::copy(&path, place.join(name))?;
        }
    }
    // In one step, so that an interrupted build never leaves half a library behind.
    fs::create_dir_all(sysroot.parent().context("a cache directory at the root")?)?;
    let _ = fs::remove_dir_all(sysroot);
    fs::rename(&staged, sysroot)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_compiler_gets_another_library() {
        let one = sysroot_name("rustc 1.96.0\nrelease: 1.96.0\nLLVM version: 22.1.2\n");
        let two = sysroot_name("rustc 1.96.0\nrelease: 1.96.0\nLLVM version: 22.1.8\n");
        assert!(one.starts_with("1.96.0-") && two.starts_with("1.96.0-"));
        assert_ne!(one, two);
    }

    #[test]
    fn an_address_that_answers_nothing_is_soon_unreachable() {
        // Port 1 on loopback: refused at once.
        assert!(!reachable("127.0.0.1:1"));
    }
}
