//! Code that only some platforms compile, beside the list of it in docs/PLATFORMS.md that says how each piece is checked.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;

use anyhow::{Context, Result, anyhow};
use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::{Problems, read};
use crate::project::Project;

/// Where the list is.
const LIST: &str = "docs/PLATFORMS.md";

/// The heading above it.
const HEADING: &str = "## Code that only some platforms compile";

/// What a row may begin with where it says how its code is checked.
const WAYS: [&str; 4] = ["run and tested", "type-checked only", "built in CI only", "not checked here"];

/// Where code is. The projects for phones have more than Rust.
const PLACES: [&str; 7] = ["crates", "src-tauri", "ui", "xtask", "e2e", "bench", "gen"];

/// Languages that one platform alone compiles: their files are listed as a whole.
const FOREIGN: [&str; 8] = ["kt", "kts", "gradle", "java", "swift", "m", "mm", "h"];

/// Words of a condition that make it one about platforms.
const PLATFORM_WORDS: [&str; 9] = [
    "target_os",
    "target_family",
    "target_vendor",
    "target_env",
    "target_arch",
    "unix",
    "windows",
    "mobile",
    "desktop",
];

/// A piece of code, by its file and the condition under which it is compiled, without white space.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Piece {
    file: String,
    condition: String,
}

impl Piece {
    fn new(file: &str, condition: &str) -> Self {
        Self { file: file.to_owned(), condition: condition.split_whitespace().collect() }
    }
}

/// Compares what is there with what is listed.
pub fn check(project: &Project) -> Result<()> {
    let mut problems = Problems::default();
    let mut there = BTreeSet::new();
    for file in PLACES.iter().flat_map(|place| files(&project.root.join(place))) {
        if let Some(pieces) = problems.try_out(pieces(&project.root, &file)) {
            there.extend(pieces);
        }
    }
    let mut listed = BTreeSet::new();
    for row in rows(&read(&project.root.join(LIST))?).with_context(|| LIST.to_owned())? {
        problems.demand(WAYS.iter().any(|way| row.checked.starts_with(way)), || {
            let file = row.pieces.first().map_or("a row without conditions", |piece| &piece.file);
            format!("{LIST}: {file} must say how it is checked: {}", WAYS.join(", "))
        });
        listed.extend(row.pieces);
    }
    for piece in there.difference(&listed) {
        problems.add(format!("{LIST} does not list `{}` with `{}`", piece.file, piece.condition));
    }
    for piece in listed.difference(&there) {
        problems.add(format!("{LIST} lists `{}` with `{}`, which is not there", piece.file, piece.condition));
    }
    problems.end()
}

struct Row {
    pieces: Vec<Piece>,
    checked: String,
}

/// The table's rows: `file`, one or more of `condition`, and how that is checked.
fn rows(text: &str) -> Result<Vec<Row>> {
    let (_, after) = text.split_once(HEADING).with_context(|| format!("there is no heading \"{HEADING}\""))?;
    let section = after.split("\n## ").next().unwrap_or_default();
    let lines = section.lines().filter(|line| line.starts_with("| `"));
    lines
        .map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            let [file, conditions, checked, ..] = cells[..] else { return Err(anyhow!("too short a row: {line}")) };
            let file = file.trim_matches('`');
            let pieces =
                conditions.split('`').skip(1).step_by(2).map(|condition| Piece::new(file, condition)).collect();
            Ok(Row { pieces, checked: checked.to_owned() })
        })
        .collect()
}

fn pieces(root: &Path, file: &Path) -> Result<Vec<Piece>> {
    let name = file.strip_prefix(root).unwrap_or(file).to_string_lossy().replace('\\', "/");
    let ending = file.extension().unwrap_or_default().to_string_lossy();
    if FOREIGN.contains(&&*ending) {
        return Ok(vec![Piece::new(&name, &format!(".{ending}"))]);
    }
    let conditions = match &*ending {
        "rs" => conditions_of_rust(&read(file)?),
        "toml" => conditions_of_manifest(&read(file)?),
        _ => Ok(BTreeSet::new()),
    };
    let conditions = conditions.with_context(|| name.clone())?;
    Ok(conditions.iter().map(|condition| Piece::new(&name, condition)).collect())
}

/// The conditions about platforms in `cfg`, `cfg_attr` and `cfg!`. Comments and texts are passed over.
fn conditions_of_rust(text: &str) -> Result<BTreeSet<String>> {
    let tokens = TokenStream::from_str(text).map_err(|error| anyhow!("not Rust: {error}"))?;
    let mut conditions = BTreeSet::new();
    gather(tokens, &mut conditions);
    Ok(conditions)
}

fn gather(tokens: TokenStream, conditions: &mut BTreeSet<String>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    for (at, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Group(group) => gather(group.stream(), conditions),
            TokenTree::Ident(word) if word == "cfg" || word == "cfg_attr" => {
                let mark = matches!(tokens.get(at + 1), Some(TokenTree::Punct(sign)) if sign.as_char() == '!');
                let Some(TokenTree::Group(group)) = tokens.get(at + 1 + usize::from(mark)) else { continue };
                if group.delimiter() == Delimiter::Parenthesis {
                    let condition = first(group.stream());
                    if speaks_of_platforms(condition.clone()) {
                        conditions.insert(condition.to_string().split_whitespace().collect());
                    }
                }
            }
            _ => {}
        }
    }
}

