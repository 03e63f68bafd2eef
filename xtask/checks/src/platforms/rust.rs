//! Type checks of the Rust code for Android and Windows.
//!
//! Nothing is linked or run, so neither Android's NDK nor Windows is needed: only the standard library of the target, and a C compiler
//! for `ring`. A separate target directory makes repeated checks fast.

use std::path::PathBuf;

use anyhow::{Context, Result};
use xtask::exec::{Cmd, status};
use xtask::packages::{self, ANDROID_C_COMPILER, RUST_WEB, SystemPackages, WINDOWS_C_COMPILER};
use xtask::project::Project;
use xtask::toolchain;

/// A target of the type check.
#[derive(Debug, Clone, Copy)]
struct CheckTarget {
    /// Target triple.
    triple: &'static str,
    /// C compiler for `ring`.
    compiler: SystemPackages,
    /// Its program, if build scripts cannot find it.
    cc: Option<&'static str>,
    /// Cargo arguments that select the crates for this target.
    crates: &'static [&'static str],
    /// Cargo argument that builds the standard library.
    std: &'static str,
}

const TARGETS: [CheckTarget; 2] = [
    CheckTarget {
        triple: "aarch64-linux-android",
        compiler: ANDROID_C_COMPILER,
        // Any compiler for the architecture will do, since its output is not used.
        cc: Some("aarch64-linux-gnu-gcc"),
        crates: &["--lib", "-p", "hutong-app"],
        std: "-Zbuild-std=std,panic_abort",
    },
    CheckTarget {
        triple: "x86_64-pc-windows-gnu",
        compiler: WINDOWS_C_COMPILER,
        cc: None,
        crates: &["--lib", "--bins", "-p", "hutong-app", "-p", "hutong-server", "-p", "xtask", "-p", "xtask-web"],
        std: "-Zbuild-std=std,panic_abort,panic_unwind",
    },
];

/// Type-checks the crates for Android and Windows, with warnings as errors.
///
/// # Errors
///
/// The code does not type-check, or the toolchain is incomplete.
pub fn check(project: &Project) -> Result<()> {
    for target in TARGETS {
        target.check(project).with_context(|| format!("the Rust code does not type-check for {}", target.triple))?;
    }
    Ok(())
}

/// Source of the standard library of a target.
#[derive(Debug, Clone, Copy)]
enum StdSource {
    /// Installed with the installed Rust.
    Installed,
    /// Built from Debian's source package.
    Debian,
}

impl CheckTarget {
    fn check(&self, project: &Project) -> Result<()> {
        self.compiler.ensure(&format!("type-checking for {}", self.triple))?;
        let std_source = self.std_source(project)?;
        status(format!("type-checking for {} (a few minutes the first time)", self.triple));
        let mut cargo = match std_source {
            StdSource::Installed => Cmd::new("cargo").arg("check"),
            StdSource::Debian => toolchain::debian_cargo().arg("check").arg(self.std),
        };
        if let Some(cc) = self.cc {
            cargo = cargo.env(format!("CC_{}", self.triple.replace('-', "_")), cc);
        }
        cargo
            .args(["--quiet", "--target", self.triple])
            .args(self.crates)
            // Applies to the workspace's crates only: cargo caps the lints of dependencies.
            .env(self.variable("RUSTFLAGS"), "-Dwarnings")
            .env("CARGO_TARGET_DIR", target_dir(project, std_source))
            .dir(&project.root)
            .run()
    }

    fn std_source(&self, project: &Project) -> Result<StdSource> {
        if self.is_installed(project) {
            return Ok(StdSource::Installed);
        }
        match toolchain::rustup_target_add(self.triple) {
            Ok(()) if self.is_installed(project) => return Ok(StdSource::Installed),
            Ok(()) => status(format!("rustup has {}, but compiling with it fails", self.triple)),
            Err(error) => status(format!("rustup cannot add {}: {error:#}", self.triple)),
        }
        if !packages::is_debian() {
            anyhow::bail!("the standard library of the target is missing; run: rustup target add {}", self.triple);
        }
        RUST_WEB.ensure(&format!("Rust's standard library for {}", self.triple))?;
        Ok(StdSource::Debian)
    }

    fn is_installed(&self, project: &Project) -> bool {
        toolchain::probe_compiles(&project.target, "pub fn text() -> String { String::new() }", |dir| {
            Cmd::new("rustc")
                .args(["--crate-type", "lib", "--emit", "metadata", "--target", self.triple, "--out-dir"])
                .arg(dir)
        })
    }

    /// Name of a variable that cargo reads for this target only.
    fn variable(&self, key: &str) -> String {
        format!("CARGO_TARGET_{}_{key}", self.triple.replace('-', "_").to_uppercase())
    }
}

/// Target directory; separate for each compiler.
fn target_dir(project: &Project, std_source: StdSource) -> PathBuf {
    project.target.join("platforms").join(match std_source {
        StdSource::Installed => "installed",
        StdSource::Debian => "debian",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_apply_to_one_target() {
        assert_eq!(TARGETS[0].variable("RUSTFLAGS"), "CARGO_TARGET_AARCH64_LINUX_ANDROID_RUSTFLAGS");
        assert_eq!(TARGETS[1].variable("RUSTFLAGS"), "CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUSTFLAGS");
    }
}
