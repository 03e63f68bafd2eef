//! Test results: parses the output of test programs, and summarizes all steps.

use std::fmt::Write as _;
use std::time::Duration;

/// Lines of a failed test's output to repeat in the summary: less than its backtrace.
const MAX_LINES: usize = 8;

/// Length limit of such a line, in characters.
const MAX_LINE_LENGTH: usize = 300;

/// Limit of failed tests in the summary: more usually have a common cause.
const MAX_FAILURES: usize = 20;

/// Numbers of passed and failed tests, and the first lines of failed ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TestResults {
    /// Number of passed tests.
    pub passed: u64,
    /// Number of failed tests.
    pub failed: u64,
    /// Name and first lines of each failed test.
    failures: Vec<Vec<String>>,
    /// Whether the current line belongs to a failed test.
    is_in_failure: bool,
}

impl TestResults {
    /// Parses a line of output, such as `test result: ok. 5 passed; 0 failed; ...`, or one below `---- a_test stdout ----`.
    fn read(&mut self, line: &str) {
        self.read_failure(line);
        let Some((_, counts)) = line.split_once("test result: ") else { return };
        let count = |label: &str| {
            let (before, _) = counts.split_once(label)?;
            before.rsplit(|c: char| !c.is_ascii_digit()).next()?.parse::<u64>().ok()
        };
        self.passed += count(" passed").unwrap_or(0);
        self.failed += count(" failed").unwrap_or(0);
    }

    /// Prints and parses a line of output.
    pub fn read_and_print(&mut self, line: &str) {
        println!("{line}");
        self.read(line);
    }

    fn read_failure(&mut self, line: &str) {
        let line = line.trim_end();
        // The test runner of wasm-bindgen prints `output` instead of `stdout`.
        let header = line.strip_prefix("---- ").and_then(|rest| rest.strip_suffix(" ----"));
        if let Some((name, "stdout" | "output")) = header.and_then(|header| header.rsplit_once(' ')) {
            self.is_in_failure = self.failures.len() < MAX_FAILURES;
            if self.is_in_failure {
                self.failures.push(vec![name.to_owned()]);
            }
        } else if matches!(line, "failures:" | "stack backtrace:") {
            self.is_in_failure = false;
        } else if let Some(failure) = self.failures.last_mut().filter(|_| self.is_in_failure)
            && !line.is_empty()
            && failure.len() <= MAX_LINES
        {
            failure.push(line.chars().take(MAX_LINE_LENGTH).collect());
        }
    }
}

/// Result of a step of a test run.
#[derive(Debug, Clone)]
pub struct StepResult {
    /// Name of the step.
    pub name: &'static str,
    /// Duration of the step.
    pub time: Duration,
    /// Time budget in minutes, if any.
    pub budget: Option<f32>,
    /// Results of its tests.
    pub tests: TestResults,
    /// Reason of its failure, if any.
    pub error: Option<String>,
}

impl StepResult {
    /// Its test results. A step that failed without a failed test (such as a compile error) counts as one failed test, so that
    /// the totals are never `0 failed` after a failure.
    pub fn counted_tests(&self) -> TestResults {
        let failed = if self.error.is_some() { self.tests.failed.max(1) } else { self.tests.failed };
        TestResults { failed, ..self.tests.clone() }
    }

    /// Duration and budget in minutes.
    pub fn minutes(&self) -> String {
        minutes(self.time, self.budget)
    }

    /// Whether it exceeded its budget.
    pub fn is_over_budget(&self) -> bool {
        self.budget.is_some_and(|budget| self.time.as_secs_f32() > budget * 60.0)
    }
}

fn minutes(time: Duration, budget: Option<f32>) -> String {
    let taken = time.as_secs_f32() / 60.0;
    budget.map_or_else(|| format!("{taken:.1} min"), |budget| format!("{taken:.1} of {budget:.1} min"))
}

