//! Command line of `cargo xtask`. Without clap's derive macro, which would double the time until the first output.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use xtask::web_app::WebAppBuild;

const ABOUT: &str = "Builds, runs and tests Hutong, and installs what that needs.";

const LONG_ABOUT: &str = "\
Builds, runs and tests Hutong, and installs what that needs.

Requires Rust. On Debian and its derivatives, xtask installs everything else (as root or by sudo without a password; otherwise it \
prints the command to run). On other systems it names what is missing.";

const ENVIRONMENT: &str = "\
Environment:
  HUTONG_CACHE           cache directory of tools and the wasm standard library (default: ~/.cache/hutong)
  HUTONG_WASM_TOOLCHAIN  the only wasm toolchain to try: installed, rustup or debian
  CARGO_TARGET_DIR       build directory (default: target)

To start:
  cargo xtask run        opens the app
  cargo xtask test       tests everything";

/// The command line parser.
pub fn command() -> Command {
    Command::new("cargo xtask")
        .bin_name("cargo xtask")
        .max_term_width(100)
        .about(ABOUT)
        .long_about(LONG_ABOUT)
        .after_long_help(ENVIRONMENT)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands(everyday_commands())
        .subcommands(test_steps())
        .subcommands(release_commands())
        .subcommand(bench_command())
}

fn everyday_commands() -> [Command; 4] {
    [
        Command::new("run")
            .about("Opens the desktop app with its embedded server; without a display, runs the server for browsers")
            .arg(flag("release", "Optimized build: slower to build, faster and smaller"))
            .arg(flag("server", "Runs the server even if there is a display"))
            .arg(
                option("listen", "ADDR:PORT", "Listen address of the server, if it runs without the app")
                    .default_value("127.0.0.1:8017"),
            ),
        Command::new("test")
            .about("Runs all tests: format, clippy, unit, wasm and end-to-end tests; the last line is `N passed, N failed`")
            .arg(flag(
                "full",
                "Also runs many more random cases, fuzzing, type checks for other platforms, installation of the packages, and \
                 ignored tests",
            )),
        Command::new("ui")
            .about("Builds the web app: for browsers into ui/dist, for the app into ui/dist-app; server and app embed them")
            .arg(
                Arg::new("build")
                    .value_name("BUILD")
                    .value_parser(WebAppBuild::ALL.map(WebAppBuild::name))
                    .help("Only this build"),
            )
            .arg(flag("release", "Small build (optimized for size, wasm-opt, precompressed) instead of a fast one"))
            .arg(flag("watch", "Rebuilds when ui, crates/core or crates/protocol change"))
            .arg(option("out", "DIR", "Builds into DIR/dist and DIR/dist-app").value_parser(value_parser!(PathBuf))),
        Command::new("tauri")
            .about("Runs the Tauri CLI: `cargo xtask tauri dev`, `cargo xtask tauri build --bundles deb`")
            .arg(rest("Arguments of the Tauri CLI")),
    ]
}

fn test_steps() -> [Command; 8] {
    [
        Command::new("fmt").about("Formats all Rust code").arg(flag("check", "Only checks the format")),
        Command::new("clippy").about("Runs clippy for this machine and for wasm, with warnings as errors"),
        Command::new("unit").about("Runs unit and integration tests of the whole workspace, without end-to-end tests"),
        Command::new("wasm").about("Runs wasm tests in headless Chromium"),
        Command::new("e2e")
            .about(
                "Runs end-to-end tests: builds the web app, the server and the app, and controls them in real browsers",
            )
            .arg(Arg::new("filter").value_name("FILTER").help("Only tests whose name contains FILTER"))
            .arg(flag("dev", "Uses the fast build of the web app instead of the small one")),
        Command::new("networks")
            .about("Runs the end-to-end tests of NATs, firewalls and other networks, and writes docs/NETWORKS.md"),
        Command::new("fuzz")
            .about("Fuzzes the decoder, names and the registry with libFuzzer")
            .arg(
                Arg::new("target")
                    .value_name("TARGET")
                    .help("Only this fuzz target: decode, ice, names, registry, relay, rtcp, rtp or turn_stream"),
            )
            .arg(
                option("seconds", "N", "Seconds for each target").value_parser(value_parser!(u32)).default_value("60"),
            ),
        Command::new("check-platforms")
            .about("Checks what this machine can check of other platforms; see docs/PLATFORMS.md")
            .arg(flag("quick", "Skips type-checking the Rust code for other platforms, which takes minutes")),
    ]
}

