//! The import graph between the modules of one crate, read from its sources.
//!
//! A module is a file; inline modules belong to the file that they stand in, and code behind `#[cfg(test)]` is left out. Files that
//! stand in for each other on different platforms (`#[cfg(..)] mod x;` twice) are one module. Module A imports module B when A names
//! anything that B defines: by `use`, or by a path in its code. A re-export is followed to the definition; `pub use` of a descendant
//! is a facade and no import, unless the module's own code uses the name.
//!
//! What this cannot see: a method call on a value whose `impl` block stands in another file.

mod graph;
mod paths;
mod source;

use std::path::Path;

use anyhow::Result;

pub use graph::{Cycle, Graph};

/// Reads the crate whose root module is `root` (`src/lib.rs` or `src/main.rs`).
///
/// # Errors
///
/// When a file of the crate cannot be read or parsed.
pub fn read(root: &Path) -> Result<Graph> {
    let modules = source::read(root)?;
    Ok(Graph::new(paths::imports(&modules)))
}
