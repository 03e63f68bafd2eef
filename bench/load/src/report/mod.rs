//! Reports: Markdown tables of the results, and the measured part of docs/BENCHMARKS.md.

mod tables;
mod targets;

use std::{fs, path::Path};

use anyhow::{Context as _, Result};

use crate::measure::BenchResults;

/// Markers of the measured part in docs/BENCHMARKS.md.
const BEGIN: &str = "<!-- measured: cargo xtask bench server --write; not edited by hand -->";
const END: &str = "<!-- measured: end -->";

/// The whole report as Markdown.
#[must_use]
pub fn markdown(results: &BenchResults) -> String {
    [targets::table(results), tables::all(results)].concat()
}

/// Writes the measured part of docs/BENCHMARKS.md, and the results as JSON beside it.
///
/// # Errors
///
/// Returns an error when the file is missing or has no markers.
pub fn write(results: &BenchResults, docs: &Path) -> Result<()> {
    let page = docs.join("BENCHMARKS.md");
    let text = fs::read_to_string(&page).with_context(|| page.display().to_string())?;
    let (before, rest) = text.split_once(BEGIN).with_context(|| format!("docs/BENCHMARKS.md has no line {BEGIN}"))?;
    let (_, after) = rest.split_once(END).with_context(|| format!("docs/BENCHMARKS.md has no line {END}"))?;
    results.write(&docs.join("bench-server.json"))?;
    fs::write(&page, [before, BEGIN, "\n\n", &markdown(results), END, after].concat())?;
    Ok(())
}
