//! Checks of packages and of other platforms, run by `cargo xtask check-platforms`,
//! `lint-packaging`, `check-dependencies`, `install-test` and `test`.

mod package;
mod platforms;
mod problems;

use std::env;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, bail};
use xtask::exec::status;
use xtask::project::Project;

use package::{dependencies, install_test, lint};
use problems::run;

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    match check(&args.iter().map(String::as_str).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            status(format!("failed: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn check(args: &[&str]) -> Result<()> {
    let project = Project::find()?;
    match args {
        // Type checks first: they find the most important problems.
        ["platforms"] => run(&project, platforms::SLOW.iter().chain(platforms::QUICK)),
        ["platforms", "--quick"] => run(&project, platforms::QUICK.iter()),
        ["dependencies"] => dependencies::check_always(&project),
        ["packaging"] => run(&project, lint::CHECKS.iter()),
        ["install", app, server] => install_test::run(&project, Path::new(app), Path::new(server)),
        _ => {
            bail!("expected: platforms [--quick], packaging, dependencies, or install APP.deb SERVER.deb; got {args:?}")
        }
    }
}
