//! `cargo xtask test` and its steps.

use std::ffi::OsStr;
use std::fs;

use anyhow::{Result, anyhow};
use xtask::exec::{Cmd, status};
use xtask::packages::{ANDROID_RESOURCES, BROWSERS, DESKTOP, LINUX_LINTERS, SHELLCHECK};
use xtask::project::Project;
use xtask::toolchain::{self, TARGET, WasmToolchain};
use xtask::{lockfile, packages, tools};

use crate::cargo::{self, EMBEDDED_UI};
use crate::steps::{self, BudgetKind, TestRun};
use crate::test_build::{TestBinary, TestBuild};
use crate::test_results::TestResults;
use crate::{bench, fuzz, packaging, proxies, version};

/// The package of the end-to-end tests, which start the built programs and real browsers.
const E2E: &str = "hutong-e2e";

/// The package with tests that run as wasm in a browser.
const UI: &str = "hutong-ui";

/// Random cases of each property in the full test; otherwise 256. They take a few minutes in a debug build.
const FULL_CASES: &str = "20000";

/// Seconds of fuzzing for each target in the full test.
const FULL_FUZZ_SECONDS: u32 = 300;

/// End-to-end tests that need this many processors: without a GPU, two apps render and encode in software.
const PROCESSOR_HUNGRY_TESTS: (usize, &[&str]) = (4, &["native_calls::the_app_calls_another_app"]);

/// End-to-end tests whose records are docs/NETWORKS.md.
const NETWORK_TESTS: &[&str] = &["reach_anyone::", "local_names::"];

/// Folder of these records in the target directory.
const NETWORK_RECORDS: &str = "e2e-networks";

/// `cargo xtask test`: format, clippy, checks of other platforms, unit, documentation, wasm and end-to-end tests. `full` adds ignored
/// tests, many more random cases, fuzzing, type checks for other platforms, checks of dependencies, the scoreboard, and the
/// installation of packages.
pub fn all(project: &Project, full: bool) -> Result<()> {
    let mut run = TestRun::new(budget_kind(project, full));
    run.step(steps::SYSTEM_PACKAGES.name, |_| system_packages());
    let mut toolchain = None;
    run.step(steps::WASM_TOOLCHAIN.name, |_| {
        toolchain = Some(WasmToolchain::ensure(project)?);
        Ok(())
    });
    run.step(steps::FORMAT.name, |_| format(project, true));
    // Before the build: the server and the app embed it, and would be compiled twice.
    let has_ui = run.step(steps::WEB_APP.name, |_| cargo::web_app(project, None, true).run());
    let build = build_all(project, &mut run);
    if let Some(toolchain) = &toolchain {
        run.step(steps::WASM_CLIPPY.name, |_| clippy_wasm(project, toolchain));
        run.step(steps::WASM.name, |results| wasm(project, toolchain, results));
    }
    run.step(steps::CHECKS.name, |_| checks(project, build.as_ref()));
    run.step(steps::UNIT.name, |results| unit(build.as_ref().ok_or_else(not_built)?, full, results));
    run.step(steps::DOCUMENTATION.name, |results| documentation(project, build.as_ref(), results));
    run.step(steps::END_TO_END.name, |results| match &build {
        Some(build) if has_ui && full => end_to_end(project, build, &including_ignored(), &[], results),
        Some(build) if has_ui => end_to_end(project, build, &[], &[], results),
        _ => Err(not_built()),
    });
    if full {
        run.step("scoreboard", |_| bench::security(project));
        run.step("fuzzing", |_| fuzz::run(project, None, FULL_FUZZ_SECONDS));
        run.step("other platforms", |_| cargo::checks(project).arg("platforms").run());
        run.step("dependencies", |_| cargo::checks(project).arg("dependencies").run());
        run.step("packages in a fresh Debian", |_| packaging::install_test(project, false));
    }
    run.finish()
}

/// `cargo xtask e2e`: builds what the end-to-end tests need, and runs those whose name contains `filter`.
pub fn only_end_to_end(project: &Project, filter: Option<&str>, dev: bool) -> Result<()> {
    let mut run = TestRun::new(BudgetKind::Unlimited);
    run.step(steps::SYSTEM_PACKAGES.name, |_| desktop_and_browsers());
    if run.step(steps::WEB_APP.name, |_| cargo::web_app(project, None, !dev).run())
        && let Some(build) = build_all(project, &mut run)
    {
        let args: Vec<&str> = filter.into_iter().collect();
        run.step(steps::END_TO_END.name, |results| end_to_end(project, &build, &args, &[], results));
    }
    run.finish()
}

