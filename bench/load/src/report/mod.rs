//! Tables of what was found, and docs/BENCHMARKS.md's part about the server.

mod goals;
mod tables;

use std::{fs, path::Path};

use anyhow::{Context as _, Result};

use crate::measure::Found;

/// Between these lines of docs/BENCHMARKS.md is what this program writes.
const BEGIN: &str = "<!-- measured: cargo xtask bench server --write; not edited by hand -->";
const END: &str = "<!-- measured: end -->";

/// Everything, as Markdown.
#[must_use]
pub fn markdown(found: &Found) -> String {
    [goals::table(found), tables::all(found)].concat()
}

/// Writes the part of docs/BENCHMARKS.md, and its figures beside it.
///
/// # Errors
///
/// When the documentation is not there, or has no place for it.
pub fn write(found: &Found, docs: &Path) -> Result<()> {
    let page = docs.join("BENCHMARKS.md");
    let text = fs::read_to_string(&page).with_context(|| page.display().to_string())?;
    let (before, rest) = text.split_once(BEGIN).context("docs/BENCHMARKS.md has no place for figures")?;
    let (_, after) = rest.split_once(END).context("docs/BENCHMARKS.md has no end of figures")?;
    found.write(&docs.join("bench-server.json"))?;
    fs::write(&page, [before, BEGIN, "\n\n", &markdown(found), END, after].concat())?;
    Ok(())
}
