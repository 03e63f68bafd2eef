//! Prints the module layers of crates, top first, and their import cycles.
//!
//! Usage: `cargo run -p hutong-module-graph -- crates/server/src/lib.rs`.

use std::path::Path;

use anyhow::Result;

fn main() -> Result<()> {
    for root in std::env::args().skip(1) {
        let graph = hutong_module_graph::read(Path::new(&root))?;
        println!("{root}");
        for layer in graph.layers() {
            println!("  {}", layer.join(" "));
        }
        for cycle in graph.cycles() {
            println!("{cycle}");
        }
    }
    Ok(())
}
