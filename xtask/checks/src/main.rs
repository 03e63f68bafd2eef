//! Checks of packages and of other platforms' projects. `cargo xtask check-platforms`, `lint-packaging` and `install-test` run it, and
//! so does `cargo xtask test`.

mod package;
mod platforms;
mod problems;

use std::env;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, bail};
use xtask::exec::say;
use xtask::project::Project;

use package::{install, lint};
use problems::run;

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    match check(&args.iter().map(String::as_str).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(format!("failed: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn check(args: &[&str]) -> Result<()> {
    let project = Project::find()?;
    match args {
        // The type-checks first: a build for a phone tells more than a file that is read.
        ["platforms"] => run(&project, platforms::SLOW.iter().chain(platforms::QUICK)),
        ["platforms", "--quick"] => run(&project, platforms::QUICK.iter()),
        ["packaging"] => run(&project, lint::CHECKS.iter()),
        ["install", app, server] => install::test(&project, Path::new(app), Path::new(server)),
        _ => bail!("platforms [--quick], packaging, or install APP.deb SERVER.deb, and not {args:?}"),
    }
}
