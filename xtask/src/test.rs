//! `cargo xtask test` and its steps.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::exec::{Cmd, say};
use crate::fuzz;
use crate::lockfile;
use crate::package::{install, lint};
use crate::packages::{BROWSERS, DESKTOP};
use crate::platforms::{self, Depth};
use crate::project::Project;
use crate::tally::{self, Step, Tally};
use crate::toolchain::{self, TARGET, WasmToolchain};
use crate::tools;
use crate::ui;

/// The end-to-end tests: they need everything else to be built, and the browsers for themselves.
const E2E: &str = "hutong-e2e";

/// Crates that are compiled to wasm, where they stand, and the arguments that name the target with their own tests.
const WASM_CRATES: [(&str, &str, &str); 3] = [
    ("hutong-ui", "ui", "--bins"),
    ("hutong-core", "crates/core", "--lib"),
    ("hutong-protocol", "crates/protocol", "--lib"),
];

/// How many random cases each property is tried with in the full test; otherwise 256. A few minutes of a debug build.
const FULL_CASES: &str = "20000";

/// Seconds for which each target is fuzzed.
const FUZZED: u32 = 20;

/// The same in the full test.
const FULL_FUZZED: u32 = 300;

/// End-to-end tests that need this many processors: two apps draw and encode in software where there is no GPU.
const WANTS_PROCESSORS: (usize, &[&str]) = (4, &["the_app_calls_another_app"]);

/// The app as it is shipped, with the web app inside instead of a development server's address.
pub const EMBEDDED: [&str; 2] = ["--features", "hutong-app/custom-protocol"];

/// Runs steps one after the other, each with its name, its time and its tests.
#[derive(Debug, Default)]
pub struct Run {
    steps: Vec<Step>,
}

impl Run {
    /// Runs one step, and goes on whatever comes of it; tells whether it went well.
    pub fn step(&mut self, name: &'static str, run: impl FnOnce(&mut Tally) -> Result<()>) -> bool {
        say(format!("== {name}"));
        let started = Instant::now();
        let mut tally = Tally::default();
        let problem = run(&mut tally).err().map(|error| format!("{error:#}"));
        let time = started.elapsed();
        match &problem {
            Some(problem) => say(format!("== {name}: FAILED after {:.1} s: {problem}", time.as_secs_f32())),
            None => say(format!("== {name}: ok, {:.1} s", time.as_secs_f32())),
        }
        let is_well = problem.is_none();
        self.steps.push(Step { name, time, tally, problem });
        is_well
    }

    /// Prints the table and, last, the sum; an error when any step failed.
    pub fn finish(self) -> Result<()> {
        println!("\n{}", tally::summary(&self.steps));
        if self.steps.iter().any(|step| step.counted().failed > 0) {
            bail!(StepsFailed);
        }
        Ok(())
    }
}

/// Steps failed, and the summary has said which: nothing is printed after its last line.
#[derive(Debug, Clone, Copy)]
pub struct StepsFailed;

impl std::error::Error for StepsFailed {}

impl std::fmt::Display for StepsFailed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("steps failed")
    }
}

/// Everything: format, clippy, other platforms, unit, wasm and end-to-end tests. `full` takes the ignored ones too, many more
/// random cases, and type-checks for other platforms.
pub fn all(project: &Project, full: bool) -> Result<()> {
    let mut run = Run::default();
    run.step("system packages", |_| DESKTOP.ensure("the desktop app").and(BROWSERS.ensure("testing in browsers")));
    let mut toolchain = None;
    run.step("wasm toolchain", |_| {
        toolchain = Some(WasmToolchain::ensure(project)?);
        Ok(())
    });
    run.step("format", |_| format(project, true));
    // Before anything that compiles the server or the app: they carry it, and would be compiled twice.
    let has_ui = match &toolchain {
        Some(toolchain) => run.step("web app", |_| web_app(project, toolchain, true)),
        None => false,
    };
    run.step("clippy", |_| clippy_host(project));
    if let Some(toolchain) = &toolchain {
        run.step("clippy for wasm", |_| clippy_wasm(project, toolchain));
    }
    // After clippy, whose build of the app writes the schema of its capabilities.
    run.step("platforms", |_| platforms::check(project, if full { Depth::Full } else { Depth::Quick }));
    run.step("packaging", |_| lint::check(project));
    run.step("unit tests", |tally| unit(project, full, tally));
    run.step("fuzzing", |_| fuzz::run(project, None, if full { FULL_FUZZED } else { FUZZED }));
    if let Some(toolchain) = &toolchain {
        run.step("wasm tests", |tally| wasm(project, toolchain, tally));
    }
    let has_programs = run.step("server and app", |_| programs(project));
    run.step("end-to-end tests", |tally| {
        if !has_ui || !has_programs {
            bail!("not run: what they test is not built");
        }
        end_to_end(project, None, full, tally)
    });
    if full {
        run.step("packages in a fresh Debian", |_| install::test(project, install::Packages::Built));
    }
    run.finish()
}

