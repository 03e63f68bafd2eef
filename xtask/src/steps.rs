//! Steps of a test run, one after the other, each with its time beside its budget.

use std::time::Instant;

use anyhow::{Result, bail};
use xtask::exec::say;

use crate::tally::{self, Outcome, Tally};

/// How long a step of `cargo xtask test` may take on two processors, in minutes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Budget {
    /// The step's name.
    pub name: &'static str,
    /// Where nothing has been fetched or compiled yet.
    pub cold: f32,
    /// Where all has been compiled before, and some of our own code has changed since.
    pub warm: f32,
}

const fn budget(name: &'static str, cold: f32, warm: f32) -> Budget {
    Budget { name, cold, warm }
}

pub const SYSTEM_PACKAGES: Budget = budget("system packages", 3.0, 0.2);
pub const WASM_TOOLCHAIN: Budget = budget("wasm toolchain", 1.0, 0.1);
pub const FORMAT: Budget = budget("format", 0.2, 0.2);
pub const WEB_APP: Budget = budget("web app", 6.0, 1.5);
pub const BUILD: Budget = budget("build and clippy", 14.0, 4.0);
pub const WASM_CLIPPY: Budget = budget("clippy for wasm", 1.0, 0.4);
pub const CHECKS: Budget = budget("platforms and packaging", 1.0, 0.7);
pub const UNIT: Budget = budget("unit tests", 6.0, 6.0);
pub const DOCUMENTATION: Budget = budget("documentation tests", 1.0, 0.4);
pub const WASM: Budget = budget("wasm tests", 4.0, 0.8);
pub const END_TO_END: Budget = budget("end-to-end tests", 14.0, 14.0);

/// All of `cargo xtask test`. Whoever adds a test pays for it here.
const BUDGETS: [Budget; 11] = [
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

/// Which budget counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Nothing is compiled yet.
    Cold,
    /// All has been compiled before.
    Warm,
    /// None: more is run than is planned for, or one step alone.
    Unplanned,
}

impl Pace {
    fn minutes(self, name: &str) -> Option<f32> {
        let budget = BUDGETS.iter().find(|budget| budget.name == name)?;
        match self {
            Self::Cold => Some(budget.cold),
            Self::Warm => Some(budget.warm),
            Self::Unplanned => None,
        }
    }
}

/// Runs steps one after the other, each with its name, its time and its tests.
#[derive(Debug)]
pub struct Run {
    pace: Pace,
    outcomes: Vec<Outcome>,
}

impl Run {
    /// None has run yet.
    pub fn new(pace: Pace) -> Self {
        Self { pace, outcomes: Vec::new() }
    }

    /// Runs one step, and goes on whatever comes of it; tells whether it went well.
    pub fn step(&mut self, name: &'static str, run: impl FnOnce(&mut Tally) -> Result<()>) -> bool {
        say(format!("== {name}"));
        let started = Instant::now();
        let mut tally = Tally::default();
        let problem = run(&mut tally).err().map(|error| format!("{error:#}"));
        let outcome = Outcome { name, time: started.elapsed(), budget: self.pace.minutes(name), tally, problem };
        match &outcome.problem {
            Some(problem) => say(format!("== {name}: FAILED after {}: {problem}", outcome.minutes())),
            None => say(format!("== {name}: ok, {}", outcome.minutes())),
        }
        if outcome.is_over() {
            say(format!("== {name}: warning: over its budget"));
        }
        let is_well = outcome.problem.is_none();
        self.outcomes.push(outcome);
        is_well
    }

    /// Prints the table and, last, the sum; an error when any step failed.
    pub fn finish(self) -> Result<()> {
        println!("\n{}", tally::summary(&self.outcomes));
        if self.outcomes.iter().any(|outcome| outcome.counted().failed > 0) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_goes_on_after_a_failure_and_fails_in_the_end() {
        let mut run = Run::new(Pace::Warm);
        assert!(!run.step("one", |_| bail!("it is broken")));
        assert!(run.step("two", |tally| {
            tally.passed = 2;
            Ok(())
        }));
        assert!(run.finish().unwrap_err().is::<StepsFailed>());
    }

    #[test]
    fn a_cold_run_is_planned_to_take_less_than_55_minutes_and_a_warm_one_less_than_30() {
        assert!(BUDGETS.iter().map(|budget| budget.cold).sum::<f32>() < 55.0);
        assert!(BUDGETS.iter().map(|budget| budget.warm).sum::<f32>() < 30.0);
        assert_eq!(Pace::Cold.minutes("unit tests"), Some(UNIT.cold));
        assert_eq!(Pace::Unplanned.minutes("unit tests"), None);
    }
}
