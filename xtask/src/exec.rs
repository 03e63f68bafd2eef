//! Subprocesses: a builder whose errors name the command.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Prints a status line, so that a long step is never silent.
pub fn status(message: impl AsRef<str>) {
    eprintln!("[xtask] {}", message.as_ref());
}

/// Variables that `cargo run` sets for xtask, and that would mislead a cargo started by it. Build scripts that read the last ones
/// (ring's) would rerun, and rebuild all dependents, after each build by cargo alone.
const CARGO_RUN_VARIABLES: [&str; 9] = [
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

/// Builder of a subprocess. Its standard input is empty, unless it replaces xtask.
#[derive(Debug)]
pub struct Cmd(Command);

impl Cmd {
    /// Creates a builder for `program`.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        CARGO_RUN_VARIABLES.iter().fold(Self(Command::new(program)), |command, name| command.env_remove(name))
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

    /// Sets the working directory.
    pub fn dir(mut self, dir: impl AsRef<Path>) -> Self {
        self.0.current_dir(dir);
        self
    }

    /// Runs the program with inherited output.
    ///
    /// # Errors
    ///
    /// The program cannot be started, or fails.
    pub fn run(mut self) -> Result<()> {
        let status = self.0.stdin(Stdio::null()).status();
        self.check_status(status.with_context(|| format!("cannot start {}", self.command_line()))?)
    }

    /// Replaces the process of xtask by the program, so that only the program gets signals. Runs it as a subprocess where
    /// the system cannot do that.
    ///
    /// # Errors
    ///
    /// The program cannot be started, or fails as a subprocess.
    #[cfg_attr(not(unix), expect(unused_mut, reason = "only replacing this process changes it"))]
    pub fn replace_process(mut self) -> Result<()> {
        #[cfg(unix)]
        {
            use std::os::unix::process::CommandExt as _;
            Err(self.0.exec()).with_context(|| format!("cannot start {}", self.command_line()))
        }
        #[cfg(not(unix))]
        self.run()
    }

    /// Runs the program, and returns its standard output.
    ///
    /// # Errors
    ///
    /// The program cannot be started, or fails; the error contains its output.
    pub fn output(mut self) -> Result<String> {
        let output = self.capture()?;
        let printed = || [&*output.stdout, &*output.stderr].concat();
        self.check_status(output.status).with_context(|| String::from_utf8_lossy(&printed()).trim().to_owned())?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs the program, and returns its standard output and standard error, whatever its exit status.
    ///
    /// # Errors
    ///
    /// The program cannot be started.
    pub fn combined_output(mut self) -> Result<String> {
        let output = self.capture()?;
        Ok(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    }

    /// Runs the program without its standard output, and kills it after `limit`.
    ///
    /// # Errors
    ///
    /// The program cannot be started, fails, or reaches the limit.
    pub fn run_with_timeout(mut self, limit: Duration) -> Result<()> {
        let mut child = self.0.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
        let end = Instant::now() + limit;
        loop {
            if let Some(status) = child.try_wait()? {
                return self.check_status(status);
            }
            if Instant::now() > end {
                let _ = child.kill();
                let _ = child.wait();
                bail!("{} took longer than {} s", self.command_line(), limit.as_secs());
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Runs the program, and calls `on_line` for each line of its standard output.
    ///
    /// # Errors
    ///
    /// The program cannot be started, or fails.
    pub fn for_each_line(mut self, mut on_line: impl FnMut(&str)) -> Result<()> {
        let child = self.0.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut child = child.with_context(|| format!("cannot start {}", self.command_line()))?;
        let stdout =
            child.stdout.take().with_context(|| format!("cannot read the output of {}", self.command_line()))?;
        let mut reader = BufReader::new(stdout);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).unwrap_or(0) > 0 {
            on_line(String::from_utf8_lossy(&line).trim_end());
            line.clear();
        }
        self.check_status(child.wait()?)
    }

    fn capture(&mut self) -> Result<Output> {
        self.0.stdin(Stdio::null()).output().with_context(|| format!("cannot start {}", self.command_line()))
    }

    fn check_status(&self, status: ExitStatus) -> Result<()> {
        if !status.success() {
            bail!("{} ended with {status}", self.command_line());
        }
        Ok(())
    }

    /// The command line, for messages.
    fn command_line(&self) -> String {
        let mut line = self.0.get_program().to_string_lossy().into_owned();
        for arg in self.0.get_args() {
            let _ = write!(line, " {}", arg.to_string_lossy());
        }
        line
    }
}

/// Path of `program` in PATH.
pub fn find_in_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .flat_map(|dir| [dir.join(program), dir.join(format!("{program}{}", std::env::consts::EXE_SUFFIX))])
        .find(|candidate| candidate.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_an_error() {
        let error = Cmd::new("hutong-no-such-program").args(["build", "-p"]).arg("x").run().unwrap_err();
        assert_eq!(error.to_string(), "cannot start hutong-no-such-program build -p x");
        assert!(find_in_path("hutong-no-such-program").is_none());
    }

    #[cfg(unix)]
    #[test]
    fn each_line_is_passed_on_and_the_exit_status_checked() {
        let mut lines = Vec::new();
        let ended =
            Cmd::new("sh").args(["-c", "echo a; echo b; exit 3"]).for_each_line(|line| lines.push(line.to_owned()));
        assert!(ended.unwrap_err().to_string().contains('3'));
        assert_eq!(lines, ["a", "b"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_hanging_program_is_killed_and_the_output_of_a_failing_one_is_in_the_error() {
        let error =
            Cmd::new("sh").args(["-c", "exec sleep 60"]).run_with_timeout(Duration::from_millis(50)).unwrap_err();
        assert!(error.to_string().contains("took longer"));
        let error = Cmd::new("sh").args(["-c", "echo broken; exit 1"]).output().unwrap_err();
        assert!(format!("{error:#}").contains("broken"));
    }
}