/// `cargo xtask e2e`: builds what end-to-end tests need, and runs those whose name contains `filter`.
pub fn only_end_to_end(project: &Project, filter: Option<&str>, dev: bool) -> Result<()> {
    let mut run = Run::default();
    run.step("system packages", |_| DESKTOP.ensure("the desktop app").and(BROWSERS.ensure("testing in browsers")));
    let is_built = run.step("web app", |_| web_app(project, &WasmToolchain::ensure(project)?, !dev))
        && run.step("server and app", |_| programs(project));
    if is_built {
        run.step("end-to-end tests", |tally| end_to_end(project, filter, false, tally));
    }
    run.finish()
}

/// `cargo xtask fmt`: formats, or only checks that it is done.
pub fn format(project: &Project, check: bool) -> Result<()> {
    host_cargo(project).args(["fmt", "--all"]).args(check.then_some("--check")).run()
}

/// `cargo xtask clippy`: both compilers' warnings, as errors.
pub fn clippy(project: &Project) -> Result<()> {
    DESKTOP.ensure("the desktop app")?;
    clippy_host(project)?;
    clippy_wasm(project, &WasmToolchain::ensure(project)?)
}

/// `cargo xtask unit`.
pub fn only_unit(project: &Project) -> Result<()> {
    let mut run = Run::default();
    run.step("system packages", |_| {
        DESKTOP.ensure("the desktop app").and(BROWSERS.ensure("testing calls over a relay"))
    });
    run.step("unit tests", |tally| unit(project, false, tally));
    run.finish()
}

/// `cargo xtask wasm`.
pub fn only_wasm(project: &Project) -> Result<()> {
    let mut run = Run::default();
    run.step("system packages", |_| BROWSERS.ensure("testing in browsers"));
    run.step("wasm tests", |tally| wasm(project, &WasmToolchain::ensure(project)?, tally));
    run.finish()
}

/// The cargo that builds for this machine, in the project's root.
pub fn host_cargo(project: &Project) -> Cmd {
    Cmd::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())).dir(&project.root)
}

fn web_app(project: &Project, toolchain: &WasmToolchain, release: bool) -> Result<()> {
    ui::build(project, toolchain, &ui::Options { release, out: project.dist() })
}

fn clippy_host(project: &Project) -> Result<()> {
    let command = host_cargo(project).args(["clippy", "--workspace", "--all-targets", "--keep-going"]);
    command.args(EMBEDDED).args(["--", "-D", "warnings"]).run()
}

fn clippy_wasm(project: &Project, toolchain: &WasmToolchain) -> Result<()> {
    let command = toolchain.clippy(project)?.args(["--package", "hutong-ui", "--all-targets", "--target", TARGET]);
    command.args(["--", "-D", "warnings"]).run()
}

fn unit(project: &Project, full: bool, tally: &mut Tally) -> Result<()> {
    let command = host_cargo(project).args(["test", "--workspace", "--exclude", E2E, "--no-fail-fast"]).args(EMBEDDED);
    let command = if full { command.env("PROPTEST_CASES", FULL_CASES) } else { command };
    let outcome = counted(&command, tally);
    if full {
        // The larger worlds of the protocol's model, and thousands of simulated ones.
        let deep = host_cargo(project).args(["test", "--package", "hutong-model", "--test", "it", "--", "--ignored"]);
        counted(&deep, tally)?;
        // One after the other: each loads the machine by itself, and measures what others have to wait for or what is left.
        let pressure = host_cargo(project).args(["test", "--package", "hutong-server", "--test", "pressure"]);
        let pressure = pressure.args(["--test", "soak", "--", "--ignored", "--test-threads=1", "--nocapture"]);
        counted(&pressure, tally)?;
    }
    outcome
}

fn programs(project: &Project) -> Result<()> {
    host_cargo(project).args(["build", "--package", "hutong-server", "--package", "hutong-app"]).args(EMBEDDED).run()
}

