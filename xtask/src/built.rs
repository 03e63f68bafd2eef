//! One build of everything that is tested, with clippy watching: the programs of the tests, and what they start.
//!
//! Clippy is a compiler that also judges, and cargo runs it in place of rustc for this workspace's crates (as `cargo clippy` does). So
//! one build serves for both: `cargo clippy` by itself would compile each of some 600 dependencies a second time. And what is tested is
//! compiled with one set of features: built package by package, a third of the dependencies would be compiled in two or three. So the
//! server and the app under test have features that they do not ship with (`inspect`, tokio's `test-util`); what ships is covered by
//! `cargo xtask test --full`, which builds and uses the packages, and by CI's release builds.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail, ensure};
use tinyjson::JsonValue;
use xtask::exec::{Cmd, say};

use crate::tally::Tally;

/// A program with tests in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suite {
    /// The package that it is of.
    pub package: String,
    /// `it` for tests/it, else the name of the library or program.
    pub target: String,
    program: PathBuf,
    dir: PathBuf,
}

/// What a build made.
#[derive(Debug, Default)]
pub struct Built {
    /// In the order of their names.
    pub suites: Vec<Suite>,
    programs: BTreeMap<String, PathBuf>,
    warnings: BTreeSet<String>,
}

impl Built {
    /// Builds with this cargo command, which is a `cargo test --no-run`.
    ///
    /// # Errors
    ///
    /// Where something does not compile.
    pub fn with(command: Cmd, clippy: &Path) -> Result<Self> {
        let colored = if std::io::stderr().is_terminal() { "json-diagnostic-rendered-ansi" } else { "json" };
        let command = command.args(["--no-run", "--message-format", colored]).env("RUSTC_WORKSPACE_WRAPPER", clippy);
        let mut built = Self::default();
        command.stream(|line| built.read(line))?;
        built.suites.sort_by(|a, b| (&a.package, &a.target).cmp(&(&b.package, &b.target)));
        Ok(built)
    }

    /// Takes what one message of cargo tells; warnings are printed as they come, once each.
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
            self.suites.push(Suite { package, target: target.to_owned(), program: program.into(), dir });
        } else {
            self.programs.insert(target.to_owned(), program.into());
        }
    }

    /// An error if clippy or the compiler warned of anything.
    ///
    /// # Errors
    ///
    /// How many warnings there were; they have been printed.
    pub fn ensure_no_warnings(&self) -> Result<()> {
        ensure!(self.warnings.is_empty(), "{} warnings; they are above", self.warnings.len());
        Ok(())
    }

    /// A program that is no test.
    ///
    /// # Errors
    ///
    /// Where cargo built none of that name.
    pub fn program(&self, name: &str) -> Result<&Path> {
        match self.programs.get(name) {
            Some(path) => Ok(path),
            None => bail!("cargo has not built {name}"),
        }
    }

    /// Runs those suites that `wanted` accepts, one after the other, all of them whatever comes of one.
    ///
    /// # Errors
    ///
    /// The names of those that failed and how each ended, or that there are none.
    pub fn run(
        &self,
        wanted: impl Fn(&Suite) -> bool,
        args: &[&str],
        env: &[(&str, &OsStr)],
        tally: &mut Tally,
    ) -> Result<()> {
        let suites: Vec<&Suite> = self.suites.iter().filter(|suite| wanted(suite)).collect();
        ensure!(!suites.is_empty(), "there are no such tests");
        let mut failed = Vec::new();
        for suite in suites {
            say(format!("{} {}", suite.package, suite.target));
            let mut command = Cmd::new(&suite.program).args(args).env("CARGO_MANIFEST_DIR", &suite.dir).dir(&suite.dir);
            for (name, value) in env {
                command = command.env(name, value);
            }
            let failed_before = tally.failed;
            if let Err(error) = command.stream(|line| tally.read_and_print(line)) {
                // A program that crashed, or did not start, has not reported which tests failed.
                tally.failed = tally.failed.max(failed_before + 1);
                failed.push(format!("{} {}: {error:#}", suite.package, suite.target));
            }
        }
        ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
        Ok(())
    }
}

/// `hutong-core` of `path+file:///x/crates/core#hutong-core@0.1.0`; where the directory has the package's name, cargo leaves it out
/// (`path+file:///x/xtask#0.1.0`).
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
    fn what_cargo_built_is_read_from_its_messages() {
        let mut built = Built::default();
        built.read(&artifact("path+file:///x/dir#hutong-core@0.1.0", "flow", true, "\"/t/flow-1\""));
        built.read(&artifact("path+file:///x/dir#0.1.0", "own", true, "\"/t/own-1\""));
        built.read(&artifact("path+file:///x/dir#hutong-core@0.1.0", "hutong_core", false, "null"));
        built.read(&artifact("path+file:///x/dir#hutong-server@0.1.0", "hutong-server", false, "\"/t/hutong-server\""));
        built.read("no message");
        let names: Vec<_> = built.suites.iter().map(|suite| (&*suite.package, &*suite.target)).collect();
        assert_eq!(names, [("hutong-core", "flow"), ("dir", "own")]);
        assert_eq!(built.program("hutong-server").unwrap(), Path::new("/t/hutong-server"));
        assert!(built.program("hutong-app").is_err());
        built.ensure_no_warnings().unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_test_program_that_crashes_counts_as_a_failure_and_the_error_says_how_each_ended() {
        let suite = |target: &str, program: &str| Suite {
            package: "hutong-core".to_owned(),
            target: target.to_owned(),
            program: program.into(),
            dir: "/".into(),
        };
        let built =
            Built { suites: vec![suite("it", "sh"), suite("gone", "/hutong-no-such-program")], ..Built::default() };
        let run = |script: &str, is_wanted: fn(&Suite) -> bool| {
            let mut tally = Tally::default();
            let error = built.run(is_wanted, &["-c", script], &[], &mut tally).unwrap_err().to_string();
            (tally.passed, tally.failed, error)
        };
        let reported = "echo 'test result: FAILED. 3 passed; 2 failed; 0 ignored'; exit 101";
        let (passed, failed, error) = run(reported, |suite| suite.target == "it");
        assert_eq!((passed, failed), (3, 2), "reported failures are not counted twice");
        assert!(error.starts_with("failed: hutong-core it: sh ") && error.contains("101"), "{error}");
        let (passed, failed, error) = run("kill -ABRT $$", |_| true);
        assert_eq!((passed, failed), (0, 2), "one for each program");
        assert!(error.contains("signal: 6"), "{error}");
        assert!(error.contains("hutong-core gone: cannot start /hutong-no-such-program"), "{error}");
    }

    #[test]
    fn a_warning_of_two_builds_of_a_crate_counts_once() {
        let mut built = Built::default();
        for _ in 0..2 {
            built.read(r#"{"reason":"compiler-message","message":{"rendered":"warning: it is odd\n"}}"#);
        }
        assert!(built.ensure_no_warnings().unwrap_err().to_string().starts_with("1 warning"));
    }
}
