//! The command line of `cargo xtask`. Without clap's derive macro: it would double the time until the first line is printed.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

const ABOUT: &str = "Builds, runs and tests Hutong, and sets up what that needs.";

const LONG_ABOUT: &str = "\
Builds, runs and tests Hutong, and sets up what that needs.

Needs Rust. On Debian and its relatives everything else is installed on the way (as root or with sudo that asks for no password; \
otherwise the command to run is printed); on other systems what is missing is named.";

const ENVIRONMENT: &str = "\
Environment:
  HUTONG_CACHE           where tools and the wasm library are kept (default: ~/.cache/hutong)
  HUTONG_WASM_TOOLCHAIN  installed, rustup or debian: the only way to compile wasm that is tried
  CARGO_TARGET_DIR       where everything is built (default: target)

To start:
  cargo xtask run        opens the app
  cargo xtask test       tests everything";

/// All commands with their options.
pub fn command() -> Command {
    Command::new("cargo xtask")
        .bin_name("cargo xtask")
        .max_term_width(100)
        .about(ABOUT)
        .long_about(LONG_ABOUT)
        .after_long_help(ENVIRONMENT)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands(everyday())
        .subcommands(parts_of_test())
        .subcommands(releasing())
        .subcommand(bench())
}

fn everyday() -> [Command; 4] {
    [
        Command::new("run")
            .about("Opens the desktop app with its embedded server; without a display, runs the server for browsers")
            .arg(flag("release", "Optimised: slower to build, faster and smaller"))
            .arg(flag("server", "Runs the server even where there is a display"))
            .arg(
                option("listen", "ADDR:PORT", "Where the server listens, when it runs without the app")
                    .default_value("127.0.0.1:8017"),
            ),
        Command::new("test")
            .about("Tests everything: format, clippy, unit, wasm and end-to-end tests; the last line is `N passed, N failed`")
            .arg(flag(
                "full",
                "Tries many more random cases, fuzzes, type-checks for other platforms, tries the packages, and runs the tests \
                 marked as ignored",
            )),
        Command::new("ui")
            .about("Builds the web app into ui/dist, where the server and the app take it from")
            .arg(flag("release", "Small (size-optimised, wasm-opt, precompressed) instead of quickly built"))
            .arg(flag("watch", "Builds again whenever ui, crates/core or crates/protocol change"))
            .arg(option("out", "DIR", "Writes it there instead").value_parser(value_parser!(PathBuf))),
        Command::new("tauri")
            .about("Runs the Tauri CLI: `cargo xtask tauri dev`, `cargo xtask tauri build --bundles deb`")
            .arg(rest("What the Tauri CLI is given")),
    ]
}

fn parts_of_test() -> [Command; 7] {
    [
        Command::new("fmt").about("Formats all Rust").arg(flag("check", "Only checks that it is formatted")),
        Command::new("clippy").about("Clippy for this machine and for wasm, with warnings as errors"),
        Command::new("unit").about("Unit and integration tests of the whole workspace except end to end"),
        Command::new("wasm").about("Tests that run as wasm in headless Chromium"),
        Command::new("e2e")
            .about("End-to-end tests: builds the web app, the server and the app, and drives them in real browsers")
            .arg(Arg::new("filter").value_name("FILTER").help("Only tests whose name contains this"))
            .arg(flag("dev", "With a quickly built web app instead of the small one")),
        Command::new("fuzz")
            .about("Feeds random bytes, bent towards what has not been seen yet, to what reads messages, names and their sequences")
            .arg(Arg::new("target").value_name("TARGET").help("Only this target of fuzz/: decode, names or registry"))
            .arg(
                option("seconds", "N", "How long each target is fuzzed")
                    .value_parser(value_parser!(u32))
                    .default_value("60"),
            ),
        Command::new("check-platforms")
            .about("Checks what can be checked here of the platforms that are not here; docs/PLATFORMS.md tells what that is")
            .arg(flag("quick", "Leaves out what takes minutes: type-checking the Rust code for other platforms")),
    ]
}

fn releasing() -> [Command; 4] {
    [
        Command::new("server-deb").about("Packs the server with its systemd unit as a Debian package"),
        Command::new("install-test")
            .about("Installs the app's and the server's packages into a fresh Debian 12, uses them, and removes them")
            .after_help("Needs root, or sudo that asks for no password: a fresh Debian is a directory that one becomes root in.")
            .arg(flag("built", "Tries the packages that stand where a build puts them, instead of building them first")),
        Command::new("lint-packaging")
            .about("Checks what is packed and published: version, systemd unit, scripts, workflows"),
        Command::new("version")
            .about("Prints the version that Cargo.toml has and everything else takes from it")
            .arg(option("tag", "vX.Y.Z", "Fails unless this tag names it"))
            .arg(flag("notes", "Prints what CHANGELOG.md says of it instead")),
    ]
}

fn bench() -> Command {
    let measured = |name: &'static str, about: &'static str, args: &'static str| {
        Command::new(name).about(about).disable_help_flag(true).arg(rest(args))
    };
    Command::new("bench")
        .about("Measures on this machine, the server unless told otherwise; what was found is in docs/BENCHMARKS.md")
        .subcommand(measured(
            "server",
            "Our server beside socket.io, PeerJS's server, matchbox_signaling and a bare echo: `cargo xtask bench server --help` \
             tells the rest",
            "What the measuring program is given, such as `--quick` or `--json FILE`",
        ))
        .subcommand(measured(
            "native",
            "Calls of the app with its native peer: `cargo xtask bench native --help` tells the rest",
            "What the measuring program is given, such as `--pairs 1` or `--json FILE`",
        ))
}

fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
}

fn option(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(value).help(help)
}

/// Everything that comes, options too, for another program.
fn rest(help: &'static str) -> Arg {
    let all = Arg::new("args").value_name("ARGS").num_args(0..).trailing_var_arg(true).allow_hyphen_values(true);
    all.value_parser(value_parser!(OsString)).help(help)
}

/// What another program is given.
pub fn passed_on(given: &ArgMatches) -> Vec<OsString> {
    given.get_many("args").into_iter().flatten().cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_understood() {
        command().debug_assert();
        for name in command().get_subcommands().map(Command::get_name) {
            command().try_get_matches_from(["cargo xtask", name]).unwrap();
        }
    }

    #[test]
    fn other_programs_get_their_options_untouched() {
        let tauri =
            command().try_get_matches_from(["cargo xtask", "tauri", "build", "--bundles", "deb", "--help"]).unwrap();
        assert_eq!(passed_on(tauri.subcommand().unwrap().1), ["build", "--bundles", "deb", "--help"]);
        let bench = command().try_get_matches_from(["cargo xtask", "bench", "native", "--help"]).unwrap();
        assert_eq!(passed_on(bench.subcommand().unwrap().1.subcommand().unwrap().1), ["--help"]);
    }
}
