//! Test that no crate of the workspace has an import cycle.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

/// The root modules of all packages: libraries and binaries.
fn roots() -> Vec<PathBuf> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let top = directories(&workspace);
    let nested: Vec<PathBuf> = top.iter().flat_map(|directory| directories(directory)).collect();
    [top, nested]
        .concat()
        .iter()
        .filter(|directory| directory.join("Cargo.toml").exists())
        .flat_map(|package| ["src/lib.rs", "src/main.rs"].map(|root| package.join(root)))
        .filter(|root| root.exists())
        .collect()
}

fn directories(parent: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(parent).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.is_dir() && !path.ends_with("target")).collect()
}

#[test]
fn no_crate_has_an_import_cycle() {
    let roots = roots();
    assert!(roots.len() >= 20, "only {} crates were found", roots.len());
    let mut problems = Vec::new();
    for root in roots {
        let graph = hutong_module_graph::read(&root).unwrap();
        problems.extend(graph.cycles().into_iter().map(|cycle| format!("{}: {cycle}", root.display())));
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
