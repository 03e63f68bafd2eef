//! Build of all test binaries and the programs they start, with clippy as compiler.
//!
//! Cargo runs clippy's driver in place of rustc for the workspace's crates, as `cargo clippy` does. So one build both compiles and
//! lints: a separate `cargo clippy` would compile some 600 dependencies again. The whole workspace is built with one set of
//! features: building each package separately would compile a third of the dependencies two or three times. So the tested server
//! and app have features that are not shipped (`inspect`, tokio's `test-util`); `cargo xtask test --full` and CI's release builds
//! test what is shipped.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail, ensure};
use tinyjson::JsonValue;
use xtask::exec::{Cmd, status};

use crate::test_results::TestResults;

/// A compiled test program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestBinary {
    /// Its package.
    pub package: String,
    /// Its cargo target: `it` for `tests/it`, else the name of the library or program.
    pub target: String,
    program: PathBuf,
    dir: PathBuf,
}

/// Result of a build.
#[derive(Debug, Default)]
pub struct TestBuild {
    /// Sorted by package and target.
    pub test_binaries: Vec<TestBinary>,
    programs: BTreeMap<String, PathBuf>,
    warnings: BTreeSet<String>,
}

impl TestBuild {
    /// Runs a `cargo test` command with `--no-run`.
    ///
    /// # Errors
    ///
    /// Something does not compile.
    pub fn run_cargo(command: Cmd, clippy: &Path) -> Result<Self> {
        let colored = if std::io::stderr().is_terminal() { "json-diagnostic-rendered-ansi" } else { "json" };
        let command = command.args(["--no-run", "--message-format", colored]).env("RUSTC_WORKSPACE_WRAPPER", clippy);
        let mut build = Self::default();
        command.for_each_line(|line| build.read(line))?;
        build.test_binaries.sort_by(|a, b| (&a.package, &a.target).cmp(&(&b.package, &b.target)));
        Ok(build)
    }

    /// Parses a JSON message of cargo. Prints each distinct warning once.
    fn read(&mut self, line: &str) {
        let Ok(message) = line.parse::<JsonValue>() else { return };
        match text(&message, &["reason"]) {
            Some("compiler-message") => {
                let rendered = text(&message, &["message", "rendered"]).unwrap_or_default();
                if self.warnings.insert(rendered.to_owned()) {
                    eprint!("{rendered}");
                }
            }
            Some("compiler-artifact") => self.read_artifact(&message),
            _ => {}
        }
    }

    fn read_artifact(&mut self, message: &JsonValue) {
        let (Some(program), Some(target), Some(manifest)) =
            (text(message, &["executable"]), text(message, &["target", "name"]), text(message, &["manifest_path"]))
        else {
            return;
        };
        if at(message, &["profile", "test"]).and_then(JsonValue::get) == Some(&true) {
            let dir = Path::new(manifest).parent().unwrap_or(Path::new("")).to_owned();
            let package = package(text(message, &["package_id"]).unwrap_or_default(), &dir);
            self.test_binaries.push(TestBinary { package, target: target.to_owned(), program: program.into(), dir });
        } else {
            self.programs.insert(target.to_owned(), program.into());
        }
    }

    /// Checks that there were no warnings.
    ///
    /// # Errors
    ///
    /// The number of warnings, which are already printed.
    pub fn ensure_no_warnings(&self) -> Result<()> {
        ensure!(
            self.warnings.is_empty(),
            "fix the warnings of the build, which are printed above: {}",
            self.warnings.len()
        );
        Ok(())
    }

    /// Path of a built program that is no test.
    ///
    /// # Errors
    ///
    /// Cargo built no program of that name.
    pub fn program(&self, name: &str) -> Result<&Path> {
        match self.programs.get(name) {
            Some(path) => Ok(path),
            None => bail!("cargo built no program {name}"),
        }
    }

    /// Runs the selected test binaries in sequence, continuing after a failure.
    ///
    /// # Errors
    ///
    /// The failed binaries with the reason of each, or none was selected.
    pub fn run(
        &self,
        is_selected: impl Fn(&TestBinary) -> bool,
        args: &[&str],
        env: &[(&str, &OsStr)],
        results: &mut TestResults,
    ) -> Result<()> {
        let selected: Vec<&TestBinary> = self.test_binaries.iter().filter(|binary| is_selected(binary)).collect();
        ensure!(!selected.is_empty(), "no test binary was built for the selected tests");
        let mut failed = Vec::new();
        for binary in selected {
            status(format!("{} {}", binary.package, binary.target));
            let command = Cmd::new(&binary.program).args(args);
            let mut command = command.env("CARGO_MANIFEST_DIR", &binary.dir).dir(&binary.dir);
            for (name, value) in env {
                command = command.env(name, value);
            }
            let failed_before = results.failed;
            if let Err(error) = command.for_each_line(|line| results.read_and_print(line)) {
                // A program that crashed or did not start reported no failed test.
                results.failed = results.failed.max(failed_before + 1);
                failed.push(format!("{} {}: {error:#}", binary.package, binary.target));
            }
        }
        ensure!(failed.is_empty(), "test programs failed: {}", failed.join(", "));
        Ok(())
    }
}