fn release_commands() -> [Command; 5] {
    [
        Command::new("server-deb").about("Builds the Debian package of the server, with its systemd unit"),
        Command::new("install-test")
            .about("Installs, runs and removes the Debian packages of app and server in a fresh Debian 12")
            .after_help("Requires root or sudo without a password, for a chroot.")
            .arg(flag("built", "Uses the packages of an earlier build")),
        Command::new("lint-packaging")
            .about("Checks what is packaged and published: version, systemd unit, scripts, workflows, container file"),
        Command::new("check-dependencies")
            .about("Checks licences, sources and known vulnerabilities of all dependencies"),
        Command::new("version")
            .about("Prints the version of the workspace, after checking that no file has another one")
            .arg(option("tag", "vX.Y.Z", "Fails unless the tag matches the version"))
            .arg(flag("notes", "Prints the release notes from CHANGELOG.md instead")),
    ]
}

fn bench_command() -> Command {
    let benchmark = |name: &'static str, about: &'static str, args: &'static str| {
        Command::new(name).about(about).disable_help_flag(true).arg(rest(args))
    };
    Command::new("bench")
        .about("Runs benchmarks on this machine, by default of the server; results are in docs/BENCHMARKS.md")
        .subcommand(benchmark(
            "server",
            "Compares the server with socket.io, PeerServer, matchbox_signaling and an echo server; see `cargo xtask bench server \
             --help`",
            "Arguments of the benchmark, such as `--quick` or `--json FILE`",
        ))
        .subcommand(benchmark(
            "relay",
            "Compares the server's relay with coturn; see `cargo xtask bench relay --help`",
            "Arguments of the benchmark, such as `--quick` or `--json FILE`",
        ))
        .subcommand(
            Command::new("security")
                .about("Measures what attacks and failures can do: the scoreboard of docs/SECURITY.md; as root, for a power cut"),
        )
        .subcommand(benchmark(
            "relayed",
            "Compares the set-up of relayed calls with direct ones, in browsers; see `cargo xtask bench relayed --help`",
            "Arguments of the benchmark, such as `--rounds 1`",
        ))
        .subcommand(benchmark(
            "native",
            "Measures calls of the app with its native peer; see `cargo xtask bench native --help`",
            "Arguments of the benchmark, such as `--pairs 1` or `--json FILE`",
        ))
}

fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
}

fn option(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(value).help(help)
}

/// All remaining arguments, including options, for another program.
fn rest(help: &'static str) -> Arg {
    let all = Arg::new("args").value_name("ARGS").num_args(0..).trailing_var_arg(true).allow_hyphen_values(true);
    all.value_parser(value_parser!(OsString)).help(help)
}

/// Arguments to forward to another program.
pub fn forwarded_args(args: &ArgMatches) -> Vec<OsString> {
    args.get_many("args").into_iter().flatten().cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_parses_without_arguments() {
        command().debug_assert();
        for name in command().get_subcommands().map(Command::get_name) {
            command().try_get_matches_from(["cargo xtask", name]).unwrap();
        }
    }

    #[test]
    fn options_of_other_programs_are_forwarded() {
        let tauri =
            command().try_get_matches_from(["cargo xtask", "tauri", "build", "--bundles", "deb", "--help"]).unwrap();
        assert_eq!(forwarded_args(tauri.subcommand().unwrap().1), ["build", "--bundles", "deb", "--help"]);
        let bench = command().try_get_matches_from(["cargo xtask", "bench", "native", "--help"]).unwrap();
        assert_eq!(forwarded_args(bench.subcommand().unwrap().1.subcommand().unwrap().1), ["--help"]);
    }
}
