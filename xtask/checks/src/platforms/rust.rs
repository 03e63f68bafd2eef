//! Type-checks the app for systems that this machine is not.
//!
//! Nothing is linked and nothing runs, so neither Android's NDK nor Windows is needed: only the standard library of the target,
//! and a C compiler for the few files of C in `ring`. What it makes is kept in a target directory of its own; where nothing
//! changed it is done in seconds.

use std::path::PathBuf;

use anyhow::{Context, Result};
use xtask::exec::{Cmd, say};
use xtask::packages::{self, C_FOR_ANDROID, C_FOR_WINDOWS, Need, RUST_WEB};
use xtask::project::Project;
use xtask::toolchain;

/// A system that the app is type-checked for.
#[derive(Debug, Clone, Copy)]
struct Target {
    /// Rust's name of it.
    triple: &'static str,
    /// What the C in `ring` is compiled with.
    compiler: Need,
    /// The program of that, where the build scripts do not find it by themselves.
    cc: Option<&'static str>,
    /// The crates that run there, and what of them.
    crates: &'static [&'static str],
    /// The parts of the standard library, where it has to be built.
    std: &'static str,
}

const TARGETS: [Target; 2] = [
    Target {
        triple: "aarch64-linux-android",
        compiler: C_FOR_ANDROID,
        // The NDK's is not looked for: any compiler for this processor compiles what is thrown away.
        cc: Some("aarch64-linux-gnu-gcc"),
        crates: &["--lib", "-p", "hutong-app"],
        std: "-Zbuild-std=std,panic_abort",
    },
    Target {
        triple: "x86_64-pc-windows-gnu",
        compiler: C_FOR_WINDOWS,
        cc: None,
        crates: &["--lib", "--bins", "-p", "hutong-app", "-p", "hutong-server", "-p", "xtask", "-p", "xtask-web"],
        std: "-Zbuild-std=std,panic_abort,panic_unwind",
    },
];

/// Type-checks the Rust of the app, and of what else runs there, for Android and Windows, with warnings as errors.
pub fn check(project: &Project) -> Result<()> {
    for target in TARGETS {
        target.check(project).with_context(|| format!("the Rust code does not type-check for {}", target.triple))?;
    }
    Ok(())
}

/// Which Rust has, or builds, the standard library of a target.
#[derive(Debug, Clone, Copy)]
enum Library {
    /// The one at hand has it.
    Installed,
    /// Debian's builds it, from its own sources.
    Debian,
}

impl Target {
    fn check(&self, project: &Project) -> Result<()> {
        self.compiler.ensure(&format!("type-checking for {}", self.triple))?;
        let library = self.library(project)?;
        say(format!("type-checking for {} (some minutes the first time)", self.triple));
        let mut cargo = match library {
            Library::Installed => Cmd::new("cargo").arg("check"),
            Library::Debian => toolchain::debian_cargo().arg("check").arg(self.std),
        };
        if let Some(cc) = self.cc {
            cargo = cargo.env(format!("CC_{}", self.triple.replace('-', "_")), cc);
        }
        cargo
            .args(["--quiet", "--target", self.triple])
            .args(self.crates)
            // Of the workspace's own crates alone: cargo lets no others warn.
            .env(self.variable("RUSTFLAGS"), "-Dwarnings")
            .env("CARGO_TARGET_DIR", directory(project, library))
            .dir(&project.root)
            .run()
    }

    fn library(&self, project: &Project) -> Result<Library> {
        if self.is_installed(project) {
            return Ok(Library::Installed);
        }
        match toolchain::rustup_add(self.triple) {
            Ok(()) if self.is_installed(project) => return Ok(Library::Installed),
            Ok(()) => say(format!("rustup says that it has {}, but nothing compiles with it", self.triple)),
            Err(error) => say(format!("rustup cannot add {} here: {error:#}", self.triple)),
        }
        if !packages::is_debian() {
            anyhow::bail!("nothing here has Rust's library for it; `rustup target add {}` brings it", self.triple);
        }
        RUST_WEB.ensure(&format!("Rust's library for {}", self.triple))?;
        Ok(Library::Debian)
    }

    fn is_installed(&self, project: &Project) -> bool {
        toolchain::compiles(&project.target, "pub fn text() -> String { String::new() }", |dir| {
            Cmd::new("rustc")
                .args(["--crate-type", "lib", "--emit", "metadata", "--target", self.triple, "--out-dir"])
                .arg(dir)
        })
    }

    /// The name of a variable that cargo reads for this target alone.
    fn variable(&self, what: &str) -> String {
        format!("CARGO_TARGET_{}_{what}", self.triple.replace('-', "_").to_uppercase())
    }
}

/// Two compilers do not share their output.
fn directory(project: &Project, library: Library) -> PathBuf {
    project.target.join("platforms").join(match library {
        Library::Installed => "installed",
        Library::Debian => "debian",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_and_build_scripts_read_what_is_meant_for_the_target() {
        assert_eq!(TARGETS[0].variable("RUSTFLAGS"), "CARGO_TARGET_AARCH64_LINUX_ANDROID_RUSTFLAGS");
        assert_eq!(TARGETS[1].variable("RUSTFLAGS"), "CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUSTFLAGS");
    }
}
