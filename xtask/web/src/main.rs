//! Builder of the web app, run by `cargo xtask ui`. Separate from xtask, since wasm-bindgen takes half a minute to compile.

mod app;
mod assets;
mod watch;

use std::env;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use xtask::exec::status;
use xtask::project::Project;
use xtask::toolchain::WasmToolchain;
use xtask::web_app::WebAppBuild;

use app::WebAppOptions;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            status(format!("failed: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Parses `[browser|app] [--release] [--watch] [--out DIR]` in any order. `cargo xtask ui` has already validated the user's input.
fn run() -> Result<()> {
    let project = Project::find()?;
    let mut options = WebAppOptions { builds: WebAppBuild::ALL.to_vec(), release: false, out: project.ui() };
    let mut watch = false;
    let mut args = env::args_os().skip(1);
    while let Some(arg) = args.next() {
        match arg.to_str() {
            Some("--release") => options.release = true,
            Some("--watch") => watch = true,
            Some("--out") => options.out = std::path::absolute(args.next().context("--out requires a directory")?)?,
            other => match other.and_then(WebAppBuild::from_name) {
                Some(build) => options.builds = vec![build],
                None => bail!("unknown argument {}", arg.display()),
            },
        }
    }
    if watch {
        return watch::run(&project, &options);
    }
    app::build(&project, &WasmToolchain::ensure(&project)?, &options)
}
