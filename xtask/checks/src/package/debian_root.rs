//! Chroot with a fresh Debian 12, for installation tests.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use xtask::exec::{Cmd, find_in_path, status};
use xtask::packages::SystemPackages;
use xtask::project::Project;

/// The Debian release that the packages target.
const RELEASE: &str = "bookworm";

/// Mirror for machines whose apt has no sources of the release.
const MIRROR: &str = "http://deb.debian.org/debian";

const TOOLS: SystemPackages = SystemPackages {
    debian: &[("debootstrap", &["debootstrap"]), ("util-linux", &["unshare"]), ("debian-archive-keyring", &[])],
    other_systems: "debootstrap and unshare",
};

/// Runs as process 1 of new mount and PID namespaces: mounts what programs expect, and starts the script in the chroot. Kills it when
/// standard input is closed.
const CHROOT_SCRIPT: &str = r#"
root=$1 archives=$2 script=$3
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
mount -t tmpfs -o mode=0755 tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mkdir -p "$root/run/lock" "$root/tmp/.X11-unix" "$archives/partial"
if [ -d /tmp/.X11-unix ]; then mount --bind /tmp/.X11-unix "$root/tmp/.X11-unix"; fi
mount --bind "$archives" "$root/var/cache/apt/archives"
cp -L /etc/resolv.conf "$root/etc/resolv.conf"
env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
    chroot "$root" sh -euc "$script" < /dev/null &
started=$!
{ cat > /dev/null; kill "$started" 2> /dev/null; } <&3 &
exec 3<&-
wait "$started"
"#;

/// Root directory of the chroot, removed on drop.
#[derive(Debug)]
pub struct DebianRoot {
    dir: PathBuf,
    archives: PathBuf,
}

impl DebianRoot {
    /// Creates a chroot. Downloads Debian and packages into the cache.
    ///
    /// # Errors
    ///
    /// debootstrap is missing, root is not available without a password, or a download fails.
    pub fn fresh(project: &Project) -> Result<Self> {
        TOOLS.ensure("a fresh Debian")?;
        ensure!(as_root("true").is_some(), "this test needs root, or sudo without a password");
        let cache = project.cache.join("roots");
        let base = cache.join(RELEASE);
        fs::create_dir_all(&cache)?;
        if !base.join("etc/apt/sources.list.d/hutong.list").is_file() {
            make_base(&base)?;
        }
        let dir = project.target.join(format!("install-test-{}", std::process::id()));
        let archives = cache.join("archives");
        fs::create_dir_all(archives.join("partial"))?;
        // Created first, so that a failure below removes the directory.
        let root = Self { dir, archives };
        fs::create_dir_all(&project.target)?;
        run(as_root("cp").context("cannot get root rights")?.args(["-a", "--reflink=auto"]).arg(&base).arg(&root.dir))?;
        Ok(root)
    }

    /// Copies a file into the root directory of the chroot.
    pub fn copy_in(&self, file: &Path, name: &str) -> Result<()> {
        run(as_root("cp").context("cannot get root rights")?.arg(file).arg(self.dir.join(name)))
    }

    /// Runs a script in the chroot as root, and returns its standard output.
    ///
    /// # Errors
    ///
    /// The script fails; the error contains its output.
    pub fn sh(&self, script: &str) -> Result<String> {
        let mut child =
            self.command(script)?.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        // Kept open, since closing it kills the script.
        let stdin = child.stdin.take();
        let output = child.wait_with_output()?;
        drop(stdin);
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            let stderr = String::from_utf8_lossy(&output.stderr);
            bail!("a script in the fresh Debian ended with {}: {script}\n{stdout}{stderr}", output.status);
        }
        Ok(stdout)
    }

    /// Starts a script in the chroot as root. Its output goes to the file `log`.
    ///
    /// # Errors
    ///
    /// The log cannot be written, or root is not available.
    pub fn start(&self, script: &str, log: &Path) -> Result<RunningScript> {
        let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let child = self.command(script)?.stdin(Stdio::piped()).stdout(file.try_clone()?).stderr(file).spawn()?;
        Ok(RunningScript { child, log: log.to_owned() })
    }

    /// Lists all files with their owner, except caches, logs and the package database.
    pub fn files(&self) -> Result<std::collections::BTreeSet<String>> {
        let listed = self.sh(
            "find / -xdev \\( -path /proc -o -path /var/lib/dpkg -o -path /var/lib/apt -o -path /var/cache -o -path /var/log \
             -o -name icon-theme.cache -o -name mimeinfo.cache \\) -prune -o -printf '%u %p\\n'",
        )?;
        Ok(listed.lines().map(str::to_owned).collect())
    }

    fn command(&self, script: &str) -> Result<Command> {
        let mut command = as_root("unshare").context("cannot get root rights")?;
        command.args(["--mount", "--pid", "--fork", "--kill-child", "--", "sh", "-euc"]);
        command.arg(format!("exec 3<&0; {CHROOT_SCRIPT}")).arg("sh").arg(&self.dir).arg(&self.archives).arg(script);
        Ok(command)
    }
}

impl Drop for DebianRoot {
    fn drop(&mut self) {
        if let Some(mut remove) = as_root("rm") {
            let _ = remove.args(["-rf", "--one-file-system"]).arg(&self.dir).status();
        }
    }
}

