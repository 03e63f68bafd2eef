//! The server's systemd unit: what it starts, and whether it is as closed as it should be.

use std::fs;

use anyhow::{Context, Result, bail, ensure};

use crate::exec::{Cmd, find, say};
use crate::project::Project;

/// The unit as it is packed.
pub const UNIT: &str = "packaging/server/hutong-server.service";

/// `systemd-analyze security` gives 0 (closed) to 10 (open); from here on a change has opened something. It is 1.2 with systemd 252,
/// of which 0.5 are for being on the network at all.
const MOST_EXPOSED: f32 = 2.0;

/// What a unit starts, for running it without systemd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// The command line, in words.
    pub command: Vec<String>,
    /// `Environment=`, as NAME=value.
    pub environment: Vec<String>,
    /// `EnvironmentFile=`, read after it.
    pub environment_file: Option<String>,
}

impl Start {
    /// Reads a unit. Quotes, escapes and specifiers are not understood, and refused.
    ///
    /// # Errors
    ///
    /// Where it starts nothing, or where something is not understood.
    pub fn parse(unit: &str) -> Result<Self> {
        let all = |key: &str| -> Vec<&str> {
            unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).collect()
        };
        let words = |lines: Vec<&str>| -> Vec<String> {
            lines.iter().flat_map(|line| line.split_whitespace()).map(str::to_owned).collect()
        };
        let command = words(all("ExecStart"));
        ensure!(!command.is_empty(), "the unit starts nothing");
        let environment = words(all("Environment"));
        if let Some(word) = command.iter().chain(&environment).find(|word| word.contains(['"', '\'', '\\', '%', '$'])) {
            bail!("the unit has {word}, which is not understood here");
        }
        let environment_file = all("EnvironmentFile").first().map(|file| file.trim_start_matches('-').to_owned());
        Ok(Self { command, environment, environment_file })
    }

    /// The packed unit's.
    pub fn of(project: &Project) -> Result<Self> {
        Self::parse(&fs::read_to_string(project.root.join(UNIT)).with_context(|| format!("cannot read {UNIT}"))?)
    }
}

/// Has systemd judge the unit, where systemd is.
///
/// # Errors
///
/// Where systemd finds something wrong, or too open.
pub fn check(project: &Project) -> Result<()> {
    Start::of(project)?;
    if find("systemd-analyze").is_none() {
        say("there is no systemd-analyze here: the server's unit is not checked");
        return Ok(());
    }
    let unit = project.root.join(UNIT);
    let problems =
        Cmd::new("systemd-analyze").arg("verify").args(["--man=no", "--recursive-errors=no"]).arg(&unit).both()?;
    let problems: Vec<&str> = problems.lines().filter(|line| !is_only_not_installed(line)).collect();
    ensure!(problems.is_empty(), "{UNIT}: {}", problems.join("; "));
    let judged = Cmd::new("systemd-analyze").args(["security", "--no-pager", "--offline=true"]).arg(&unit).both()?;
    let exposure = exposure(&judged).with_context(|| format!("systemd-analyze does not judge {UNIT}: {judged}"))?;
    ensure!(exposure <= MOST_EXPOSED, "{UNIT} is too open: {exposure}, where {MOST_EXPOSED} is the most");
    Ok(())
}

/// The program is not installed where it is developed; and other units of the machine are not ours to judge.
fn is_only_not_installed(line: &str) -> bool {
    line.trim().is_empty()
        || line.contains("/usr/bin/hutong-server is not executable")
        || !line.contains("hutong-server")
}

fn exposure(judged: &str) -> Option<f32> {
    let line = judged.lines().find(|line| line.contains("Overall exposure level"))?;
    line.rsplit_once(": ")?.1.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_unit_starts_is_read_as_systemd_reads_it() {
        let unit = "[Service]\nEnvironment=A=1 B=2\nEnvironment=C=3\nEnvironmentFile=-/etc/x.env\nExecStart=/usr/bin/x --y z\n";
        let start = Start::parse(unit).unwrap();
        assert_eq!(start.command, ["/usr/bin/x", "--y", "z"]);
        assert_eq!(start.environment, ["A=1", "B=2", "C=3"]);
        assert_eq!(start.environment_file.as_deref(), Some("/etc/x.env"));
        assert!(Start::parse("[Service]\n").is_err());
        assert!(Start::parse("ExecStart=/usr/bin/x %i").unwrap_err().to_string().contains("%i"));
    }

    #[test]
    fn the_exposure_is_the_number_of_the_last_line() {
        assert_eq!(exposure("x\n\n→ Overall exposure level for a-b.service: 1.2 OK 🙂\n"), Some(1.2));
        assert_eq!(exposure("nothing"), None);
    }

    #[test]
    fn the_packed_unit_is_sound() {
        check(&Project::find().unwrap()).unwrap();
    }

    #[test]
    fn only_a_program_that_is_not_installed_is_passed_over() {
        assert!(is_only_not_installed(
            "hutong-server.service: Command /usr/bin/hutong-server is not executable: No such file"
        ));
        assert!(is_only_not_installed("other.service: Something"));
        assert!(!is_only_not_installed(
            "hutong-server.service:12: Unknown key name 'ProtectSystm' in section 'Service'"
        ));
        assert!(!is_only_not_installed("/x/hutong-server.service:12: Failed to parse"));
    }
}
