//! The server's systemd unit: what it starts, and whether it is as closed as it should be.

use anyhow::{Context, Result, ensure};
use xtask::exec::{Cmd, find, say};
use xtask::project::Project;

/// The unit as it is packed.
pub const UNIT: &str = "packaging/server/hutong-server.service";

/// `systemd-analyze security` gives 0 (closed) to 10 (open); from here on a change has opened something. It is 1.2 with systemd 252,
/// of which 0.5 are for being on the network at all.
const MOST_EXPOSED: f32 = 2.0;

/// What a unit says of `key`, for running it without systemd. Quotes, escapes and specifiers are not understood, and refused.
///
/// # Errors
///
/// Where it says nothing, or something that is not understood.
pub fn said(unit: &str, key: &str) -> Result<String> {
    let values = unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    let said = values.collect::<Vec<_>>().join(" ");
    ensure!(!said.is_empty(), "the unit has no {key}");
    ensure!(!said.contains(['"', '\'', '\\', '%', '$']), "the unit has {said}, which is not understood here");
    Ok(said)
}

/// Has systemd judge the unit, where systemd is.
///
/// # Errors
///
/// Where systemd finds something wrong, or too open.
pub fn check(project: &Project) -> Result<()> {
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
        let unit =
            "[Service]\nEnvironment=A=1 B=2\nEnvironment=C=3\nExecStart=/usr/bin/x --y z\nExecStop=/usr/bin/x %i\n";
        assert_eq!(said(unit, "ExecStart").unwrap(), "/usr/bin/x --y z");
        assert_eq!(said(unit, "Environment").unwrap(), "A=1 B=2 C=3");
        assert!(said(unit, "EnvironmentFile").is_err());
        assert!(said(unit, "ExecStop").unwrap_err().to_string().contains("%i"));
    }

    #[test]
    fn the_exposure_is_the_number_of_the_last_line() {
        assert_eq!(exposure("x\n\n→ Overall exposure level for a-b.service: 1.2 OK 🙂\n"), Some(1.2));
        assert_eq!(exposure("nothing"), None);
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
