//! Running other programs: failures name the program, waits are bounded.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Says in one line what is being done, so that a long step is never silent.
pub fn say(what: impl AsRef<str>) {
    eprintln!("[xtask] {}", what.as_ref());
}

/// Environment variables that `cargo run` sets for xtask and that would mislead a cargo started from it. Build scripts that read the
/// last ones (ring's does) would run again, and all that depends on them, whenever somebody builds with cargo alone in between.
const FROM_CARGO_RUN: [&str; 9] = [
    "LD_LIBRARY_PATH",
    "DYLD_FALLBACK_LIBRARY_PATH",
    "CARGO",
    "CARGO_MANIFEST_DIR",
    "CARGO_PKG_NAME",
    "CARGO_PKG_VERSION_MAJOR",
    "CARGO_PKG_VERSION_MINOR",
    "CARGO_PKG_VERSION_PATCH",
    "CARGO_PKG_VERSION_PRE",
];

/// A program to run, with its arguments and environment. It reads nothing from the terminal, unless xtask becomes it.
#[derive(Debug)]
pub struct Cmd(Command);

impl Cmd {
    /// Starts describing a run of `program`.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        FROM_CARGO_RUN.iter().fold(Self(Command::new(program)), |command, name| command.env_remove(name))
    }

    /// Adds one argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.0.arg(arg);
        self
    }

    /// Adds several arguments.
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.0.args(args);
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.0.env(name, value);
        self
    }

    /// Removes an environment variable.
    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> Self {
        self.0.env_remove(name);
        self
    }

    /// Runs in `dir` instead of the current directory.
    pub fn dir(mut self, dir: impl AsRef<Path>) -> Self {
        self.0.current_dir(dir);
        self
    }

    /// Runs to the end with the terminal's own output; an unsuccessful end is an error.
    pub fn run(mut self) -> Result<()> {
        let status = self.0.stdin(Stdio::null()).status();
        self.ended_well(status.with_context(|| format!("cannot start {}", self.line()))?)
    }

    /// Becomes this program where the system can, so that signals reach it alone; else runs it to the end.
    #[cfg_attr(not(unix), expect(unused_mut, reason = "only replacing this process changes it"))]
    pub fn become_it(mut self) -> Result<()> {
        #[cfg(unix)]
        {
            use std::os::unix::process::CommandExt as _;
            Err(self.0.exec()).with_context(|| format!("cannot start {}", self.line()))
        }
        #[cfg(not(unix))]
        self.run()
    }

    /// Runs to the end without any output and gives its standard output; where it does not end well, what it said is the error.
    pub fn output(mut self) -> Result<String> {
        let output = self.quietly()?;
        let said = || [&*output.stdout, &*output.stderr].concat();
        self.ended_well(output.status).with_context(|| String::from_utf8_lossy(&said()).trim().to_owned())?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs to the end without any output and gives both of its outputs, however it ended.
    pub fn both(mut self) -> Result<String> {
        let output = self.quietly()?;
        Ok(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    }

    /// Runs with its standard output thrown away and ends it after `limit`; an error also when it took longer.
    pub fn run_within(mut self, limit: Duration) -> Result<()> {
        let mut child = self.0.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
        let end = Instant::now() + limit;
        loop {
            if let Some(status) = child.try_wait()? {
                return self.ended_well(status);
            }
            if Instant::now() > end {
                let _ = child.kill();
                let _ = child.wait();
                bail!("{} took longer than {} s", self.line(), limit.as_secs());
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Runs to the end, giving each line of its standard output to `on_line`; an unsuccessful end is an error.
    pub fn stream(mut self, mut on_line: impl FnMut(&str)) -> Result<()> {
        let child = self.0.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut child = child.with_context(|| format!("cannot start {}", self.line()))?;
        let mut reader = BufReader::new(child.stdout.take().context("no standard output")?);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).unwrap_or(0) > 0 {
            on_line(String::from_utf8_lossy(&line).trim_end());
            line.clear();
        }
        self.ended_well(child.wait()?)
    }

    fn quietly(&mut self) -> Result<Output> {
        self.0.stdin(Stdio::null()).output().with_context(|| format!("cannot start {}", self.line()))
    }

    fn ended_well(&self, status: ExitStatus) -> Result<()> {
        if !status.success() {
            bail!("{} ended with {status}", self.line());
        }
        Ok(())
    }

    /// The command as one would type it, for messages.
    fn line(&self) -> String {
        let mut line = self.0.get_program().to_string_lossy().into_owned();
        for arg in self.0.get_args() {
            let _ = write!(line, " {}", arg.to_string_lossy());
        }
        line
    }
}

/// Where `program` stands in PATH.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .flat_map(|dir| [dir.join(program), dir.join(format!("{program}{}", std::env::consts::EXE_SUFFIX))])
        .find(|candidate| candidate.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_not_there_is_an_error_not_a_panic() {
        let error = Cmd::new("hutong-no-such-program").args(["build", "-p"]).arg("x").run().unwrap_err();
        assert_eq!(error.to_string(), "cannot start hutong-no-such-program build -p x");
        assert!(find("hutong-no-such-program").is_none());
    }

    #[cfg(unix)]
    #[test]
    fn output_is_streamed_line_by_line() {
        let mut lines = Vec::new();
        let ended = Cmd::new("sh").args(["-c", "echo a; echo b; exit 3"]).stream(|line| lines.push(line.to_owned()));
        assert!(ended.unwrap_err().to_string().contains('3'));
        assert_eq!(lines, ["a", "b"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_program_that_hangs_is_ended_and_one_that_fails_is_quoted() {
        let error = Cmd::new("sh").args(["-c", "exec sleep 60"]).run_within(Duration::from_millis(50)).unwrap_err();
        assert!(error.to_string().contains("took longer"));
        let error = Cmd::new("sh").args(["-c", "echo broken; exit 1"]).output().unwrap_err();
        assert!(format!("{error:#}").contains("broken"));
    }
}
