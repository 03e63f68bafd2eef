//! What tests said about themselves: counted from cargo's output, step by step.

use std::fmt::Write as _;
use std::time::Duration;

/// How many lines of what a failed test said are told again at the end; a backtrace begins further down.
const LINES: usize = 8;

/// How long such a line may be, in characters.
const LINE: usize = 300;

/// How many failed tests are told of: more have one cause, most often.
const TOLD: usize = 20;

/// How many tests passed and failed, and what the failed ones said first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Tests that passed.
    pub passed: u64,
    /// Tests that failed.
    pub failed: u64,
    /// Of each failed test its name and its first lines.
    failures: Vec<Vec<String>>,
    /// Whether the lines that come are a failed test's.
    is_in_failure: bool,
}

impl Tally {
    /// Adds what a line of output tells: `test result: ok. 5 passed; 0 failed; ...`, or one below `---- a_test stdout ----`.
    fn read(&mut self, line: &str) {
        self.read_failure(line);
        let Some((_, counts)) = line.split_once("test result: ") else { return };
        let count = |what: &str| {
            let (before, _) = counts.split_once(what)?;
            before.rsplit(|c: char| !c.is_ascii_digit()).next()?.parse::<u64>().ok()
        };
        self.passed += count(" passed").unwrap_or(0);
        self.failed += count(" failed").unwrap_or(0);
    }

    /// Passes a line on to the terminal besides.
    pub fn read_and_print(&mut self, line: &str) {
        println!("{line}");
        self.read(line);
    }

    fn read_failure(&mut self, line: &str) {
        let line = line.trim_end();
        // The test runner of wasm-bindgen says `output`.
        let begins = line.strip_prefix("---- ").and_then(|rest| rest.strip_suffix(" ----"));
        if let Some((name, "stdout" | "output")) = begins.and_then(|begins| begins.rsplit_once(' ')) {
            self.is_in_failure = self.failures.len() < TOLD;
            if self.is_in_failure {
                self.failures.push(vec![name.to_owned()]);
            }
        } else if matches!(line, "failures:" | "stack backtrace:") {
            self.is_in_failure = false;
        } else if let Some(failure) = self.failures.last_mut().filter(|_| self.is_in_failure)
            && !line.is_empty()
            && failure.len() <= LINES
        {
            failure.push(line.chars().take(LINE).collect());
        }
    }
}

/// A step of a test run, ended.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Its name.
    pub name: &'static str,
    /// How long it took.
    pub time: Duration,
    /// How many minutes it may take, where that is planned.
    pub budget: Option<f32>,
    /// The tests in it.
    pub tally: Tally,
    /// Why it failed, if it did.
    pub problem: Option<String>,
}

impl Outcome {
    /// Its tests, where a step that failed without a failed test (it did not compile, say) counts as one: nothing that
    /// failed may end in `0 failed`.
    pub fn counted(&self) -> Tally {
        let failed = if self.problem.is_some() { self.tally.failed.max(1) } else { self.tally.failed };
        Tally { failed, ..self.tally.clone() }
    }

    /// How long it took, beside its budget.
    pub fn minutes(&self) -> String {
        minutes(self.time, self.budget)
    }

    /// Whether it took longer than planned.
    pub fn is_over(&self) -> bool {
        self.budget.is_some_and(|budget| self.time.as_secs_f32() > budget * 60.0)
    }
}

fn minutes(time: Duration, budget: Option<f32>) -> String {
    let taken = time.as_secs_f32() / 60.0;
    budget.map_or_else(|| format!("{taken:.1} min"), |budget| format!("{taken:.1} of {budget:.1} min"))
}

