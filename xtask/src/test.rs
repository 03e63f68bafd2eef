//! `cargo xtask test` and its steps.

use std::ffi::OsStr;
use std::fs;

use anyhow::{Result, anyhow};
use xtask::exec::{Cmd, say};
use xtask::packages::{ANDROID_RESOURCES, BROWSERS, DESKTOP, LINUX_LINTERS, SHELLCHECK};
use xtask::project::Project;
use xtask::toolchain::{self, TARGET, WasmToolchain};
use xtask::{lockfile, packages, tools};

use crate::built::{Built, Suite};
use crate::cargo::{self, EMBEDDED};
use crate::steps::{self, Pace, Run};
use crate::tally::Tally;
use crate::{fuzz, releasing, version};

/// The end-to-end tests: they need everything else to be built, and the browsers for themselves.
const E2E: &str = "hutong-e2e";

/// The package with tests that run as wasm, in a browser.
const UI: &str = "hutong-ui";

/// How many random cases each property is tried with in the full test; otherwise 256. A few minutes of a debug build.
const FULL_CASES: &str = "20000";

/// Seconds for which each target is fuzzed in the full test.
const FULL_FUZZED: u32 = 300;

/// End-to-end tests that need this many processors: two apps draw and encode in software where there is no GPU.
const WANTS_PROCESSORS: (usize, &[&str]) = (4, &["native_calls::the_app_calls_another_app"]);

/// Everything: format, clippy, other platforms, unit, documentation, wasm and end-to-end tests. `full` takes the ignored ones too, many
/// more random cases, fuzzing, type-checks for other platforms, and packages in a fresh Debian.
pub fn all(project: &Project, full: bool) -> Result<()> {
    let mut run = Run::new(pace(project, full));
    run.step(steps::SYSTEM_PACKAGES.name, |_| system_packages());
    let mut toolchain = None;
    run.step(steps::WASM_TOOLCHAIN.name, |_| {
        toolchain = Some(WasmToolchain::ensure(project)?);
        Ok(())
    });
    run.step(steps::FORMAT.name, |_| format(project, true));
    // Before anything that compiles the server or the app: they carry it, and would be compiled twice.
    let has_ui = run.step(steps::WEB_APP.name, |_| cargo::web_app(project, true, &project.dist()).run());
    let built = build(project, &mut run);
    if let Some(toolchain) = &toolchain {
        run.step(steps::WASM_CLIPPY.name, |_| clippy_wasm(project, toolchain));
        run.step(steps::WASM.name, |tally| wasm(project, toolchain, tally));
    }
    run.step(steps::CHECKS.name, |_| checks(project, built.as_ref()));
    run.step(steps::UNIT.name, |tally| unit(built.as_ref().ok_or_else(not_built)?, full, tally));
    run.step(steps::DOCUMENTATION.name, |tally| documentation(project, built.as_ref(), tally));
    run.step(steps::END_TO_END.name, |tally| match &built {
        Some(built) if has_ui => end_to_end(built, None, full, tally),
        _ => Err(not_built()),
    });
    if full {
        run.step("fuzzing", |_| fuzz::run(project, None, FULL_FUZZED));
        run.step("other platforms", |_| cargo::checks(project).arg("platforms").run());
        run.step("packages in a fresh Debian", |_| releasing::install_test(project, false));
    }
    run.finish()
}

/// `cargo xtask e2e`: builds what end-to-end tests need, and runs those whose name contains `filter`.
pub fn only_end_to_end(project: &Project, filter: Option<&str>, dev: bool) -> Result<()> {
    let mut run = Run::new(Pace::Unplanned);
    run.step(steps::SYSTEM_PACKAGES.name, |_| desktop_and_browsers());
    if run.step(steps::WEB_APP.name, |_| cargo::web_app(project, !dev, &project.dist()).run())
        && let Some(built) = build(project, &mut run)
    {
        run.step(steps::END_TO_END.name, |tally| end_to_end(&built, filter, false, tally));
    }
    run.finish()
}

/// `cargo xtask fmt`: formats, or only checks that it is done.
pub fn format(project: &Project, check: bool) -> Result<()> {
    cargo::host(project).args(["fmt", "--all"]).args(check.then_some("--check")).run()
}

