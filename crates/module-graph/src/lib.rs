//! Import graph of a crate's modules, parsed from its sources, for the test that no crate has an import cycle.
//!
//! A module is a file; inline modules belong to their file, and code under `#[cfg(test)]` is ignored. Platform variants
//! of a module (`#[cfg(..)] mod x;` twice) are one module.
//!
//! Module A imports module B when A names an item that B defines, in a `use` or in a path. Re-exports are followed to the
//! definition. `pub use` of a descendant is a facade and no import, unless the module's own code uses the name.
//!
//! Limitation: a method call on a value is not seen as an import of the file with the `impl` block.

mod graph;
mod paths;
mod source;

use std::path::Path;

use anyhow::Result;

pub use graph::{ImportCycle, ImportGraph};

/// Builds the import graph of the crate with this root module (`src/lib.rs` or `src/main.rs`).
///
/// # Errors
///
/// When a file cannot be read or parsed.
pub fn read(root: &Path) -> Result<ImportGraph> {
    let modules = source::read(root)?;
    Ok(ImportGraph::new(paths::imports(&modules)))
}
