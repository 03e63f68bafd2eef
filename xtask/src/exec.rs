//! Running other programs: what was run is said, failures name the program, waits are bounded.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// Says in one line what is being done, so that a long step is never silent.
pub fn say(what: impl AsRef<str>) {
    eprintln!("[xtask] {}", what.as_ref());
}

/// What `cargo run` puts into the environment of xtask and would mislead a cargo started from it.
const FROM_CARGO_RUN: [&str; 4] = ["LD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH", "CARGO", "CARGO_MANIFEST_DIR"];

/// A program to run, with its arguments and environment.
#[derive(Debug, Clone)]
pub struct Cmd {
    program: OsString,
    args: Vec<OsString>,
    env: Vec<(OsString, Option<OsString>)>,
    dir: Option<PathBuf>,
}

impl Cmd {
    /// Starts describing a run of `program`.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        let env = FROM_CARGO_RUN.iter().map(|name| (OsString::from(name), None)).collect();
        Self { program: program.as_ref().into(), args: Vec::new(), env, dir: None }
    }

    /// Adds one argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().into());
        self
    }

    /// Adds several arguments.
    pub fn args<I, S>(mut self, args: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().into()));
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.as_ref().into(), Some(value.as_ref().into())));
        self
    }

    /// Removes an environment variable.
    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> Self {
        self.env.push((name.as_ref().into(), None));
        self
    }

    /// Runs in `dir` instead of the current directory.
    pub fn dir(mut self, dir: impl AsRef<Path>) -> Self {
        self.dir = Some(dir.as_ref().into());
        self
    }

    /// Runs to the end with the terminal's own output; an unsuccessful end is an error.
    pub fn run(&self) -> Result<()> {
        let status = self.status()?;
        if !status.success() {
            bail!("{} ended with {status}", self.line());
        }
        Ok(())
    }

    /// Runs to the end with the terminal's own output and tells how it ended.
    pub fn status(&self) -> Result<ExitStatus> {
        self.command().stdin(Stdio::null()).status().with_context(|| format!("cannot start {}", self.line()))
    }

    /// Becomes this program where the system can, so that signals reach it alone; else runs it to the end.
    pub fn become_it(&self) -> Result<()> {
        #[cfg(unix)]
        {
            use std::os::unix::process::CommandExt as _;
            Err(self.command().exec()).with_context(|| format!("cannot start {}", self.line()))
        }
        #[cfg(not(unix))]
        self.run()
    }

    /// Runs to the end without any output and gives its standard output; an unsuccessful end is an error.
    pub fn output(&self) -> Result<String> {
        let output = self.quietly()?;
        if !output.status.success() {
            let said = [&*output.stdout, &*output.stderr].concat();
            bail!("{} ended with {}: {}", self.line(), output.status, String::from_utf8_lossy(&said).trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs to the end without any output and gives both of its outputs, however it ended.
    pub fn both(&self) -> Result<String> {
        let output = self.quietly()?;
        Ok(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    }

    /// Runs to the end; where it does not end well, what it said is the error.
    pub fn passes(&self) -> Result<()> {
        self.output().map(drop)
    }

    fn quietly(&self) -> Result<Output> {
        self.command().stdin(Stdio::null()).output().with_context(|| format!("cannot start {}", self.line()))
    }

    /// Whether it starts and ends well, without any output.
    pub fn succeeds(&self) -> bool {
        self.output().is_ok()
    }

    /// Runs with its standard output thrown away and ends it after `limit`; an error also when it took longer.
    pub fn run_within(&self, limit: Duration) -> Result<()> {
        let mut child = self.spawn(Stdio::piped())?;
        let (ended, wait) = mpsc::channel();
        if let Some(mut stdout) = child.stdout.take() {
            // The end of its output is the event that can be waited for with a limit.
            thread::spawn(move || {
                let mut sink = Vec::new();
                let _ = stdout.read_to_end(&mut sink);
                let _ = ended.send(());
            });
        }
        if wait.recv_timeout(limit).is_err() {
            let _ = child.kill();
            let _ = child.wait();
            bail!("{} took longer than {} s", self.line(), limit.as_secs());
        }
        let status = child.wait()?;
        if !status.success() {
            bail!("{} ended with {status}", self.line());
        }
        Ok(())
    }

    /// Runs to the end, giving each line of its standard output to `on_line`.
    pub fn stream(&self, mut on_line: impl FnMut(&str)) -> Result<ExitStatus> {
        let mut child = self.spawn(Stdio::piped())?;
        if let Some(stdout) = child.stdout.take() {
            let mut reader = BufReader::new(stdout);
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).unwrap_or(0) > 0 {
                let text = String::from_utf8_lossy(&line);
                on_line(text.trim_end());
                line.clear();
            }
        }
        Ok(child.wait()?)
    }

    /// The command as one would type it, for messages.
    pub fn line(&self) -> String {
        let mut line = self.program.to_string_lossy().into_owned();
        for arg in &self.args {
            let _ = write!(line, " {}", arg.to_string_lossy());
        }
        line
    }

    fn spawn(&self, stdout: Stdio) -> Result<Child> {
        self.command()
            .stdin(Stdio::null())
            .stdout(stdout)
            .spawn()
            .with_context(|| format!("cannot start {}", self.line()))
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.args);
        for (name, value) in &self.env {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if let Some(dir) = &self.dir {
            command.current_dir(dir);
        }
        command
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
    fn a_command_is_shown_as_typed() {
        assert_eq!(Cmd::new("cargo").args(["build", "-p"]).arg("x").line(), "cargo build -p x");
    }

    #[test]
    fn a_program_that_is_not_there_is_an_error_not_a_panic() {
        assert!(Cmd::new("hutong-no-such-program").run().is_err());
        assert!(find("hutong-no-such-program").is_none());
    }

    #[cfg(unix)]
    #[test]
    fn output_is_streamed_line_by_line() {
        let mut lines = Vec::new();
        let status = Cmd::new("sh").args(["-c", "echo a; echo b; exit 3"]).stream(|line| lines.push(line.to_owned()));
        assert_eq!(status.unwrap().code(), Some(3));
        assert_eq!(lines, ["a", "b"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_program_that_hangs_is_ended() {
        let error = Cmd::new("sh").args(["-c", "exec sleep 60"]).run_within(Duration::from_millis(50)).unwrap_err();
        assert!(error.to_string().contains("took longer"));
    }
}
