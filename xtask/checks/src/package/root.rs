//! A fresh Debian 12 in a directory: what a package finds on a machine that has seen nothing of this project.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use xtask::exec::{Cmd, find, say};
use xtask::packages::Need;
use xtask::project::Project;

/// The Debian that packages are made for.
const RELEASE: &str = "bookworm";

/// Where it comes from on a machine that is no Debian 12 itself; there apt's own sources are taken.
const MIRROR: &str = "http://deb.debian.org/debian";

const TOOLS: Need = Need {
    debian: &[("debootstrap", &["debootstrap"]), ("util-linux", &["unshare"]), ("debian-archive-keyring", &[])],
    elsewhere: "debootstrap and unshare",
};

/// Becomes process 1 of a namespace of its own, in which it mounts what programs expect; with its end all of it is gone. It ends
/// what it started when its standard input is closed.
const INSIDE: &str = r#"
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

/// A root directory, removed at its end.
#[derive(Debug)]
pub struct Root {
    dir: PathBuf,
    archives: PathBuf,
}

impl Root {
    /// A fresh one. Debian itself is fetched once, into the cache; so are packages that are installed later.
    ///
    /// # Errors
    ///
    /// Where this is no Linux with debootstrap, where one may not become root, or where Debian cannot be fetched.
    pub fn fresh(project: &Project) -> Result<Self> {
        TOOLS.ensure("a fresh Debian")?;
        ensure!(as_root("true").is_some(), "it needs root, or sudo that asks for no password");
        let cache = project.cache.join("roots");
        let base = cache.join(RELEASE);
        fs::create_dir_all(&cache)?;
        if !base.join("etc/apt/sources.list.d/hutong.list").is_file() {
            make_base(&base)?;
        }
        let dir = project.target.join(format!("install-test-{}", std::process::id()));
        let archives = cache.join("archives");
        fs::create_dir_all(archives.join("partial"))?;
        // Ended at once if something goes wrong from here on.
        let root = Self { dir, archives };
        fs::create_dir_all(&project.target)?;
        run(as_root("cp").context("no root")?.args(["-a", "--reflink=auto"]).arg(&base).arg(&root.dir))?;
        Ok(root)
    }

    /// Copies a file to its first level, which is root's.
    ///
    /// # Errors
    ///
    /// Where it cannot be read or written.
    pub fn bring(&self, file: &Path, name: &str) -> Result<()> {
        run(as_root("cp").context("no root")?.arg(file).arg(self.dir.join(name)))
    }

    /// Runs a script there as root, to its end. Gives what it said.
    ///
    /// # Errors
    ///
    /// Where it does not end well; with what it said.
    pub fn sh(&self, script: &str) -> Result<String> {
        let mut child =
            self.command(script)?.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        // Open until it has ended: closing it would end the script.
        let open = child.stdin.take();
        let output = child.wait_with_output()?;
        drop(open);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            let problem = String::from_utf8_lossy(&output.stderr);
            bail!("in the fresh Debian, this ended with {}: {script}\n{said}{problem}", output.status);
        }
        Ok(said)
    }

    /// Starts a script there as root, with what it says in a file.
    pub fn start(&self, script: &str, log: &Path) -> Result<Running> {
        let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let child = self.command(script)?.stdin(Stdio::piped()).stdout(file.try_clone()?).stderr(file).spawn()?;
        Ok(Running { child, log: log.to_owned() })
    }

    /// Every file there with its owner, but for what the system itself keeps of packages, icons and logs.
    pub fn files(&self) -> Result<std::collections::BTreeSet<String>> {
        let listed = self.sh(
            "find / -xdev \\( -path /proc -o -path /var/lib/dpkg -o -path /var/lib/apt -o -path /var/cache -o -path /var/log \
             -o -name icon-theme.cache -o -name mimeinfo.cache \\) -prune -o -printf '%u %p\\n'",
        )?;
        Ok(listed.lines().map(str::to_owned).collect())
    }

    fn command(&self, script: &str) -> Result<Command> {
        let mut command = as_root("unshare").context("it needs root")?;
        command.args(["--mount", "--pid", "--fork", "--kill-child", "--", "sh", "-euc"]);
        command.arg(format!("exec 3<&0; {INSIDE}")).arg("sh").arg(&self.dir).arg(&self.archives).arg(script);
        Ok(command)
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        if let Some(mut remove) = as_root("rm") {
            let _ = remove.args(["-rf", "--one-file-system"]).arg(&self.dir).status();
        }
    }
}

/// A program in the fresh Debian, ended with this.
#[derive(Debug)]
pub struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    /// Waits until `look` sees something, for `limit` at most.
    ///
    /// # Errors
    ///
    /// Where it saw nothing, or the program has ended; with the last lines of what it said.
    pub fn until<T>(&mut self, what: &str, limit: Duration, mut look: impl FnMut() -> Result<T>) -> Result<T> {
        let end = Instant::now() + limit;
        loop {
            let problem = match look() {
                Ok(seen) => return Ok(seen),
                Err(problem) => problem,
            };
            let ended = self.child.try_wait()?;
            if ended.is_some() || Instant::now() > end {
                let why = ended.map_or_else(
                    || format!("not within {} s", limit.as_secs()),
                    |ended| format!("it ended with {ended}"),
                );
                return Err(problem.context(format!("{what}: {why}. It said:\n{}", self.said())));
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// The last lines of what it said.
    pub fn said(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

impl Drop for Running {
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

fn make_base(base: &Path) -> Result<()> {
    let draft = base.with_extension("new");
    run(as_root("rm").context("no root")?.args(["-rf", "--one-file-system"]).arg(&draft))?;
    let sources = sources(&apt_sources());
    let mirror = sources.first().map_or(MIRROR, |(address, _)| address);
    say(format!("fetching {RELEASE} from {mirror}, once (a minute or two)"));
    run(as_root("debootstrap").context("no root")?.args(["--variant=minbase", RELEASE]).arg(&draft).arg(mirror))?;
    let mut list = String::new();
    for (address, release) in &sources {
        list.push_str(&format!("deb {address} {release} main\n"));
    }
    // Nothing is started by being installed: there is no init here.
    let script = format!(
        "rm -f etc/apt/sources.list; printf '#!/bin/sh\nexit 101\n' > usr/sbin/policy-rc.d; chmod 755 usr/sbin/policy-rc.d; \
         printf '%s' '{list}' > etc/apt/sources.list.d/hutong.list"
    );
    run(as_root("sh").context("no root")?.args(["-euc", &format!("cd \"$1\"; {script}"), "sh"]).arg(&draft))?;
    run(as_root("mv").context("no root")?.arg(&draft).arg(base))
}

/// The addresses and releases that this machine's apt fetches from, the release itself first.
fn apt_sources() -> String {
    if find("apt-get").is_none() {
        return String::new();
    }
    let format = ["indextargets", "--format", "$(REPO_URI) $(RELEASE)", "Created-By: Packages"];
    Cmd::new("apt-get").args(format).output().unwrap_or_default()
}

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

/// A command as root, where one is root or can become it without being asked.
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
        let said = [output.stdout, output.stderr].concat();
        bail!("{command:?} ended with {}: {}", output.status, String::from_utf8_lossy(&said).trim());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machines_own_sources_of_the_release_are_taken() {
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