/// A script running in the chroot, killed on drop.
#[derive(Debug)]
pub struct RunningScript {
    child: Child,
    log: PathBuf,
}

impl RunningScript {
    /// Polls `check` until it succeeds, for `limit` at most. `what` describes the condition.
    ///
    /// # Errors
    ///
    /// The check did not succeed in time, or the script ended; the error contains the last lines of its output.
    pub fn wait_until<T>(&mut self, what: &str, limit: Duration, mut check: impl FnMut() -> Result<T>) -> Result<T> {
        let end = Instant::now() + limit;
        loop {
            let problem = match check() {
                Ok(value) => return Ok(value),
                Err(problem) => problem,
            };
            let ended = self.child.try_wait()?;
            if ended.is_some() || Instant::now() > end {
                let reason = ended.map_or_else(
                    || format!("not within {} s", limit.as_secs()),
                    |ended| format!("the program ended with {ended}"),
                );
                return Err(problem.context(format!("{what}: {reason}. Its output:\n{}", self.last_lines())));
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// The last lines of its output.
    pub fn last_lines(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

impl Drop for RunningScript {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let end = Instant::now() + Duration::from_secs(15);
        while Instant::now() < end && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Downloads Debian into the cache, with this machine's apt sources.
fn make_base(base: &Path) -> Result<()> {
    let draft = base.with_extension("new");
    run(as_root("rm").context("cannot get root rights")?.args(["-rf", "--one-file-system"]).arg(&draft))?;
    let sources = sources(&apt_sources());
    let mirror = sources.first().map_or(MIRROR, |(address, _)| address);
    status(format!("downloading {RELEASE} from {mirror} (once, one or two minutes)"));
    run(as_root("debootstrap")
        .context("cannot get root rights")?
        .args(["--variant=minbase", RELEASE])
        .arg(&draft)
        .arg(mirror))?;
    let mut list = String::new();
    for (address, release) in &sources {
        list.push_str(&format!("deb {address} {release} main\n"));
    }
    // Keeps packages from starting services, since a chroot has no init.
    let script = format!(
        "rm -f etc/apt/sources.list; printf '#!/bin/sh\nexit 101\n' > usr/sbin/policy-rc.d; chmod 755 usr/sbin/policy-rc.d; \
         printf '%s' '{list}' > etc/apt/sources.list.d/hutong.list"
    );
    run(as_root("sh")
        .context("cannot get root rights")?
        .args(["-euc", &format!("cd \"$1\"; {script}"), "sh"])
        .arg(&draft))?;
    run(as_root("mv").context("cannot get root rights")?.arg(&draft).arg(base))
}

/// Addresses and releases of this machine's apt sources.
fn apt_sources() -> String {
    if find_in_path("apt-get").is_none() {
        return String::new();
    }
    let format = ["indextargets", "--format", "$(REPO_URI) $(RELEASE)", "Created-By: Packages"];
    Cmd::new("apt-get").args(format).output().unwrap_or_default()
}

/// The apt sources of [`RELEASE`], the release itself first; [`MIRROR`] if there are none.
fn sources(listed: &str) -> Vec<(String, String)> {
    let mut sources: Vec<(String, String)> = listed
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter(|(_, release)| {
            *release == RELEASE || release.strip_prefix(RELEASE).is_some_and(|rest| rest.starts_with('-'))
        })
        .map(|(address, release)| (address.to_owned(), release.to_owned()))
        .collect();
    sources.sort_by(|a, b| (a.1.len(), a).cmp(&(b.1.len(), b)));
    sources.dedup();
    if sources.first().is_none_or(|(_, release)| release != RELEASE) {
        return vec![(MIRROR.to_owned(), RELEASE.to_owned())];
    }
    sources
}

/// A command as root; `None` if that needs a password.
fn as_root(program: &str) -> Option<Command> {
    if Cmd::new("id").arg("-u").output().is_ok_and(|id| id.trim() == "0") {
        return Some(Command::new(program));
    }
    if Cmd::new("sudo").args(["-n", "true"]).output().is_err() {
        return None;
    }
    let mut command = Command::new("sudo");
    command.args(["-n", program]);
    Some(command)
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot start {command:?}"))?;
    if !output.status.success() {
        let printed = [output.stdout, output.stderr].concat();
        bail!("{command:?} ended with {}: {}", output.status, String::from_utf8_lossy(&printed).trim());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apt_sources_of_the_release_are_used() {
        let listed = "http://a/security/ bookworm-security\nhttp://a/debian/ bookworm\nhttp://a/debian/ bookworm\n\
                      http://b/ nodistro\nhttp://a/debian/ bookworm-updates\nhttp://c/ bookworms";
        let addresses = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(address, release)| ((*address).to_owned(), (*release).to_owned())).collect()
        };
        let expected = [
            ("http://a/debian/", "bookworm"),
            ("http://a/debian/", "bookworm-updates"),
            ("http://a/security/", "bookworm-security"),
        ];
        assert_eq!(sources(listed), addresses(&expected));
        assert_eq!(sources("http://a/ubuntu noble"), addresses(&[(MIRROR, RELEASE)]));
        assert_eq!(sources("http://a/x bookworm-security"), addresses(&[(MIRROR, RELEASE)]));
    }
}
