//! Cycles and layers of an import graph.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::paths::Imports;

/// Which module of a crate imports which.
#[derive(Debug)]
pub struct Graph {
    imports: Imports,
}

/// Modules that import each other, directly or through others.
#[derive(Debug, PartialEq, Eq)]
pub struct Cycle {
    /// The modules, by name.
    pub modules: Vec<String>,
    /// Each import between them: from, to, and a path that shows it.
    pub imports: Vec<(String, String, String)>,
}

impl fmt::Display for Cycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} modules import each other: {}", self.modules.len(), self.modules.join(", "))?;
        for (from, to, path) in &self.imports {
            write!(f, "\n  {from} imports {to} ({path})")?;
        }
        Ok(())
    }
}

impl Graph {
    /// A graph of these imports.
    #[must_use]
    pub fn new(imports: Imports) -> Self {
        Self { imports }
    }

    /// All cycles: the strongly connected sets of two and more modules.
    #[must_use]
    pub fn cycles(&self) -> Vec<Cycle> {
        let reach: BTreeMap<&str, BTreeSet<&str>> =
            self.imports.keys().map(|module| (module.as_str(), self.reachable(module))).collect();
        let reaches = |from: &str, to: &str| reach.get(from).is_some_and(|found| found.contains(to));
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        let mut cycles = Vec::new();
        for module in self.imports.keys().map(String::as_str) {
            if seen.contains(module) || !reaches(module, module) {
                continue;
            }
            let members: Vec<&str> = self
                .imports
                .keys()
                .map(String::as_str)
                .filter(|other| reaches(module, other) && reaches(other, module))
                .collect();
            seen.extend(&members);
            cycles.push(self.cycle(&members));
        }
        cycles
    }

    fn cycle(&self, members: &[&str]) -> Cycle {
        let imports = members
            .iter()
            .filter_map(|from| self.imports.get(*from).map(|found| (from, found)))
            .flat_map(|(from, found)| found.iter().map(move |(to, path)| (from, to, path)))
            .filter(|(_, to, _)| members.contains(&to.as_str()))
            .map(|(from, to, path)| ((*from).to_owned(), to.clone(), path.clone()))
            .collect();
        Cycle { modules: members.iter().map(|member| (*member).to_owned()).collect(), imports }
    }

    fn reachable(&self, from: &str) -> BTreeSet<&str> {
        let mut found = BTreeSet::new();
        let mut open: Vec<&str> = vec![from];
        while let Some(module) = open.pop() {
            for to in self.imports.get(module).into_iter().flatten().map(|(to, _)| to.as_str()) {
                if found.insert(to) {
                    open.push(to);
                }
            }
        }
        found
    }

    /// The modules from top to bottom: each imports only modules of later layers. Modules of a cycle share a layer.
    #[must_use]
    pub fn layers(&self) -> Vec<Vec<&str>> {
        let reach: BTreeMap<&str, BTreeSet<&str>> =
            self.imports.keys().map(|module| (module.as_str(), self.reachable(module))).collect();
        let mut left: BTreeSet<&str> = self.imports.keys().map(String::as_str).collect();
        let mut layers = Vec::new();
        while !left.is_empty() {
            let layer: Vec<&str> = left
                .iter()
                .copied()
                .filter(|module| {
                    reach.get(module).into_iter().flatten().all(|below| {
                        !left.contains(below) || reach.get(below).is_some_and(|found| found.contains(module))
                    })
                })
                .collect();
            left.retain(|module| !layer.contains(module));
            layers.push(layer);
        }
        layers.reverse();
        layers
    }
}
