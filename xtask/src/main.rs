//! The project's commands; `cargo xtask help` lists them.

mod bench;
mod cargo;
mod cli;
mod fuzz;
mod gen_link;
mod packaging;
mod proxies;
mod run;
mod steps;
mod tauri;
mod test;
mod test_build;
mod test_results;
mod version;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::ArgMatches;
use xtask::exec::status;
use xtask::project::Project;
use xtask::web_app::WebAppBuild;

use run::RunTarget;
use steps::StepsFailed;

fn main() -> ExitCode {
    match dispatch(&cli::command().get_matches()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if !error.is::<StepsFailed>() {
                status(format!("failed: {error:#}"));
            }
            ExitCode::FAILURE
        }
    }
}

fn dispatch(matches: &ArgMatches) -> Result<()> {
    let project = Project::find()?;
    gen_link::repair(&project)?;
    let Some((name, args)) = matches.subcommand() else { bail!("no command given; see cargo xtask --help") };
    let flag = |name: &str| args.get_flag(name);
    let text = |name: &str| args.get_one::<String>(name).map(String::as_str);
    match name {
        "run" => {
            let target = if flag("server") { RunTarget::Server } else { RunTarget::for_this_machine() };
            run::run(&project, target, text("listen").unwrap_or_default(), flag("release"))
        }
        "test" => test::all(&project, flag("full")),
        "ui" => {
            let command = cargo::web_app(&project, text("build").and_then(WebAppBuild::from_name), flag("release"));
            let command = command.args(flag("watch").then_some("--watch"));
            let out = args.get_one::<PathBuf>("out").map(std::path::absolute).transpose()?;
            match out {
                Some(out) => command.arg("--out").arg(out).replace_process(),
                None => command.replace_process(),
            }
        }
        "tauri" => tauri::run(&project, &cli::forwarded_args(args)),
        "fmt" => test::format(&project, flag("check")),
        "clippy" => test::clippy(&project),
        "unit" => test::only_unit(&project),
        "wasm" => test::only_wasm(&project),
        "e2e" => test::only_end_to_end(&project, text("filter"), flag("dev")),
        "networks" => test::networks(&project),
        "fuzz" => fuzz::run(&project, text("target"), args.get_one("seconds").copied().unwrap_or_default()),
        "check-platforms" => {
            cargo::checks(&project).arg("platforms").args(flag("quick").then_some("--quick")).replace_process()
        }
        "server-deb" => packaging::server_deb(&project).map(drop),
        "install-test" => packaging::install_test(&project, flag("built")),
        "lint-packaging" => packaging::lint(&project),
        "check-dependencies" => cargo::checks(&project).arg("dependencies").replace_process(),
        "version" => {
            version::check(&project, text("tag"))?;
            let version = version::workspace_version(&project)?;
            println!("{}", if flag("notes") { version::notes(&project, &version)? } else { version });
            Ok(())
        }
        "bench" => match args.subcommand() {
            Some(("native", args)) => bench::native(&project, &cli::forwarded_args(args)),
            Some(("relayed", args)) => bench::relayed(&project, &cli::forwarded_args(args)),
            Some(("security", _)) => bench::security(&project),
            Some(("relay", args)) => bench::relay(&project, &cli::forwarded_args(args)),
            other => bench::server(&project, &other.map_or_else(Vec::new, |(_, args)| cli::forwarded_args(args))),
        },
        other => bail!("unknown command {other}"),
    }
}
