//! Parser: reads a crate's source files into modules with their items, imports and named paths.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemMod, ItemUse, UseTree, Visibility};

/// The path of a module in its crate; empty for the root.
pub type ModulePath = Vec<String>;

/// A name that a `use` declaration imports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// The name inside the module; `None` for a glob.
    pub name: Option<String>,
    /// The path as written.
    pub path: Vec<String>,
    /// Whether it is a re-export.
    pub is_public: bool,
}

/// A parsed module: its items, imports and named paths.
#[derive(Debug, Default)]
pub struct ParsedModule {
    /// Child modules: files and inline modules.
    pub children: BTreeSet<String>,
    /// Items defined in the module.
    pub items: BTreeSet<String>,
    /// Its `use` declarations.
    pub imports: Vec<Import>,
    /// Paths in its code, each with at least one segment.
    pub paths: BTreeSet<Vec<String>>,
    /// The path of the file's module: for an inline module the surrounding one.
    pub file: ModulePath,
}

/// All modules of a crate by path.
pub type ModuleMap = BTreeMap<ModulePath, ParsedModule>;

/// Parses `root` and all files that it declares.
pub fn read(root: &Path) -> Result<ModuleMap> {
    let mut modules = ModuleMap::new();
    let dir = root.parent().with_context(|| format!("{} has no parent directory", root.display()))?;
    read_file(root, dir, Vec::new(), &mut modules)?;
    Ok(modules)
}

fn read_file(file: &Path, children_dir: &Path, path: ModulePath, modules: &mut ModuleMap) -> Result<()> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let parsed = syn::parse_file(&text).with_context(|| format!("cannot parse {}", file.display()))?;
    if parsed.attrs.iter().any(is_test_only) {
        return Ok(());
    }
    let location = FileLocation { file_dir: file.parent().unwrap_or(Path::new("")), children_dir };
    read_items(&parsed.items, &location, path.clone(), &path, modules)
}

/// The directories in which a file's child modules are found.
struct FileLocation<'a> {
    /// The file's directory; `#[path]` is relative to it.
    file_dir: &'a Path,
    /// The directory of child modules.
    children_dir: &'a Path,
}

fn read_items(
    items: &[Item],
    location: &FileLocation<'_>,
    path: ModulePath,
    file: &ModulePath,
    modules: &mut ModuleMap,
) -> Result<()> {
    let mut collector = ItemCollector::default();
    let mut children: Vec<&ItemMod> = Vec::new();
    for item in items {
        match item {
            Item::Mod(child) if child.attrs.iter().any(is_test_only) => {}
            Item::Mod(child) => children.push(child),
            other => collector.visit_item(other),
        }
    }
    let module = modules.entry(path.clone()).or_default();
    module.file.clone_from(file);
    module.items.append(&mut collector.items);
    module.imports.append(&mut collector.imports);
    module.paths.append(&mut collector.paths);
    module.children.extend(children.iter().map(|child| child.ident.to_string()));
    for child in children {
        let name = child.ident.to_string();
        let child_path: ModulePath = path.iter().cloned().chain([name.clone()]).collect();
        let child_dir = location.children_dir.join(&name);
        if let Some((_, items)) = &child.content {
            let location = FileLocation { file_dir: location.file_dir, children_dir: &child_dir };
            read_items(items, &location, child_path, file, modules)?;
        } else {
            let (file, dir) = locate(child, location, &child_dir);
            read_file(&file, &dir, child_path, modules)?;
        }
    }
    Ok(())
}

/// The file of a declared module, and the directory of its children.
fn locate(child: &ItemMod, location: &FileLocation<'_>, child_dir: &Path) -> (PathBuf, PathBuf) {
    if let Some(explicit) = child.attrs.iter().find_map(path_attribute) {
        let file = location.file_dir.join(explicit);
        let dir = file.parent().unwrap_or(Path::new("")).to_owned();
        return (file, dir);
    }
    let flat = child_dir.with_extension("rs");
    let file = if flat.exists() { flat } else { child_dir.join("mod.rs") };
    (file, child_dir.to_owned())
}