/// `cargo xtask networks`: runs all end-to-end tests over emulated networks that record how clients connect, and writes
/// docs/NETWORKS.md from the records.
pub fn networks(project: &Project) -> Result<()> {
    let mut run = TestRun::new(BudgetKind::Unlimited);
    run.step(steps::SYSTEM_PACKAGES.name, |_| desktop_and_browsers());
    if run.step(steps::WEB_APP.name, |_| cargo::web_app(project, None, true).run())
        && let Some(build) = build_all(project, &mut run)
    {
        let (args, docs) = ([NETWORK_TESTS, &["--include-ignored"]].concat(), project.root.join("docs"));
        run.step(steps::END_TO_END.name, |results| {
            let records = project.target.join(NETWORK_RECORDS);
            if records.exists() {
                fs::remove_dir_all(&records)?;
            }
            end_to_end(project, &build, &args, &[("HUTONG_DOCS", docs.as_os_str())], results)
        });
    }
    run.finish()
}

/// `cargo xtask fmt`: formats the code, or only checks the format.
pub fn format(project: &Project, check: bool) -> Result<()> {
    cargo::host(project).args(["fmt", "--all"]).args(check.then_some("--check")).run()
}

/// `cargo xtask clippy`: checks for this machine and for wasm without building, with warnings as errors.
pub fn clippy(project: &Project) -> Result<()> {
    DESKTOP.ensure("the desktop app")?;
    let host = cargo::host(project).args(["clippy", "--workspace", "--all-targets", "--keep-going"]);
    host.args(EMBEDDED_UI).args(["--", "-D", "warnings"]).run()?;
    clippy_wasm(project, &WasmToolchain::ensure(project)?)
}

/// `cargo xtask unit`.
pub fn only_unit(project: &Project) -> Result<()> {
    let mut run = TestRun::new(BudgetKind::Unlimited);
    run.step(steps::SYSTEM_PACKAGES.name, |_| desktop_and_browsers());
    if let Some(build) = build_all(project, &mut run) {
        run.step(steps::UNIT.name, |results| unit(&build, false, results));
        run.step(steps::DOCUMENTATION.name, |results| documentation(project, Some(&build), results));
    }
    run.finish()
}

/// `cargo xtask wasm`.
pub fn only_wasm(project: &Project) -> Result<()> {
    let mut run = TestRun::new(BudgetKind::Unlimited);
    run.step(steps::SYSTEM_PACKAGES.name, |_| BROWSERS.ensure("testing in browsers"));
    run.step(steps::WASM.name, |results| wasm(project, &WasmToolchain::ensure(project)?, results));
    run.finish()
}

fn system_packages() -> Result<()> {
    desktop_and_browsers()?;
    if packages::is_debian() {
        LINUX_LINTERS.ensure("checking the files of Linux packages")?;
        SHELLCHECK.ensure("checking package scripts")?;
        ANDROID_RESOURCES.ensure("checking the Android project's resources")?;
    }
    Ok(())
}

fn desktop_and_browsers() -> Result<()> {
    DESKTOP.ensure("the desktop app").and(BROWSERS.ensure("testing in browsers"))
}

/// The budget of a run: cold until a first run has built everything.
fn budget_kind(project: &Project, full: bool) -> BudgetKind {
    match (full, project.target.join(BUILT).is_file()) {
        (true, _) => BudgetKind::Unlimited,
        (false, true) => BudgetKind::Warm,
        (false, false) => BudgetKind::Cold,
    }
}

/// Marker file in the target directory, written once everything was built.
const BUILT: &str = "hutong-built";

/// Builds all tests and the programs they start. After warnings the step fails, but the tests still run.
fn build_all(project: &Project, run: &mut TestRun) -> Option<TestBuild> {
    let mut build = None;
    run.step(steps::BUILD.name, |_| {
        let command = cargo::host(project).args(["test", "--workspace", "--no-fail-fast"]).args(EMBEDDED_UI);
        let finished = TestBuild::run_cargo(command, &toolchain::clippy_driver()?)?;
        fs::write(project.target.join(BUILT), "")?;
        let no_warnings = finished.ensure_no_warnings();
        build = Some(finished);
        no_warnings
    });
    build
}

fn not_built() -> anyhow::Error {
    anyhow!("this step did not run, because the build failed")
}

/// Checks files of other platforms and packages, with the `xtask-checks` of the build.
fn checks(project: &Project, build: Option<&TestBuild>) -> Result<()> {
    let checks = build.ok_or_else(not_built)?.program("xtask-checks")?;
    let check = |args: &[&str]| Cmd::new(checks).args(args).dir(&project.root).env("CARGO_TARGET_DIR", &project.target);
    version::check(project, None)?;
    check(&["platforms", "--quick"]).run().and(check(&["packaging"]).run())
}