/// Formats the output of failed tests, the table of all steps and, on the last line, the totals.
pub fn summary(results: &[StepResult]) -> String {
    let mut text = String::new();
    for failure in results.iter().flat_map(|result| &result.tests.failures) {
        let _ = writeln!(text, "{}\n", failure.join("\n    "));
    }
    let mut total = TestResults::default();
    for result in results {
        let TestResults { passed, failed, .. } = result.counted_tests();
        let tests = if (result.tests.passed, result.tests.failed) == (0, 0) {
            String::new()
        } else {
            format!("{passed} passed, {failed} failed")
        };
        let verdict = if result.error.is_some() { "FAILED" } else { "ok" };
        let over = if result.is_over_budget() { "OVER" } else { "" };
        let _ = writeln!(text, "{:<28} {:>16} {over:<4} {verdict:<7} {tests}", result.name, result.minutes());
        total.passed += passed;
        total.failed += failed;
    }
    let budgets: Vec<f32> = results.iter().filter_map(|result| result.budget).collect();
    let all =
        minutes(results.iter().map(|result| result.time).sum(), (!budgets.is_empty()).then(|| budgets.iter().sum()));
    let _ = writeln!(text, "{:<28} {all:>16}", "all");
    for result in results {
        if let Some(error) = &result.error {
            let _ = writeln!(text, "{}: {error}", result.name);
        }
    }
    let _ = write!(text, "{} passed, {} failed", total.passed, total.failed);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(passed: u64, failed: u64, error: Option<&str>) -> StepResult {
        let tests = TestResults { passed, failed, ..TestResults::default() };
        let error = error.map(str::to_owned);
        StepResult { name: "unit tests", time: Duration::from_secs(90), budget: Some(1.0), tests, error }
    }

    fn read(lines: &[&str]) -> TestResults {
        let mut results = TestResults::default();
        lines.iter().for_each(|line| results.read(line));
        results
    }

    #[test]
    fn results_of_several_programs_are_added() {
        let results = read(&[
            "running 12 tests",
            "test a ... ok",
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s",
        ]);
        assert_eq!(results, TestResults { passed: 15, failed: 2, ..TestResults::default() });
    }

    #[test]
    fn the_output_of_failed_tests_is_repeated_above_the_table() {
        let mut failed = step(0, 0, Some("cargo test ended with 101"));
        failed.tests = read(&[
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
        let expected = "a\n    thread 'a' (7) panicked at src/a.rs:1:1:\n    one is not two\n\n\
                    b::c\n    Error: waited 10s for the call to be gone\n\n";
        assert!(text.starts_with(expected), "{text}");
        assert_eq!(text.lines().last(), Some("6 passed, 2 failed"));
    }

    #[test]
    fn the_repeated_output_of_failed_tests_is_bounded() {
        let mut lines = Vec::new();
        for test in 0..100 {
            lines.push(format!("---- t{test} stdout ----"));
            lines.extend((0..100).map(|_| "字".repeat(1000)));
        }
        let results = read(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(results.failures.len(), MAX_FAILURES);
        assert!(results.failures.iter().all(|failure| failure.len() == 1 + MAX_LINES));
        assert!(results.failures.iter().flatten().all(|line| line.chars().count() <= MAX_LINE_LENGTH));
    }

    #[test]
    fn lines_that_resemble_results_are_not_counted() {
        for line in
            ["7 passed; 1 failed", "test result said: 4 passed", "", "test result: ok.", "test result: x passed"]
        {
            assert_eq!(read(&[line]), TestResults::default(), "{line}");
        }
    }

    #[test]
    fn steps_are_listed_with_their_budgets_and_the_last_line_has_the_totals() {
        let text = summary(&[step(3, 0, None), StepResult { budget: Some(2.5), ..step(4, 0, None) }]);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].contains("1.5 of 1.0 min OVER ok"), "{text}");
        assert!(lines[1].contains("1.5 of 2.5 min      ok"), "{text}");
        assert!(lines[2].starts_with("all") && lines[2].ends_with(" 3.0 of 3.5 min"), "{text}");
        assert_eq!(text.lines().last(), Some("7 passed, 0 failed"));
    }

    #[test]
    fn a_step_that_failed_without_a_failed_test_counts_as_one_failure() {
        let text = summary(&[step(3, 0, None), step(0, 0, Some("it does not compile"))]);
        assert_eq!(text.lines().last(), Some("3 passed, 1 failed"));
        assert!(text.contains("it does not compile"));
        // Failed tests are not counted twice.
        let text = summary(&[step(3, 2, Some("cargo test ended with 101"))]);
        assert_eq!(text.lines().last(), Some("3 passed, 2 failed"));
    }
}