/// Package name in a package ID, such as `path+file:///x/crates/core#hutong-core@0.1.0`. Cargo omits it if the directory has the
/// same name (`path+file:///x/xtask#0.1.0`).
fn package(id: &str, dir: &Path) -> String {
    let (_, fragment) = id.rsplit_once('#').unwrap_or_default();
    match fragment.split_once('@') {
        Some((name, _)) => name.to_owned(),
        None => dir.file_name().unwrap_or_default().to_string_lossy().into_owned(),
    }
}

fn at<'a>(value: &'a JsonValue, path: &[&str]) -> Option<&'a JsonValue> {
    path.iter().try_fold(value, |value, key| value.get::<std::collections::HashMap<String, JsonValue>>()?.get(*key))
}

fn text<'a>(value: &'a JsonValue, path: &[&str]) -> Option<&'a str> {
    at(value, path)?.get::<String>().map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn artifact(id: &str, target: &str, is_test: bool, program: &str) -> String {
        format!(
            r#"{{"reason":"compiler-artifact","package_id":"{id}","manifest_path":"/x/dir/Cargo.toml",
            "target":{{"name":"{target}"}},"profile":{{"test":{is_test}}},"executable":{program}}}"#
        )
    }

    #[test]
    fn built_programs_are_read_from_cargo_messages() {
        let mut build = TestBuild::default();
        build.read(&artifact("path+file:///x/dir#hutong-core@0.1.0", "flow", true, "\"/t/flow-1\""));
        build.read(&artifact("path+file:///x/dir#0.1.0", "own", true, "\"/t/own-1\""));
        build.read(&artifact("path+file:///x/dir#hutong-core@0.1.0", "hutong_core", false, "null"));
        build.read(&artifact("path+file:///x/dir#hutong-server@0.1.0", "hutong-server", false, "\"/t/hutong-server\""));
        build.read("not JSON");
        let names: Vec<_> = build.test_binaries.iter().map(|binary| (&*binary.package, &*binary.target)).collect();
        assert_eq!(names, [("hutong-core", "flow"), ("dir", "own")]);
        assert_eq!(build.program("hutong-server").unwrap(), Path::new("/t/hutong-server"));
        assert!(build.program("hutong-app").is_err());
        build.ensure_no_warnings().unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_crashed_test_binary_counts_as_a_failure_and_the_error_has_the_reason() {
        let binary = |target: &str, program: &str| TestBinary {
            package: "hutong-core".to_owned(),
            target: target.to_owned(),
            program: program.into(),
            dir: "/".into(),
        };
        let build = TestBuild {
            test_binaries: vec![binary("it", "sh"), binary("gone", "/hutong-no-such-program")],
            ..TestBuild::default()
        };
        let run = |script: &str, is_selected: fn(&TestBinary) -> bool| {
            let mut results = TestResults::default();
            let error = build.run(is_selected, &["-c", script], &[], &mut results).unwrap_err().to_string();
            (results.passed, results.failed, error)
        };
        let reported = "echo 'test result: FAILED. 3 passed; 2 failed; 0 ignored'; exit 101";
        let (passed, failed, error) = run(reported, |binary| binary.target == "it");
        assert_eq!((passed, failed), (3, 2), "reported failures are not counted twice");
        assert!(error.starts_with("test programs failed: hutong-core it: sh ") && error.contains("101"), "{error}");
        let (passed, failed, error) = run("kill -ABRT $$", |_| true);
        assert_eq!((passed, failed), (0, 2), "one for each program");
        assert!(error.contains("signal: 6"), "{error}");
        assert!(error.contains("hutong-core gone: cannot start /hutong-no-such-program"), "{error}");
    }

    #[test]
    fn a_repeated_warning_counts_once() {
        let mut build = TestBuild::default();
        for _ in 0..2 {
            build.read(r#"{"reason":"compiler-message","message":{"rendered":"warning: it is odd\n"}}"#);
        }
        assert!(build.ensure_no_warnings().unwrap_err().to_string().ends_with("above: 1"));
    }
}