fn end_to_end(project: &Project, filter: Option<&str>, full: bool, tally: &mut Tally) -> Result<()> {
    let command = host_cargo(project).args(["test", "--package", E2E, "--no-fail-fast"]);
    let mut command = command.args(filter).args(["--", "--test-threads=1"]);
    if full {
        command = command.arg("--include-ignored");
        let (wanted, names) = WANTS_PROCESSORS;
        let here = std::thread::available_parallelism().map_or(1, usize::from);
        for name in names.iter().filter(|_| here < wanted) {
            say(format!("not run: {name} wants {wanted} processors, and there are {here}"));
            command = command.args(["--skip", name]);
        }
    }
    counted(&command, tally)
}

fn wasm(project: &Project, toolchain: &WasmToolchain, tally: &mut Tally) -> Result<()> {
    let suites: Vec<(&str, Vec<String>)> = WASM_CRATES
        .iter()
        .map(|(package, dir, own)| (*package, suites(&project.root.join(dir), own)))
        .filter(|(_, suites)| !suites.is_empty())
        .collect();
    if suites.is_empty() {
        say("no crate has tests for wasm");
        return Ok(());
    }
    let version = lockfile::wasm_bindgen(&project.root)?;
    let runner = tools::wasm_test_runner(project, &version)?;
    let driver = tools::chromedriver()?;
    let settings = toolchain::target_dir(project).join("webdriver.json");
    fs::write(&settings, WEBDRIVER)?;
    let mut problems = Vec::new();
    for (package, suites) in suites {
        let command = toolchain
            .cargo(project)
            .args(["test", "--package", package, "--target", TARGET, "--no-fail-fast"])
            .args(suites)
            .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", &runner)
            .env("CHROMEDRIVER", &driver)
            .env("WASM_BINDGEN_TEST_WEBDRIVER_JSON", &settings)
            .env("WASM_BINDGEN_TEST_TIMEOUT", "120");
        if let Err(problem) = counted(&command, tally) {
            problems.push(format!("{package}: {problem:#}"));
        }
    }
    if problems.is_empty() { Ok(()) } else { bail!("{}", problems.join("; ")) }
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

/// The arguments that name the test programs of a crate in which there are tests for wasm. The others would not all
/// compile there, or would find nothing to run.
fn suites(dir: &Path, own: &str) -> Vec<String> {
    let mut suites = Vec::new();
    if rust_files(&dir.join("src")).iter().any(|file| has_wasm_tests(file)) {
        suites.push(own.to_owned());
    }
    for file in rust_files(&dir.join("tests")) {
        let is_suite = file.parent().is_some_and(|parent| parent.ends_with("tests")) && has_wasm_tests(&file);
        if let Some(stem) = file.file_stem().filter(|_| is_suite) {
            suites.extend(["--test".to_owned(), stem.to_string_lossy().into_owned()]);
        }
    }
    suites
}

fn has_wasm_tests(file: &Path) -> bool {
    fs::read_to_string(file).is_ok_and(|text| text.contains("#[wasm_bindgen_test"))
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .flat_map(|path| if path.is_dir() { rust_files(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|ending| ending == "rs"))
        .collect();
    files.sort();
    files
}

fn counted(command: &Cmd, tally: &mut Tally) -> Result<()> {
    let status = command.stream(|line| tally.read(line)).context("cannot read what the tests say")?;
    if !status.success() {
        bail!("{} ended with {status}", command.line());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_programs_with_tests_for_wasm_are_named() {
        let dir = std::env::temp_dir().join(format!("xtask-suites-{}", std::process::id()));
        fs::create_dir_all(dir.join("src/deep")).unwrap();
        fs::create_dir_all(dir.join("tests/common")).unwrap();
        fs::write(dir.join("src/deep/a.rs"), "#[test]\nfn a() {}").unwrap();
        fs::write(dir.join("tests/host.rs"), "#[test]\nfn a() {}").unwrap();
        fs::write(dir.join("tests/web.rs"), "#[wasm_bindgen_test]\nfn a() {}").unwrap();
        fs::write(dir.join("tests/common/mod.rs"), "#[wasm_bindgen_test]\nfn a() {}").unwrap();
        assert_eq!(suites(&dir, "--lib"), ["--test", "web"]);
        fs::write(dir.join("src/deep/a.rs"), "#[wasm_bindgen_test]\nfn a() {}").unwrap();
        assert_eq!(suites(&dir, "--lib"), ["--lib", "--test", "web"]);
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn a_run_goes_on_after_a_failure_and_fails_in_the_end() {
        let mut run = Run::default();
        assert!(!run.step("one", |_| bail!("it is broken")));
        assert!(run.step("two", |tally| {
            tally.passed = 2;
            Ok(())
        }));
        assert!(run.finish().unwrap_err().is::<StepsFailed>());
    }
}