/// The condition itself: in a `cfg_attr` it stands before the attributes.
fn first(tokens: TokenStream) -> TokenStream {
    tokens.into_iter().take_while(|it| !matches!(it, TokenTree::Punct(sign) if sign.as_char() == ',')).collect()
}

fn speaks_of_platforms(condition: TokenStream) -> bool {
    condition.into_iter().any(|token| match token {
        TokenTree::Group(group) => speaks_of_platforms(group.stream()),
        TokenTree::Ident(word) => PLATFORM_WORDS.iter().any(|known| word == *known),
        _ => false,
    })
}

/// The conditions under which a package needs others.
fn conditions_of_manifest(text: &str) -> Result<BTreeSet<String>> {
    let manifest: toml::Table = toml::from_str(text)?;
    let targets = manifest.get("target").and_then(toml::Value::as_table);
    let names = targets.into_iter().flatten().map(|(name, _)| name);
    Ok(names
        .map(|name| {
            let condition = name.strip_prefix("cfg(").and_then(|rest| rest.strip_suffix(')')).unwrap_or(name);
            condition.split_whitespace().collect()
        })
        .collect())
}

/// The files below a directory, without those that a build writes.
fn files(dir: &Path) -> Vec<PathBuf> {
    const WRITTEN: [&str; 8] =
        ["target", "dist", "node_modules", "schemas", "build", "Externals", "generated", "shots"];
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let mut files = Vec::new();
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_symlink() || name.starts_with('.') || WRITTEN.contains(&&*name) {
            continue;
        }
        if path.is_dir() { files.extend(self::files(&path)) } else { files.push(path) }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::super::tests::{project, write};
    use super::*;

    #[test]
    fn conditions_are_found_wherever_they_stand() {
        let text = r#"
            // #[cfg(windows)]
            /// `cfg(target_os = "ios")`
            #![cfg_attr(mobile, no_main)]
            #[cfg(not(target_os = "linux"))]
            mod a;
            #[cfg(all(test, target_arch = "wasm32"))]
            fn f() { g("cfg(desktop)"); if cfg!( target_os="macos" ) { h!(#[cfg(unix)] x) } }
            #[cfg(test)]
            #[cfg_attr(not(debug_assertions), windows_subsystem = "windows")]
            fn main() {}
        "#;
        let found = conditions_of_rust(text).unwrap();
        let wanted = [
            "mobile",
            "unix",
            r#"all(test,target_arch="wasm32")"#,
            r#"not(target_os="linux")"#,
            r#"target_os="macos""#,
        ];
        assert_eq!(found, wanted.map(str::to_owned).into());
    }

    #[test]
    fn a_manifests_conditions_are_found() {
        let text = "[dependencies]\na = \"1\"\n[target.'cfg(target_os = \"linux\")'.dependencies]\nb = \"1\"\n";
        assert_eq!(conditions_of_manifest(text).unwrap(), [r#"target_os="linux""#.to_owned()].into());
    }

    fn list(rows: &str) -> String {
        format!(
            "# Platforms\n\n| `x` | y |\n\n{HEADING}\n\n| file | condition | checked |\n| --- | --- | --- |\n{rows}\n## Next\n"
        )
    }

    #[test]
    fn the_list_and_the_code_must_agree() {
        let dir = tempfile::tempdir().unwrap();
        let project = project(dir.path());
        let told = || check(&project).map_err(|error| error.to_string());
        let code = "#[cfg(windows)]\nfn a() {}\n#[cfg(mobile)]\nfn b() {}\n";
        write(&dir.path().join("src-tauri/src/a.rs"), code);
        write(&dir.path().join("gen/apple/Sources/main.mm"), "int main() {}\n");
        write(&dir.path().join("src-tauri/target/b.rs"), "#[cfg(unix)]\nfn b() {}\n");
        let good = "| `src-tauri/src/a.rs` | `windows`, `mobile` | type-checked only |\n\
                    | `gen/apple/Sources/main.mm` | `.mm` | not checked here: it needs Xcode |\n";
        write(&dir.path().join(LIST), &list(good));
        assert_eq!(told(), Ok(()));

        write(&dir.path().join(LIST), &list(&good.replace("type-checked only", "surely")));
        assert!(told().unwrap_err().contains("a.rs must say how it is checked"));
        write(&dir.path().join(LIST), &list(&good.replace("`windows`", "`unix`")));
        let both = told().unwrap_err();
        assert!(both.contains("does not list `src-tauri/src/a.rs` with `windows`"), "{both}");
        assert!(both.contains("with `unix`, which is not there"), "{both}");
        write(&dir.path().join(LIST), &list("| `gen/apple/Sources/main.mm` | `.mm` |\n"));
        assert!(check(&project).map_err(|error| format!("{error:#}")).unwrap_err().contains("too short a row"));
        write(&dir.path().join(LIST), "# Platforms\n");
        assert!(check(&project).map_err(|error| format!("{error:#}")).unwrap_err().contains("no heading"));
    }
}
