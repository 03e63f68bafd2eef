//! Path resolution: maps each path that a module names to the module with the definition.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{Import, ModuleMap, ModulePath, ParsedModule};

/// The imported modules of each module, each with one path as written.
pub type ImportMap = BTreeMap<String, BTreeMap<String, String>>;

/// Maximum length of a chain of re-exports; a bound against cyclic globs.
const MAX_REEXPORTS: usize = 16;

/// Resolves the imports of all modules.
pub fn imports(modules: &ModuleMap) -> ImportMap {
    let mut all = ImportMap::new();
    for (path, module) in modules {
        let from = name(&module.file);
        let imported = all.entry(from.clone()).or_default();
        for written in
            module.imports.iter().filter(|import| !is_facade(modules, path, import)).map(|import| &import.path)
        {
            record(modules, path, written, &from, imported);
        }
        for written in &module.paths {
            record(modules, path, written, &from, imported);
        }
    }
    all
}

fn record(
    modules: &ModuleMap,
    path: &ModulePath,
    written: &[String],
    from: &str,
    imported: &mut BTreeMap<String, String>,
) {
    let Some(target) = resolve(modules, path, written, 0) else { return };
    let Some(target) = modules.get(&target) else { return };
    let to = name(&target.file);
    if to != from {
        imported.entry(to).or_insert_with(|| written.join("::"));
    }
}

/// Whether an import is `pub use` of a descendant.
fn is_facade(modules: &ModuleMap, path: &ModulePath, import: &Import) -> bool {
    import.is_public
        && resolve(modules, path, &import.path, 0).is_some_and(|target| target != *path && target.starts_with(path))
}

/// The module with the definition of the path `written` in the module `from`; `None` outside the crate.
fn resolve(modules: &ModuleMap, from: &ModulePath, written: &[String], depth: usize) -> Option<ModulePath> {
    let (first, rest) = written.split_first()?;
    let module = modules.get(from)?;
    match first.as_str() {
        "crate" | "$crate" => walk(modules, Vec::new(), rest, depth),
        "self" => walk(modules, from.clone(), rest, depth),
        "super" => {
            let mut parent = from.clone();
            parent.pop()?;
            resolve(modules, &parent, &[&["self".to_owned()], rest].concat(), depth)
        }
        name if is_in_scope(module, name) => walk(modules, from.clone(), written, depth),
        _ => None,
    }
}

/// Whether a name is a child module or an import of the module.
fn is_in_scope(module: &ParsedModule, name: &str) -> bool {
    module.children.contains(name) || module.imports.iter().any(|import| import.name.as_deref() == Some(name))
}

/// Follows a path from the module `at`, through child modules and re-exports.
fn walk(modules: &ModuleMap, mut at: ModulePath, written: &[String], depth: usize) -> Option<ModulePath> {
    if depth > MAX_REEXPORTS {
        return None;
    }
    let mut rest = written;
    while let Some((name, after)) = rest.split_first() {
        let module = modules.get(&at)?;
        if name == "super" {
            at.pop()?;
        } else if module.children.contains(name) {
            at.push(name.clone());
        } else if module.items.contains(name) {
            return Some(at);
        } else if let Some(import) = module.imports.iter().find(|import| import.name.as_ref() == Some(name)) {
            let whole: Vec<String> = import.path.iter().chain(after).cloned().collect();
            return if import.path.first() == Some(name) && import.path.len() == 1 {
                None
            } else {
                resolve(modules, &at, &whole, depth + 1)
            };
        } else {
            let globs: BTreeSet<ModulePath> = module
                .imports
                .iter()
                .filter(|import| import.name.is_none())
                .filter_map(|import| resolve(modules, &at, &import.path, depth + 1))
                .collect();
            return globs
                .iter()
                .find(|glob| modules.get(*glob).is_some_and(|module| module.items.contains(name)))
                .cloned()
                .or(Some(at));
        }
        rest = after;
    }
    Some(at)
}

/// The display name of a module.
fn name(path: &ModulePath) -> String {
    if path.is_empty() { "crate".to_owned() } else { path.join("::") }
}
