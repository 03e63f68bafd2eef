//! Checks and their problems: a check reports all problems, not only the first.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use xtask::exec::status;
use xtask::project::Project;

/// A named check. Its error has one line for each problem.
pub type Check = (&'static str, fn(&Project) -> Result<()>);

/// Runs all checks, continuing after a failed one.
pub fn run<'a>(project: &Project, checks: impl Iterator<Item = &'a Check>) -> Result<()> {
    let mut problems = Problems::default();
    for (name, check) in checks {
        match check(project) {
            Ok(()) => status(format!("{name}: ok")),
            Err(error) => problems.add(format!("{name}:\n  {}", format!("{error:#}").replace('\n', "\n  "))),
        }
    }
    problems.finish()
}

/// Collected problems of a check.
#[derive(Debug, Default)]
pub struct Problems(Vec<String>);

impl Problems {
    /// Adds a problem.
    pub fn add(&mut self, problem: impl Into<String>) {
        self.0.push(problem.into());
    }

    /// Adds a problem unless the condition holds.
    pub fn require(&mut self, condition: bool, problem: impl FnOnce() -> String) {
        if !condition {
            self.add(problem());
        }
    }

    /// Returns the value of a result, or adds its error as a problem.
    pub fn collect<T>(&mut self, result: Result<T>) -> Option<T> {
        result.map_err(|error| self.add(format!("{error:#}"))).ok()
    }

    /// Returns all problems as an error.
    pub fn finish(self) -> Result<()> {
        if self.0.is_empty() { Ok(()) } else { bail!("{}", self.0.join("\n")) }
    }
}

/// Reads a text file.
pub fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

/// Files directly in a directory, sorted by name; empty if there is no such directory.
pub fn files(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    files.sort();
    files
}

/// Whether a text has Chinese characters.
pub fn is_chinese(text: &str) -> bool {
    text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c))
}

/// Whether a text has Latin letters.
pub fn is_latin(text: &str) -> bool {
    text.chars().any(|c| c.is_ascii_alphabetic())
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A project with this root.
    pub fn project(root: &Path) -> Project {
        Project { root: root.into(), target: root.join("target"), cache: root.join("cache") }
    }

    /// This project.
    pub fn this_project() -> Project {
        project(Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap())
    }

    /// Writes a file, and creates its directories.
    pub fn write(file: &Path, text: &str) {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    #[test]
    fn problems_of_all_checks_are_reported() {
        let checks: [Check; 3] = [
            ("one", |_| bail!("is wrong\nand so is this")),
            ("two", |_| Ok(())),
            ("three", |_| bail!("is wrong as well")),
        ];
        let error = run(&this_project(), checks.iter()).unwrap_err().to_string();
        assert_eq!(error, "one:\n  is wrong\n  and so is this\nthree:\n  is wrong as well");
        assert!(run(&this_project(), checks[1..2].iter()).is_ok());
    }

    #[test]
    fn the_language_of_a_text_is_detected() {
        assert!(is_chinese("通话") && !is_chinese("call") && is_latin("call") && !is_latin("通话"));
    }
}