fn unit(build: &TestBuild, full: bool, results: &mut TestResults) -> Result<()> {
    let env: &[(&str, &OsStr)] = if full { &[("PROPTEST_CASES", OsStr::new(FULL_CASES))] } else { &[] };
    let result = build.run(|binary| binary.package != E2E, &[], env, results);
    if full {
        let select = |package: &'static str, targets: &'static [&'static str]| {
            move |binary: &TestBinary| binary.package == package && targets.contains(&&*binary.target)
        };
        // Larger scopes of the protocol's model, and thousands of simulations.
        build.run(select("hutong-model", &["it"]), &["--ignored"], &[], results)?;
        // In sequence: each loads the machine, and measures latencies or leaks.
        let sequential = ["--ignored", "--test-threads=1", "--nocapture"];
        build.run(select("hutong-server", &["pressure", "soak"]), &sequential, &[], results)?;
    }
    result
}

/// Arguments that also run ignored tests, where this machine has enough processors.
fn including_ignored() -> Vec<&'static str> {
    let mut args = vec!["--include-ignored"];
    let (required, names) = PROCESSOR_HUNGRY_TESTS;
    let available = std::thread::available_parallelism().map_or(1, usize::from);
    for name in names.iter().filter(|_| available < required) {
        status(format!("skipping {name}: it needs {required} processors, this machine has {available}"));
        args.extend(["--skip", name]);
    }
    args
}

fn end_to_end(
    project: &Project,
    build: &TestBuild,
    args: &[&str],
    env: &[(&str, &OsStr)],
    results: &mut TestResults,
) -> Result<()> {
    let (server, app) = (build.program("hutong-server")?, build.program("hutong-app")?);
    let path = proxies::search_path(project)?;
    let programs = [("HUTONG_SERVER_BIN", server.as_os_str()), ("HUTONG_APP_BIN", app.as_os_str())];
    let env = [&programs[..], &[("PATH", path.as_os_str())], env].concat();
    build.run(|binary| binary.package == E2E, &[args, &["--test-threads=1"]].concat(), &env, results)
}

/// Runs the documentation tests of the whole workspace: with a single package, cargo would select other features and recompile the
/// dependencies. In a fresh clone the app's library is recompiled, since its build script has written `src-tauri/permissions`.
fn documentation(project: &Project, build: Option<&TestBuild>, results: &mut TestResults) -> Result<()> {
    // After a failed build this would fail with the same errors.
    build.ok_or_else(not_built)?;
    let clippy = toolchain::clippy_driver()?;
    let command = cargo::host(project).args(["test", "--workspace", "--doc", "--no-fail-fast"]).args(EMBEDDED_UI);
    command.env("RUSTC_WORKSPACE_WRAPPER", clippy).for_each_line(|line| results.read_and_print(line))
}

fn clippy_wasm(project: &Project, toolchain: &WasmToolchain) -> Result<()> {
    // The second run checks the build for browsers, which lacks what only the app uses. All targets need the same dependencies.
    for features in [None, Some("--no-default-features")] {
        let clippy = toolchain.clippy(project)?.args(["--package", UI, "--all-targets"]).args(features);
        clippy.args(["--target", TARGET, "--", "-D", "warnings"]).run()?;
    }
    Ok(())
}

fn wasm(project: &Project, toolchain: &WasmToolchain, results: &mut TestResults) -> Result<()> {
    let version = lockfile::wasm_bindgen_version(&project.root)?;
    let settings = toolchain::target_dir(project).join("webdriver.json");
    fs::write(&settings, WEBDRIVER)?;
    toolchain
        .cargo(project)
        .args(["test", "--package", UI, "--bins", "--target", TARGET, "--no-fail-fast"])
        .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", tools::wasm_test_runner(project, &version)?)
        .env("CHROMEDRIVER", tools::chromedriver()?)
        .env("WASM_BINDGEN_TEST_WEBDRIVER_JSON", &settings)
        .env("WASM_BINDGEN_TEST_TIMEOUT", "120")
        .for_each_line(|line| results.read_and_print(line))
}

/// Capabilities of the browser: no background traffic, a fake camera and a fake microphone. The runner adds headless mode.
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

    /// Finds all Rust files below a directory, except build output, dependencies and `except`.
    fn rust_files(dir: &Path, except: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).unwrap() {
            let entry = entry.unwrap();
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            if entry.file_type().unwrap().is_dir() {
                if path != except && !name.starts_with('.') && !matches!(&*name, "target" | "node_modules") {
                    rust_files(&path, except, found);
                }
            } else if name.ends_with(".rs") {
                found.push(path);
            }
        }
    }

    #[test]
    fn all_wasm_tests_are_in_the_package_of_the_wasm_step() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let mut files = Vec::new();
        rust_files(root, &root.join("ui/src"), &mut files);
        assert!(files.contains(&root.join("xtask/src/test.rs")));
        // In two parts, so that this file does not match.
        let attribute = concat!("#[wasm_bindgen", "_test");
        files.retain(|file| fs::read_to_string(file).unwrap().contains(attribute));
        assert!(files.is_empty(), "{files:?} have wasm tests, but the wasm step runs only `{UI} --bins`");
    }
}