/// `cargo xtask clippy`: both compilers' warnings, as errors. It checks without building, for who changes one thing after the other.
pub fn clippy(project: &Project) -> Result<()> {
    DESKTOP.ensure("the desktop app")?;
    let host = cargo::host(project).args(["clippy", "--workspace", "--all-targets", "--keep-going"]);
    host.args(EMBEDDED).args(["--", "-D", "warnings"]).run()?;
    clippy_wasm(project, &WasmToolchain::ensure(project)?)
}

/// `cargo xtask unit`.
pub fn only_unit(project: &Project) -> Result<()> {
    let mut run = Run::new(Pace::Unplanned);
    run.step(steps::SYSTEM_PACKAGES.name, |_| desktop_and_browsers());
    if let Some(built) = build(project, &mut run) {
        run.step(steps::UNIT.name, |tally| unit(&built, false, tally));
        run.step(steps::DOCUMENTATION.name, |tally| documentation(project, Some(&built), tally));
    }
    run.finish()
}

/// `cargo xtask wasm`.
pub fn only_wasm(project: &Project) -> Result<()> {
    let mut run = Run::new(Pace::Unplanned);
    run.step(steps::SYSTEM_PACKAGES.name, |_| BROWSERS.ensure("testing in browsers"));
    run.step(steps::WASM.name, |tally| wasm(project, &WasmToolchain::ensure(project)?, tally));
    run.finish()
}

fn system_packages() -> Result<()> {
    desktop_and_browsers()?;
    if packages::is_debian() {
        LINUX_LINTERS.ensure("checking what Linux packages carry")?;
        SHELLCHECK.ensure("checking what is packed")?;
        ANDROID_RESOURCES.ensure("checking the Android project's resources")?;
    }
    Ok(())
}

fn desktop_and_browsers() -> Result<()> {
    DESKTOP.ensure("the desktop app").and(BROWSERS.ensure("testing in browsers"))
}

/// A run is cold where no run before has built everything.
fn pace(project: &Project, full: bool) -> Pace {
    match (full, project.target.join(BUILT).is_file()) {
        (true, _) => Pace::Unplanned,
        (false, true) => Pace::Warm,
        (false, false) => Pace::Cold,
    }
}

/// Written into the target directory once everything is built.
const BUILT: &str = "hutong-built";

/// Builds all tests and what they start. Warnings fail this step alone.
fn build(project: &Project, run: &mut Run) -> Option<Built> {
    let mut built = None;
    run.step(steps::BUILD.name, |_| {
        let all = cargo::host(project).args(["test", "--workspace", "--no-fail-fast"]).args(EMBEDDED);
        let all = Built::with(all, &toolchain::clippy_driver()?)?;
        fs::write(project.target.join(BUILT), "")?;
        let judged = all.ensure_no_warnings();
        built = Some(all);
        judged
    });
    built
}

fn not_built() -> anyhow::Error {
    anyhow!("not run: what they test is not built")
}

/// What files say, by the program that the build has made.
fn checks(project: &Project, built: Option<&Built>) -> Result<()> {
    let checks = built.ok_or_else(not_built)?.program("xtask-checks")?;
    let of = |args: &[&str]| Cmd::new(checks).args(args).dir(&project.root).env("CARGO_TARGET_DIR", &project.target);
    version::check(project, None)?;
    of(&["platforms", "--quick"]).run().and(of(&["packaging"]).run())
}

fn unit(built: &Built, full: bool, tally: &mut Tally) -> Result<()> {
    let env: &[(&str, &OsStr)] = if full { &[("PROPTEST_CASES", OsStr::new(FULL_CASES))] } else { &[] };
    let outcome = built.run(|suite| suite.package != E2E, &[], env, tally);
    if full {
        let of = |package: &'static str, targets: &'static [&'static str]| {
            move |suite: &Suite| suite.package == package && targets.contains(&&*suite.target)
        };
        // The larger worlds of the protocol's model, and thousands of simulated ones.
        built.run(of("hutong-model", &["it"]), &["--ignored"], &[], tally)?;
        // One after the other: each loads the machine by itself, and measures what others have to wait for or what is left.
        let alone = ["--ignored", "--test-threads=1", "--nocapture"];
        built.run(of("hutong-server", &["pressure", "soak"]), &alone, &[], tally)?;
    }
    outcome
}

