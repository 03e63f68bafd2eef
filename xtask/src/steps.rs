//! Steps of a test run, with time budgets.

use std::time::Instant;

use anyhow::{Result, bail};
use xtask::exec::status;

use crate::test_results::{self, StepResult, TestResults};

/// Time budget of a step of `cargo xtask test`, in minutes on two processors.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepBudget {
    /// The step's name.
    pub name: &'static str,
    /// Minutes if nothing was fetched or compiled before.
    pub cold: f32,
    /// Minutes if only some code of the project changed since the last build.
    pub warm: f32,
}

const fn budget(name: &'static str, cold: f32, warm: f32) -> StepBudget {
    StepBudget { name, cold, warm }
}

pub const SYSTEM_PACKAGES: StepBudget = budget("system packages", 3.0, 0.2);
pub const WASM_TOOLCHAIN: StepBudget = budget("wasm toolchain", 1.0, 0.1);
pub const FORMAT: StepBudget = budget("format", 0.2, 0.2);
pub const WEB_APP: StepBudget = budget("web app", 6.0, 1.8);
pub const BUILD: StepBudget = budget("build and clippy", 14.0, 3.8);
pub const WASM_CLIPPY: StepBudget = budget("clippy for wasm", 1.2, 0.4);
pub const CHECKS: StepBudget = budget("platforms and packaging", 1.0, 0.7);
pub const UNIT: StepBudget = budget("unit tests", 6.5, 6.5);
pub const DOCUMENTATION: StepBudget = budget("documentation tests", 1.0, 0.4);
pub const WASM: StepBudget = budget("wasm tests", 4.0, 0.8);
pub const END_TO_END: StepBudget = budget("end-to-end tests", 23.6, 23.6);

/// All steps of `cargo xtask test`. New tests must fit into these budgets.
const BUDGETS: [StepBudget; 11] = [
    SYSTEM_PACKAGES,
    WASM_TOOLCHAIN,
    FORMAT,
    WEB_APP,
    BUILD,
    WASM_CLIPPY,
    CHECKS,
    UNIT,
    DOCUMENTATION,
    WASM,
    END_TO_END,
];

/// The budget that applies to a test run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BudgetKind {
    /// [`StepBudget::cold`].
    Cold,
    /// [`StepBudget::warm`].
    Warm,
    /// No budget: for a full test, or a single step.
    Unlimited,
}

impl BudgetKind {
    fn minutes(self, name: &str) -> Option<f32> {
        let budget = BUDGETS.iter().find(|budget| budget.name == name)?;
        match self {
            Self::Cold => Some(budget.cold),
            Self::Warm => Some(budget.warm),
            Self::Unlimited => None,
        }
    }
}

/// Runner of steps: records the time and the test results of each.
#[derive(Debug)]
pub struct TestRun {
    budget_kind: BudgetKind,
    results: Vec<StepResult>,
}

impl TestRun {
    /// Creates a run without results.
    pub fn new(budget_kind: BudgetKind) -> Self {
        Self { budget_kind, results: Vec::new() }
    }

    /// Runs a step and records its result. Returns whether it succeeded.
    pub fn step(&mut self, name: &'static str, run: impl FnOnce(&mut TestResults) -> Result<()>) -> bool {
        status(format!("== {name}"));
        let started = Instant::now();
        let mut tests = TestResults::default();
        let error = run(&mut tests).err().map(|error| format!("{error:#}"));
        let budget = self.budget_kind.minutes(name);
        let result = StepResult { name, time: started.elapsed(), budget, tests, error };
        match &result.error {
            Some(error) => status(format!("== {name}: FAILED after {}: {error}", result.minutes())),
            None => status(format!("== {name}: ok, {}", result.minutes())),
        }
        if result.is_over_budget() {
            status(format!("== {name}: warning: exceeded its time budget"));
        }
        let is_ok = result.error.is_none();
        self.results.push(result);
        is_ok
    }

    /// Prints the table of steps and the totals.
    ///
    /// # Errors
    ///
    /// [`StepsFailed`] if a step failed.
    pub fn finish(self) -> Result<()> {
        println!("\n{}", test_results::summary(&self.results));
        if self.results.iter().any(|result| result.counted_tests().failed > 0) {
            bail!(StepsFailed);
        }
        Ok(())
    }
}

/// Error for failed steps. It is not printed, since the last line of the output must be the totals.
#[derive(Debug, Clone, Copy)]
pub struct StepsFailed;

impl std::error::Error for StepsFailed {}

impl std::fmt::Display for StepsFailed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("steps failed")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_continues_after_a_failed_step_and_fails_at_its_end() {
        let mut run = TestRun::new(BudgetKind::Warm);
        assert!(!run.step("one", |_| bail!("it is broken")));
        assert!(run.step("two", |tests| {
            tests.passed = 2;
            Ok(())
        }));
        assert!(run.finish().unwrap_err().is::<StepsFailed>());
    }

    #[test]
    fn the_budgets_sum_to_less_than_64_minutes_cold_and_39_warm() {
        assert!(BUDGETS.iter().map(|budget| budget.cold).sum::<f32>() < 64.0);
        assert!(BUDGETS.iter().map(|budget| budget.warm).sum::<f32>() < 39.0);
        assert_eq!(BudgetKind::Cold.minutes("unit tests"), Some(UNIT.cold));
        assert_eq!(BudgetKind::Unlimited.minutes("unit tests"), None);
    }
}
