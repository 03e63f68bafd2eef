//! `cargo xtask fuzz`: libFuzzer with what is in `fuzz/`, on the toolchain that builds everything else.
//!
//! cargo-fuzz would want a nightly one, for its sanitizers. There is no unsafe code of ours for them to watch; what the fuzzer needs to
//! find its way, counters in every branch, is to be had from any rustc.

use std::fs;

use anyhow::{Context, Result, bail};
use xtask::exec::{Cmd, say};
use xtask::packages::FUZZING;
use xtask::project::Project;

use crate::cargo;

/// Its programs, and the directories in `fuzz/corpus`.
const TARGETS: [&str; 3] = ["decode", "names", "registry"];

/// What cargo-fuzz gives rustc, without what needs a nightly one.
const INSTRUMENTED: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table -Ccodegen-units=1";

/// Bytes of an input: a message that is larger, or more steps than the registry's target takes, finds nothing else.
const LONGEST: &str = "-max_len=1200";

/// An input that takes this many seconds is a finding.
const SLOWEST: &str = "-timeout=10";

/// Fuzzes one target or all, each for so many seconds, beginning with the committed corpus and with what earlier runs have found.
pub fn run(project: &Project, only: Option<&str>, seconds: u32) -> Result<()> {
    let targets: Vec<&str> = TARGETS.into_iter().filter(|target| only.is_none_or(|only| only == *target)).collect();
    if targets.is_empty() {
        bail!("there is no such target; there are {}", TARGETS.join(", "));
    }
    FUZZING.ensure("fuzzing")?;
    let built = project.target.join("fuzz");
    let host = host()?;
    // With a target named, what runs while building (build scripts, macros) is not instrumented.
    cargo::host(project)
        .args(["build", "--release", "--manifest-path", "fuzz/Cargo.toml", "--target", &host])
        .env("RUSTFLAGS", INSTRUMENTED)
        .env("CARGO_TARGET_DIR", &built)
        .run()?;
    for target in targets {
        say(format!("fuzzing {target} for {seconds} s"));
        let found = built.join("corpus").join(target);
        let broken = project.root.join("fuzz/artifacts").join(target);
        for directory in [&found, &broken] {
            fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
        }
        let program = built.join(&host).join("release").join(format!("{target}{}", std::env::consts::EXE_SUFFIX));
        let fuzzed = Cmd::new(program)
            .arg(format!("-max_total_time={seconds}"))
            .args([LONGEST, SLOWEST, "-print_final_stats=1", "-verbosity=0"])
            .arg(format!("-artifact_prefix={}/", broken.display()))
            .arg(&found)
            .arg(project.root.join("fuzz/corpus").join(target))
            .run();
        fuzzed.with_context(|| {
            format!(
                "{target} was broken: the input is in {}; run the program with its path to see it again",
                broken.display()
            )
        })?;
    }
    Ok(())
}

/// What this machine is called by rustc.
fn host() -> Result<String> {
    let version = Cmd::new("rustc").arg("-vV").output()?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc does not tell its host")?.to_owned())
}
