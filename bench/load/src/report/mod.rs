//! Reports: Markdown tables of the results, and the measured parts of docs/BENCHMARKS.md.

pub mod relay;
mod tables;
mod targets;

use std::{fs, path::Path};

use anyhow::{Context as _, Result};

use crate::measure::BenchResults;

/// First line of the servers' measured part in docs/BENCHMARKS.md.
const BEGIN: &str = "<!-- measured: cargo xtask bench server --write; not edited by hand -->";

/// Last line of every measured part.
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
    replace_measured_part(docs, BEGIN, &markdown(results))?;
    results.write(&docs.join("bench-server.json"))
}

/// Replaces the part of docs/BENCHMARKS.md that begins with this line.
fn replace_measured_part(docs: &Path, begin: &str, content: &str) -> Result<()> {
    let page = docs.join("BENCHMARKS.md");
    let text = fs::read_to_string(&page).with_context(|| page.display().to_string())?;
    let (before, rest) = text.split_once(begin).with_context(|| format!("docs/BENCHMARKS.md has no line {begin}"))?;
    let (_, after) = rest.split_once(END).with_context(|| format!("docs/BENCHMARKS.md has no line {END}"))?;
    fs::write(&page, [before, begin, "\n\n", content, END, after].concat())?;
    Ok(())
}
