//! Checks of the server's systemd unit: validity and sandboxing.

use anyhow::{Context, Result, ensure};
use xtask::exec::{Cmd, find_in_path, status};
use xtask::project::Project;

/// The unit file in the package.
pub const UNIT: &str = "packaging/server/hutong-server.service";

/// Largest permitted exposure by `systemd-analyze security`, from 0 (sandboxed) to 10. It is 1.2 with systemd 252, of which 0.5 are
/// for network access.
const MAX_EXPOSURE: f32 = 2.0;

/// Returns the values of `key` in a unit, for running it without systemd.
///
/// # Errors
///
/// The key is missing, or its value has quotes, escapes or specifiers, which are not supported.
pub fn value(unit: &str, key: &str) -> Result<String> {
    let values = unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    let value = values.collect::<Vec<_>>().join(" ");
    ensure!(!value.is_empty(), "the systemd unit does not set {key}");
    ensure!(!value.contains(['"', '\'', '\\', '%', '$']), "the unit's {key} has unsupported syntax: {value}");
    Ok(value)
}

/// Checks the unit with `systemd-analyze`, if that is installed.
///
/// # Errors
///
/// The unit is invalid, or its exposure too large.
pub fn check(project: &Project) -> Result<()> {
    if find_in_path("systemd-analyze").is_none() {
        status("skipping the server's unit: systemd-analyze is not installed");
        return Ok(());
    }
    let unit = project.root.join(UNIT);
    let problems = Cmd::new("systemd-analyze")
        .arg("verify")
        .args(["--man=no", "--recursive-errors=no"])
        .arg(&unit)
        .combined_output()?;
    let problems: Vec<&str> = problems.lines().filter(|line| !is_ignored(line)).collect();
    ensure!(problems.is_empty(), "{UNIT}: {}", problems.join("; "));
    let report =
        Cmd::new("systemd-analyze").args(["security", "--no-pager", "--offline=true"]).arg(&unit).combined_output()?;
    let exposure =
        exposure(&report).with_context(|| format!("systemd-analyze reports no exposure of {UNIT}: {report}"))?;
    ensure!(
        exposure <= MAX_EXPOSURE,
        "systemd-analyze rates the exposure of {UNIT} as {exposure}; the limit is {MAX_EXPOSURE}"
    );
    Ok(())
}

/// Whether to ignore a problem: the program need not be installed, and other units do not matter.
fn is_ignored(line: &str) -> bool {
    line.trim().is_empty()
        || line.contains("/usr/bin/hutong-server is not executable")
        || !line.contains("hutong-server")
}

fn exposure(report: &str) -> Option<f32> {
    let line = report.lines().find(|line| line.contains("Overall exposure level"))?;
    line.rsplit_once(": ")?.1.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_a_unit_are_read_as_by_systemd() {
        let unit =
            "[Service]\nEnvironment=A=1 B=2\nEnvironment=C=3\nExecStart=/usr/bin/x --y z\nExecStop=/usr/bin/x %i\n";
        assert_eq!(value(unit, "ExecStart").unwrap(), "/usr/bin/x --y z");
        assert_eq!(value(unit, "Environment").unwrap(), "A=1 B=2 C=3");
        assert!(value(unit, "EnvironmentFile").is_err());
        assert!(value(unit, "ExecStop").unwrap_err().to_string().contains("%i"));
    }

    #[test]
    fn the_exposure_is_parsed() {
        assert_eq!(exposure("x\n\n→ Overall exposure level for a-b.service: 1.2 OK 🙂\n"), Some(1.2));
        assert_eq!(exposure("nothing"), None);
    }

    #[test]
    fn only_a_missing_program_and_other_units_are_ignored() {
        assert!(is_ignored("hutong-server.service: Command /usr/bin/hutong-server is not executable: No such file"));
        assert!(is_ignored("other.service: Something"));
        assert!(!is_ignored("hutong-server.service:12: Unknown key name 'ProtectSystm' in section 'Service'"));
        assert!(!is_ignored("/x/hutong-server.service:12: Failed to parse"));
    }
}
