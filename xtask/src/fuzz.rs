//! `cargo xtask fuzz`: runs the libFuzzer targets in `fuzz/` on the stable toolchain.
//!
//! `cargo-fuzz` requires nightly, for sanitizers. The project has no unsafe code to sanitize, and stable rustc has the coverage
//! instrumentation that libFuzzer needs.

use std::fs;

use anyhow::{Context, Result, bail};
use xtask::exec::{Cmd, status};
use xtask::packages::FUZZING;
use xtask::project::Project;

use crate::cargo;

/// Fuzz targets: programs, and directories in `fuzz/corpus`.
const TARGETS: [&str; 8] = ["decode", "ice", "names", "registry", "relay", "rtcp", "rtp", "turn_stream"];

/// rustc flags of `cargo-fuzz`, without those for nightly.
const COVERAGE_FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table -Ccodegen-units=1";

/// Size limit of an input in bytes: larger messages and longer sequences find nothing more.
const MAX_LENGTH: &str = "-max_len=1200";

/// Seconds for one input, beyond which it counts as a finding.
const TIMEOUT: &str = "-timeout=10";

/// Fuzzes one target or all of them for `seconds` each, starting with the committed corpus and the findings of earlier runs.
///
/// # Errors
///
/// The target is unknown, cannot be built, or an input breaks it.
pub fn run(project: &Project, only: Option<&str>, seconds: u32) -> Result<()> {
    let targets: Vec<&str> = TARGETS.into_iter().filter(|target| only.is_none_or(|only| only == *target)).collect();
    if targets.is_empty() {
        bail!("unknown fuzz target; the targets are {}", TARGETS.join(", "));
    }
    FUZZING.ensure("fuzzing")?;
    let target_dir = project.target.join("fuzz");
    let host = host_triple()?;
    // With an explicit target, build scripts and macros are not instrumented.
    cargo::host(project)
        .args(["build", "--release", "--manifest-path", "fuzz/Cargo.toml", "--target", &host])
        .env("RUSTFLAGS", COVERAGE_FLAGS)
        .env("CARGO_TARGET_DIR", &target_dir)
        .run()?;
    for target in targets {
        status(format!("fuzzing {target} for {seconds} s"));
        let corpus = target_dir.join("corpus").join(target);
        let artifacts = project.root.join("fuzz/artifacts").join(target);
        for directory in [&corpus, &artifacts] {
            fs::create_dir_all(directory).with_context(|| format!("cannot create {}", directory.display()))?;
        }
        let program = target_dir.join(&host).join("release").join(format!("{target}{}", std::env::consts::EXE_SUFFIX));
        let result = Cmd::new(program)
            .arg(format!("-max_total_time={seconds}"))
            .args([MAX_LENGTH, TIMEOUT, "-print_final_stats=1", "-verbosity=0"])
            .arg(format!("-artifact_prefix={}/", artifacts.display()))
            .arg(&corpus)
            .arg(project.root.join("fuzz/corpus").join(target))
            .run();
        result.with_context(|| {
            format!(
                "fuzz target {target} failed; the input is in {}: run the program with its path to reproduce",
                artifacts.display()
            )
        })?;
    }
    Ok(())
}

/// Target triple of this machine.
fn host_triple() -> Result<String> {
    let version = Cmd::new("rustc").arg("-vV").output()?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("the output of rustc -vV has no host line")?.to_owned())
}
