//! What checks have in common: they name everything that is wrong, and not only the first.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use xtask::exec::say;
use xtask::project::Project;

/// A check that has a name. It fails with one line for each thing that is wrong.
pub type Check = (&'static str, fn(&Project) -> Result<()>);

/// Runs checks, and goes on after one that fails.
///
/// # Errors
///
/// Where something is wrong, with everything that is.
pub fn run<'a>(project: &Project, checks: impl Iterator<Item = &'a Check>) -> Result<()> {
    let mut problems = Problems::default();
    for (name, check) in checks {
        match check(project) {
            Ok(()) => say(format!("{name}: ok")),
            Err(error) => problems.add(format!("{name}:\n  {}", format!("{error:#}").replace('\n', "\n  "))),
        }
    }
    problems.end()
}

/// What a check finds, all at once: who mends one thing after the other runs it once.
#[derive(Debug, Default)]
pub struct Problems(Vec<String>);

impl Problems {
    /// Notes one.
    pub fn add(&mut self, problem: impl Into<String>) {
        self.0.push(problem.into());
    }

    /// Notes one unless it is so.
    pub fn demand(&mut self, is_so: bool, problem: impl FnOnce() -> String) {
        if !is_so {
            self.add(problem());
        }
    }

    /// Takes what came out well, and notes what did not.
    pub fn try_out<T>(&mut self, result: Result<T>) -> Option<T> {
        result.map_err(|error| self.add(format!("{error:#}"))).ok()
    }

    /// An error if there are any.
    pub fn end(self) -> Result<()> {
        if self.0.is_empty() { Ok(()) } else { bail!("{}", self.0.join("\n")) }
    }
}

/// A file's text.
pub fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

/// The files of a directory itself, by name; none where there is no such directory.
pub fn files(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    files.sort();
    files
}

/// Whether a sentence has Chinese characters.
pub fn is_chinese(text: &str) -> bool {
    text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c))
}

/// Whether a sentence has Latin letters.
pub fn is_latin(text: &str) -> bool {
    text.chars().any(|c| c.is_ascii_alphabetic())
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// What a check says of a project at this root.
    pub fn project(root: &Path) -> Project {
        Project { root: root.into(), target: root.join("target"), cache: root.join("cache") }
    }

    /// This project itself.
    pub fn ours() -> Project {
        project(Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap())
    }

    /// Writes a file, and the directories that it stands in.
    pub fn write(file: &Path, text: &str) {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    #[test]
    fn every_problem_is_told_also_after_one_that_failed() {
        let checks: [Check; 3] = [
            ("one", |_| bail!("is wrong\nand so is this")),
            ("two", |_| Ok(())),
            ("three", |_| bail!("is wrong as well")),
        ];
        let error = run(&ours(), checks.iter()).unwrap_err().to_string();
        assert_eq!(error, "one:\n  is wrong\n  and so is this\nthree:\n  is wrong as well");
        assert!(run(&ours(), checks[1..2].iter()).is_ok());
    }

    #[test]
    fn a_text_tells_its_language() {
        assert!(is_chinese("通话") && !is_chinese("call") && is_latin("call") && !is_latin("通话"));
    }
}
