//! The project's own commands; `cargo xtask help` tells them.

mod assets;
mod bench;
mod exec;
mod fuzz;
mod lockfile;
mod package;
mod packages;
mod platforms;
mod project;
mod run;
mod tally;
mod tauri;
mod test;
mod toolchain;
mod tools;
mod ui;
mod watch;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use package::{install, links, lint, server_deb, version};
use platforms::Depth;
use project::Project;
use run::What;
use test::StepsFailed;
use toolchain::WasmToolchain;

/// Builds, runs and tests Hutong, and sets up what that needs.
///
/// Needs Rust. On Debian and its relatives everything else is installed on the way (as root or with sudo that asks for no
/// password; otherwise the command to run is printed); on other systems what is missing is named.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100, after_long_help = ENVIRONMENT)]
struct Cli {
    #[command(subcommand)]
    step: Command,
}

const ENVIRONMENT: &str = "\
Environment:
  HUTONG_CACHE           where tools and the wasm library are kept (default: ~/.cache/hutong)
  HUTONG_WASM_TOOLCHAIN  installed, rustup or debian: the only way to compile wasm that is tried
  CARGO_TARGET_DIR       where everything is built (default: target)

To start:
  cargo xtask run        opens the app
  cargo xtask test       tests everything";

#[derive(Debug, Subcommand)]
enum Command {
    /// Opens the desktop app with its embedded server; without a display, runs the server for browsers
    Run {
        /// Optimised: slower to build, faster and smaller
        #[arg(long)]
        release: bool,
        /// Runs the server even where there is a display
        #[arg(long)]
        server: bool,
        /// Where the server listens, when it runs without the app
        #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8017")]
        listen: String,
    },
    /// Tests everything: format, clippy, unit, wasm and end-to-end tests; the last line is `N passed, N failed`
    Test {
        /// Tries many more random cases, and runs the tests marked as ignored, such as those that only take pictures
        #[arg(long)]
        full: bool,
    },
    /// Builds the web app into ui/dist, where the server and the app take it from
    Ui {
        /// Small (size-optimised, wasm-opt, precompressed) instead of quickly built
        #[arg(long)]
        release: bool,
        /// Builds again whenever ui, crates/core or crates/protocol change
        #[arg(long)]
        watch: bool,
        /// Writes it there instead
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
    /// Runs the Tauri CLI: `cargo xtask tauri dev`, `cargo xtask tauri build --bundles deb`
    Tauri {
        /// What the Tauri CLI is given
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Formats all Rust
    Fmt {
        /// Only checks that it is formatted
        #[arg(long)]
        check: bool,
    },
    /// Clippy for this machine and for wasm, with warnings as errors
    Clippy,
    /// Unit and integration tests of the whole workspace except end to end
    Unit,
    /// Tests that run as wasm in headless Chromium
    Wasm,
    /// End-to-end tests: builds the web app, the server and the app, and drives them in real browsers
    E2e {
        /// Only tests whose name contains this
        filter: Option<String>,
        /// With a quickly built web app instead of the small one
        #[arg(long)]
        dev: bool,
    },
    /// Feeds random bytes, bent towards what has not been seen yet, to what reads messages, names and their sequences
    Fuzz {
        /// Only this target of fuzz/: decode, names or registry
        target: Option<String>,
        /// How long each target is fuzzed
        #[arg(long, value_name = "N", default_value_t = 60)]
        seconds: u32,
    },
    /// Checks what can be checked here of the platforms that are not here; docs/PLATFORMS.md tells what that is
    CheckPlatforms {
        /// Leaves out what takes minutes: type-checking the Rust code for other platforms
        #[arg(long)]
        quick: bool,
    },
    /// Packs the server with its systemd unit as a Debian package
    ServerDeb,
    /// Installs the app's and the server's packages into a fresh Debian 12, uses them, and removes them
    ///
    /// Needs root, or sudo that asks for no password: a fresh Debian is a directory that one becomes root in.
    InstallTest {
        /// Tries the packages that stand where a build puts them, instead of building them first
        #[arg(long)]
        built: bool,
    },
    /// Checks what is packed and published: version, metainfo, desktop entry, systemd unit, scripts, workflows
    LintPackaging,
    /// Prints the version that Cargo.toml has and everything else takes from it
    Version {
        /// Fails unless this tag names it
        #[arg(long, value_name = "vX.Y.Z")]
        tag: Option<String>,
        /// Prints what CHANGELOG.md says of it instead
        #[arg(long)]
        notes: bool,
    },
    /// Measures on this machine, the server unless told otherwise; what was found is in docs/BENCHMARKS.md
    Bench {
        #[command(subcommand)]
        what: Option<Measured>,
    },
}

/// What is measured.
#[derive(Debug, Subcommand)]
enum Measured {
    /// Our server beside socket.io, PeerJS's server, matchbox_signaling and a bare echo: `cargo xtask bench server --help` tells the rest
    #[command(disable_help_flag = true)]
    Server {
        /// What the measuring program is given, such as `--quick` or `--json FILE`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Calls of the app with its native peer: `cargo xtask bench native --help` tells the rest
    #[command(disable_help_flag = true)]
    Native {
        /// What the measuring program is given, such as `--pairs 1` or `--json FILE`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match dispatch(cli.step) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if !error.is::<StepsFailed>() {
                eprintln!("[xtask] failed: {error:#}");
            }
            ExitCode::FAILURE
        }
    }
}

fn dispatch(step: Command) -> Result<()> {
    let project = Project::find()?;
    links::mend(&project)?;
    match step {
        Command::Run { release, server, listen } => {
            let what = if server { What::Server } else { What::for_this_machine() };
            run::run(&project, what, &listen, release)
        }
        Command::Test { full } => test::all(&project, full),
        Command::Ui { release, watch, out } => {
            let options = ui::Options { release, out: out.map_or(Ok(project.dist()), std::path::absolute)? };
            if watch {
                return watch::run(&project, &options);
            }
            ui::build(&project, &WasmToolchain::ensure(&project)?, &options)
        }
        Command::Tauri { args } => tauri::run(&project, &args),
        Command::Fmt { check } => test::format(&project, check),
        Command::Clippy => test::clippy(&project),
        Command::Unit => test::only_unit(&project),
        Command::Wasm => test::only_wasm(&project),
        Command::E2e { filter, dev } => test::only_end_to_end(&project, filter.as_deref(), dev),
        Command::Fuzz { target, seconds } => fuzz::run(&project, target.as_deref(), seconds),
        Command::CheckPlatforms { quick } => platforms::check(&project, if quick { Depth::Quick } else { Depth::Full }),
        Command::ServerDeb => server_deb::build(&project).map(drop),
        Command::InstallTest { built } => {
            install::test(&project, if built { install::Packages::AtHand } else { install::Packages::Built })
        }
        Command::LintPackaging => lint::check(&project),
        Command::Version { tag, notes } => {
            version::check(&project, tag.as_deref())?;
            let version = version::of(&project)?;
            println!("{}", if notes { version::notes(&project, &version)? } else { version });
            Ok(())
        }
        Command::Bench { what: None } => bench::server(&project, &[]),
        Command::Bench { what: Some(Measured::Server { args }) } => bench::server(&project, &args),
        Command::Bench { what: Some(Measured::Native { args }) } => bench::native(&project, &args),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_tauri_cli_gets_its_options_untouched() {
        let cli = Cli::try_parse_from(["cargo xtask", "tauri", "build", "--bundles", "deb", "--help"]).unwrap();
        let Command::Tauri { args } = cli.step else { panic!("another step") };
        assert_eq!(args, ["build", "--bundles", "deb", "--help"]);
    }
}
