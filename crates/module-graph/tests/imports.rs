//! Tests of import detection on small crates.

#![allow(clippy::unwrap_used)]

use std::fs;

use hutong_module_graph::{ImportGraph, read};

fn graph(files: &[(&str, &str)]) -> ImportGraph {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let file = dir.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
    read(&dir.path().join("lib.rs")).unwrap()
}

fn cycles(files: &[(&str, &str)]) -> Vec<Vec<String>> {
    graph(files).cycles().into_iter().map(|cycle| cycle.modules).collect()
}

#[test]
fn mutual_imports_are_a_cycle() {
    let found = cycles(&[
        ("lib.rs", "mod a; mod b; mod c;"),
        ("a.rs", "use crate::b::B; pub struct A(B);"),
        ("b.rs", "pub struct B; pub fn f() { crate::c::g() }"),
        ("c.rs", "use super::a; pub fn g() -> Option<a::A> { None }"),
    ]);
    assert_eq!(found, [["a", "b", "c"]]);
}

#[test]
fn acyclic_imports_give_layers_from_top_to_bottom() {
    let graph = graph(&[
        ("lib.rs", "mod a; mod b; mod c;"),
        ("a.rs", "use crate::{b::B, c::C}; pub struct A(B, C);"),
        ("b.rs", "use crate::c::C; pub struct B(C);"),
        ("c.rs", "pub struct C;"),
    ]);
    assert_eq!(graph.cycles(), []);
    assert_eq!(graph.layers(), [vec!["a"], vec!["b"], vec!["c", "crate"]]);
}

#[test]
fn parent_and_child_that_import_each_other_are_a_cycle() {
    let child = ("a/b.rs", "use super::A; pub struct B(A);");
    let used = ("a.rs", "mod b; pub struct A; fn f(_: b::B) {}");
    let facade = ("a.rs", "mod b; pub use b::B; pub struct A;");
    let used_facade = ("a.rs", "mod b; pub use b::B; pub struct A; fn f(_: B) {}");
    assert_eq!(cycles(&[("lib.rs", "mod a;"), used, child]), [["a", "a::b"]]);
    assert_eq!(cycles(&[("lib.rs", "mod a;"), facade, child]), [] as [Vec<String>; 0]);
    assert_eq!(cycles(&[("lib.rs", "mod a;"), used_facade, child]), [["a", "a::b"]]);
}

#[test]
fn reexports_are_followed_to_the_definition() {
    let found = cycles(&[
        ("lib.rs", "mod a; mod b; pub use a::A;"),
        ("a.rs", "use crate::b::B; pub struct A(B);"),
        ("b.rs", "use crate::A; pub struct B(Box<A>);"),
    ]);
    assert_eq!(found, [["a", "b"]]);
}

#[test]
fn paths_in_macros_are_imports_and_paths_in_tests_are_not() {
    let macros = [
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "pub const A: u8 = 1; fn f() { println!(\"{}\", crate::b::B) }"),
        ("b.rs", "pub const B: u8 = crate::a::A;"),
    ];
    assert_eq!(cycles(&macros), [["a", "b"]]);
    let tests = [
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "pub const A: u8 = 1; #[cfg(test)] mod tests { use crate::b::B; }"),
        ("b.rs", "pub const B: u8 = crate::a::A;"),
    ];
    assert_eq!(cycles(&tests), [] as [Vec<String>; 0]);
}

#[test]
fn platform_variants_are_one_module() {
    let found = cycles(&[
        (
            "lib.rs",
            "mod a; #[cfg(unix)] #[path = \"b_unix.rs\"] mod b; #[cfg(not(unix))] #[path = \"b_other.rs\"] mod b;",
        ),
        ("a.rs", "pub fn f() { crate::b::g() }"),
        ("b_unix.rs", "pub fn g() {}"),
        ("b_other.rs", "pub fn g() { crate::a::f() }"),
    ]);
    assert_eq!(found, [["a", "b"]]);
}

#[test]
fn visibility_is_no_import() {
    let found =
        cycles(&[("lib.rs", "mod a; fn f() { a::g() }"), ("a.rs", "pub(crate) fn g() {} pub(super) fn h() {}")]);
    assert_eq!(found, [] as [Vec<String>; 0]);
}
