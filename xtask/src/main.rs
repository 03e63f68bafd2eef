//! The project's own commands; `cargo xtask help` tells them.

mod bench;
mod built;
mod cargo;
mod cli;
mod fuzz;
mod links;
mod releasing;
mod run;
mod steps;
mod tally;
mod tauri;
mod test;
mod version;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::ArgMatches;
use xtask::exec::say;
use xtask::project::Project;

use run::What;
use steps::StepsFailed;

fn main() -> ExitCode {
    match dispatch(&cli::command().get_matches()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if !error.is::<StepsFailed>() {
                say(format!("failed: {error:#}"));
            }
            ExitCode::FAILURE
        }
    }
}

fn dispatch(matches: &ArgMatches) -> Result<()> {
    let project = Project::find()?;
    links::mend(&project)?;
    let Some((name, given)) = matches.subcommand() else { bail!("clap demands a command") };
    let flag = |name: &str| given.get_flag(name);
    let text = |name: &str| given.get_one::<String>(name).map(String::as_str);
    match name {
        "run" => {
            let what = if flag("server") { What::Server } else { What::for_this_machine() };
            run::run(&project, what, text("listen").unwrap_or_default(), flag("release"))
        }
        "test" => test::all(&project, flag("full")),
        "ui" => {
            let out = given.get_one::<PathBuf>("out").map(std::path::absolute).transpose()?;
            let watch = flag("watch").then_some("--watch");
            cargo::web_app(&project, flag("release"), &out.unwrap_or_else(|| project.dist())).args(watch).become_it()
        }
        "tauri" => tauri::run(&project, &cli::passed_on(given)),
        "fmt" => test::format(&project, flag("check")),
        "clippy" => test::clippy(&project),
        "unit" => test::only_unit(&project),
        "wasm" => test::only_wasm(&project),
        "e2e" => test::only_end_to_end(&project, text("filter"), flag("dev")),
        "fuzz" => fuzz::run(&project, text("target"), given.get_one("seconds").copied().unwrap_or_default()),
        "check-platforms" => {
            cargo::checks(&project).arg("platforms").args(flag("quick").then_some("--quick")).become_it()
        }
        "server-deb" => releasing::server_deb(&project).map(drop),
        "install-test" => releasing::install_test(&project, flag("built")),
        "lint-packaging" => releasing::lint(&project),
        "version" => {
            version::check(&project, text("tag"))?;
            let version = version::of(&project)?;
            println!("{}", if flag("notes") { version::notes(&project, &version)? } else { version });
            Ok(())
        }
        "bench" => match given.subcommand() {
            Some(("native", given)) => bench::native(&project, &cli::passed_on(given)),
            other => bench::server(&project, &other.map_or_else(Vec::new, |(_, given)| cli::passed_on(given))),
        },
        other => bail!("there is no {other}"),
    }
}