/// What failed tests said, the table of all steps and, alone on the last line, the sum.
pub fn summary(outcomes: &[Outcome]) -> String {
    let mut text = String::new();
    for failure in outcomes.iter().flat_map(|outcome| &outcome.tally.failures) {
        let _ = writeln!(text, "{}\n", failure.join("\n    "));
    }
    let mut sum = Tally::default();
    for outcome in outcomes {
        let Tally { passed, failed, .. } = outcome.counted();
        let tests = if (outcome.tally.passed, outcome.tally.failed) == (0, 0) {
            String::new()
        } else {
            format!("{passed} passed, {failed} failed")
        };
        let result = if outcome.problem.is_some() { "FAILED" } else { "ok" };
        let over = if outcome.is_over() { "OVER" } else { "" };
        let _ = writeln!(text, "{:<28} {:>16} {over:<4} {result:<7} {tests}", outcome.name, outcome.minutes());
        sum.passed += passed;
        sum.failed += failed;
    }
    let planned: Vec<f32> = outcomes.iter().filter_map(|outcome| outcome.budget).collect();
    let all =
        minutes(outcomes.iter().map(|outcome| outcome.time).sum(), (!planned.is_empty()).then(|| planned.iter().sum()));
    let _ = writeln!(text, "{:<28} {all:>16}", "all");
    for outcome in outcomes {
        if let Some(problem) = &outcome.problem {
            let _ = writeln!(text, "{}: {problem}", outcome.name);
        }
    }
    let _ = write!(text, "{} passed, {} failed", sum.passed, sum.failed);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(passed: u64, failed: u64, problem: Option<&str>) -> Outcome {
        let tally = Tally { passed, failed, ..Tally::default() };
        let problem = problem.map(str::to_owned);
        Outcome { name: "unit tests", time: Duration::from_secs(90), budget: Some(1.0), tally, problem }
    }

    fn read(lines: &[&str]) -> Tally {
        let mut tally = Tally::default();
        lines.iter().for_each(|line| tally.read(line));
        tally
    }

    #[test]
    fn results_are_summed_over_programs() {
        let tally = read(&[
            "running 12 tests",
            "test a ... ok",
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s",
        ]);
        assert_eq!(tally, Tally { passed: 15, failed: 2, ..Tally::default() });
    }

    #[test]
    fn what_failed_tests_said_is_told_again_above_the_table() {
        let mut failed = step(0, 0, Some("cargo test ended with 101"));
        failed.tally = read(&[
            "test a ... FAILED",
            "failures:",
            "",
            "---- a stdout ----",
            "",
            "thread 'a' (7) panicked at src/a.rs:1:1:",
            "one is not two",
            "stack backtrace:",
            "   0: somewhere",
            "---- b::c output ----",
            "Error: waited 10s for the call to be gone",
            "",
            "",
            "failures:",
            "    a",
            "    b::c",
            "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s",
        ]);
        let text = summary(&[step(3, 0, None), failed]);
        let told = "a\n    thread 'a' (7) panicked at src/a.rs:1:1:\n    one is not two\n\n\
                    b::c\n    Error: waited 10s for the call to be gone\n\n";
        assert!(text.starts_with(told), "{text}");
        assert_eq!(text.lines().last(), Some("6 passed, 2 failed"));
    }

    #[test]
    fn what_is_told_of_failed_tests_is_bounded() {
        let mut lines = Vec::new();
        for test in 0..100 {
            lines.push(format!("---- t{test} stdout ----"));
            lines.extend((0..100).map(|_| "字".repeat(1000)));
        }
        let tally = read(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(tally.failures.len(), TOLD);
        assert!(tally.failures.iter().all(|failure| failure.len() == 1 + LINES));
        assert!(tally.failures.iter().flatten().all(|line| line.chars().count() <= LINE));
    }

    #[test]
    fn other_lines_that_speak_of_passing_are_not_counted() {
        for line in
            ["7 passed; 1 failed", "test result said: 4 passed", "", "test result: ok.", "test result: x passed"]
        {
            assert_eq!(read(&[line]), Tally::default(), "{line}");
        }
    }

    #[test]
    fn each_step_stands_beside_its_budget_and_the_last_line_is_the_sum_alone() {
        let text = summary(&[step(3, 0, None), Outcome { budget: Some(2.5), ..step(4, 0, None) }]);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].contains("1.5 of 1.0 min OVER ok"), "{text}");
        assert!(lines[1].contains("1.5 of 2.5 min      ok"), "{text}");
        assert!(lines[2].starts_with("all") && lines[2].ends_with(" 3.0 of 3.5 min"), "{text}");
        assert_eq!(text.lines().last(), Some("7 passed, 0 failed"));
    }

    #[test]
    fn a_step_that_failed_without_a_failed_test_is_counted() {
        let text = summary(&[step(3, 0, None), step(0, 0, Some("it does not compile"))]);
        assert_eq!(text.lines().last(), Some("3 passed, 1 failed"));
        assert!(text.contains("it does not compile"));
        // And failed tests are not counted twice.
        let text = summary(&[step(3, 2, Some("cargo test ended with 101"))]);
        assert_eq!(text.lines().last(), Some("3 passed, 2 failed"));
    }
}