fn end_to_end(built: &Built, filter: Option<&str>, full: bool, tally: &mut Tally) -> Result<()> {
    let (server, app) = (built.program("hutong-server")?, built.program("hutong-app")?);
    let programs = [("HUTONG_SERVER_BIN", server), ("HUTONG_APP_BIN", app)];
    let mut args: Vec<&str> = filter.into_iter().chain(["--test-threads=1"]).collect();
    if full {
        args.push("--include-ignored");
        let (wanted, names) = WANTS_PROCESSORS;
        let here = std::thread::available_parallelism().map_or(1, usize::from);
        for name in names.iter().filter(|_| here < wanted) {
            say(format!("not run: {name} wants {wanted} processors, and there are {here}"));
            args.extend(["--skip", name]);
        }
    }
    built.run(|suite| suite.package == E2E, &args, &programs.map(|(name, program)| (name, program.as_os_str())), tally)
}

/// Compiles the examples in documentation, such as those of `hutong-server`, and runs those that may run. Of the whole workspace, as the
/// build was: with one package alone cargo selects other features, and compiles the dependencies once more. In a fresh clone the app's
/// library is compiled again, since its build script has written `src-tauri/permissions`.
fn documentation(project: &Project, built: Option<&Built>, tally: &mut Tally) -> Result<()> {
    // Where the build failed, this would compile the same errors again.
    built.ok_or_else(not_built)?;
    let clippy = toolchain::clippy_driver()?;
    let command = cargo::host(project).args(["test", "--workspace", "--doc", "--no-fail-fast"]).args(EMBEDDED);
    command.env("RUSTC_WORKSPACE_WRAPPER", clippy).stream(|line| tally.read_and_print(line))
}

fn clippy_wasm(project: &Project, toolchain: &WasmToolchain) -> Result<()> {
    let clippy = toolchain.clippy(project)?;
    clippy.args(["--package", UI, "--all-targets", "--target", TARGET, "--", "-D", "warnings"]).run()
}

fn wasm(project: &Project, toolchain: &WasmToolchain, tally: &mut Tally) -> Result<()> {
    let version = lockfile::wasm_bindgen(&project.root)?;
    let settings = toolchain::target_dir(project).join("webdriver.json");
    fs::write(&settings, WEBDRIVER)?;
    toolchain
        .cargo(project)
        .args(["test", "--package", UI, "--bins", "--target", TARGET, "--no-fail-fast"])
        .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", tools::wasm_test_runner(project, &version)?)
        .env("CHROMEDRIVER", tools::chromedriver()?)
        .env("WASM_BINDGEN_TEST_WEBDRIVER_JSON", &settings)
        .env("WASM_BINDGEN_TEST_TIMEOUT", "120")
        .stream(|line| tally.read_and_print(line))
}

/// A browser that speaks to nobody, with a camera and a microphone of its own. The runner adds what makes it headless.
const WEBDRIVER: &str = r#"{
  "goog:chromeOptions": {
    "args": [
      "disable-gpu", "disable-background-networking", "disable-component-update", "disable-sync", "no-first-run",
      "use-fake-device-for-media-stream", "use-fake-ui-for-media-stream"
    ]
  }
}
"#;

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;

    /// All Rust files below a directory, without what is built or fetched, and without `except`.
    fn sources(dir: &Path, except: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).unwrap() {
            let entry = entry.unwrap();
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            if entry.file_type().unwrap().is_dir() {
                if path != except && !name.starts_with('.') && !matches!(&*name, "target" | "node_modules") {
                    sources(&path, except, found);
                }
            } else if name.ends_with(".rs") {
                found.push(path);
            }
        }
    }

    #[test]
    fn every_test_that_runs_as_wasm_is_in_the_program_that_the_wasm_step_builds() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let mut files = Vec::new();
        sources(root, &root.join("ui/src"), &mut files);
        assert!(files.contains(&root.join("xtask/src/test.rs")));
        // In two parts, so that this file does not contain it.
        let attribute = concat!("#[wasm_bindgen", "_test");
        files.retain(|file| fs::read_to_string(file).unwrap().contains(attribute));
        assert!(files.is_empty(), "{files:?}: only `{UI} --bins` is tested as wasm");
    }
}