fn path_attribute(attribute: &Attribute) -> Option<String> {
    let syn::Meta::NameValue(pair) = &attribute.meta else { return None };
    let syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) = &pair.value else { return None };
    pair.path.is_ident("path").then(|| text.value())
}

/// Whether an attribute is `#[cfg(test)]` or `#[cfg(all(test, ..))]`.
fn is_test_only(attribute: &Attribute) -> bool {
    let syn::Meta::List(list) = &attribute.meta else { return false };
    if !list.path.is_ident("cfg") {
        return false;
    }
    let text: String = list.tokens.to_string().split_whitespace().collect();
    text == "test" || text.starts_with("all(") && text[4..].trim_end_matches(')').split(',').any(|part| part == "test")
}

/// Syntax tree visitor that collects items, imports and paths of one module.
#[derive(Default)]
struct ItemCollector {
    items: BTreeSet<String>,
    imports: Vec<Import>,
    paths: BTreeSet<Vec<String>>,
    depth: usize,
}

impl ItemCollector {
    fn define(&mut self, name: &syn::Ident) {
        if self.depth == 0 {
            self.items.insert(name.to_string());
        }
    }

    fn use_tree(&mut self, tree: &UseTree, prefix: &[String], is_public: bool) {
        let with = |name: &syn::Ident| -> Vec<String> { prefix.iter().cloned().chain([name.to_string()]).collect() };
        match tree {
            UseTree::Path(path) => self.use_tree(&path.tree, &with(&path.ident), is_public),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.use_tree(tree, prefix, is_public)),
            UseTree::Glob(_) => self.imports.push(Import { name: None, path: prefix.to_vec(), is_public }),
            UseTree::Name(name) if name.ident == "self" => {
                self.imports.push(Import { name: prefix.last().cloned(), path: prefix.to_vec(), is_public });
            }
            UseTree::Name(name) => {
                self.imports.push(Import { name: Some(name.ident.to_string()), path: with(&name.ident), is_public });
            }
            UseTree::Rename(rename) => {
                let path = if rename.ident == "self" { prefix.to_vec() } else { with(&rename.ident) };
                self.imports.push(Import { name: Some(rename.rename.to_string()), path, is_public });
            }
        }
    }

    /// Collects the paths in a macro's arguments, which `syn` leaves as tokens.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(name) if path.is_empty() || colons == 2 => {
                    path.push(name.to_string());
                    colons = 0;
                    continue;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' && !path.is_empty() && colons < 2 => {
                    colons += 1;
                    continue;
                }
                other => {
                    self.path(std::mem::take(&mut path));
                    colons = 0;
                    match other {
                        TokenTree::Group(group) => self.tokens(group.stream()),
                        TokenTree::Ident(name) => path.push(name.to_string()),
                        _ => {}
                    }
                }
            }
        }
        self.path(path);
    }

    fn path(&mut self, path: Vec<String>) {
        if !path.is_empty() {
            self.paths.insert(path);
        }
    }
}

impl<'ast> Visit<'ast> for ItemCollector {
    fn visit_item(&mut self, item: &'ast Item) {
        if attributes(item).iter().any(is_test_only) {
            return;
        }
        match item {
            Item::Const(item) => self.define(&item.ident),
            Item::Enum(item) => self.define(&item.ident),
            Item::Fn(item) => self.define(&item.sig.ident),
            Item::Macro(item) => item.ident.iter().for_each(|name| self.define(name)),
            Item::Static(item) => self.define(&item.ident),
            Item::Struct(item) => self.define(&item.ident),
            Item::Trait(item) => self.define(&item.ident),
            Item::TraitAlias(item) => self.define(&item.ident),
            Item::Type(item) => self.define(&item.ident),
            Item::Union(item) => self.define(&item.ident),
            _ => {}
        }
        self.depth += 1;
        visit::visit_item(self, item);
        self.depth -= 1;
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let is_public = !matches!(item.vis, Visibility::Inherited);
        self.use_tree(&item.tree, &[], is_public);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.path(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        self.visit_path(&item.path);
        self.tokens(item.tokens.clone());
    }

    fn visit_attribute(&mut self, _: &'ast Attribute) {}

    fn visit_visibility(&mut self, _: &'ast Visibility) {}
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}
