//! The import graph: cycle detection (strongly connected components) and topological layers.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::paths::ImportMap;

/// Import graph of a crate's modules.
#[derive(Debug)]
pub struct ImportGraph {
    imports: ImportMap,
}

/// Modules that import each other, directly or indirectly.
#[derive(Debug, PartialEq, Eq)]
pub struct ImportCycle {
    /// The modules, by name.
    pub modules: Vec<String>,
    /// The imports between them: from, to, and one path as written.
    pub imports: Vec<(String, String, String)>,
}

impl fmt::Display for ImportCycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} modules import each other: {}", self.modules.len(), self.modules.join(", "))?;
        for (from, to, path) in &self.imports {
            write!(f, "\n  {from} imports {to} ({path})")?;
        }
        Ok(())
    }
}

impl ImportGraph {
    /// Creates a graph from imports.
    #[must_use]
    pub fn new(imports: ImportMap) -> Self {
        Self { imports }
    }

    /// All cycles: the strongly connected components of two or more modules.
    #[must_use]
    pub fn cycles(&self) -> Vec<ImportCycle> {
        let reach: BTreeMap<&str, BTreeSet<&str>> =
            self.imports.keys().map(|module| (module.as_str(), self.reachable(module))).collect();
        let reaches = |from: &str, to: &str| reach.get(from).is_some_and(|reachable| reachable.contains(to));
        let mut assigned: BTreeSet<&str> = BTreeSet::new();
        let mut cycles = Vec::new();
        for module in self.imports.keys().map(String::as_str) {
            if assigned.contains(module) || !reaches(module, module) {
                continue;
            }
            let members: Vec<&str> = self
                .imports
                .keys()
                .map(String::as_str)
                .filter(|other| reaches(module, other) && reaches(other, module))
                .collect();
            assigned.extend(&members);
            cycles.push(self.cycle(&members));
        }
        cycles
    }

    fn cycle(&self, members: &[&str]) -> ImportCycle {
        let imports = members
            .iter()
            .filter_map(|from| self.imports.get(*from).map(|targets| (from, targets)))
            .flat_map(|(from, targets)| targets.iter().map(move |(to, path)| (from, to, path)))
            .filter(|(_, to, _)| members.contains(&to.as_str()))
            .map(|(from, to, path)| ((*from).to_owned(), to.clone(), path.clone()))
            .collect();
        ImportCycle { modules: members.iter().map(|member| (*member).to_owned()).collect(), imports }
    }

    fn reachable(&self, from: &str) -> BTreeSet<&str> {
        let mut reachable = BTreeSet::new();
        let mut stack: Vec<&str> = vec![from];
        while let Some(module) = stack.pop() {
            for to in self.imports.get(module).into_iter().flatten().map(|(to, _)| to.as_str()) {
                if reachable.insert(to) {
                    stack.push(to);
                }
            }
        }
        reachable
    }

    /// The modules in layers, top first: a module imports only modules of later layers, except within a cycle.
    #[must_use]
    pub fn layers(&self) -> Vec<Vec<&str>> {
        let reach: BTreeMap<&str, BTreeSet<&str>> =
            self.imports.keys().map(|module| (module.as_str(), self.reachable(module))).collect();
        let mut remaining: BTreeSet<&str> = self.imports.keys().map(String::as_str).collect();
        let mut layers = Vec::new();
        while !remaining.is_empty() {
            let layer: Vec<&str> = remaining
                .iter()
                .copied()
                .filter(|module| {
                    reach.get(module).into_iter().flatten().all(|below| {
                        !remaining.contains(below)
                            || reach.get(below).is_some_and(|reachable| reachable.contains(module))
                    })
                })
                .collect();
            remaining.retain(|module| !layer.contains(module));
            layers.push(layer);
        }
        layers.reverse();
        layers
    }
}
