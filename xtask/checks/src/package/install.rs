//! The packages in a fresh Debian 12, as a person installs, uses and removes them.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use xtask::exec::{Cmd, find, say};
use xtask::packages::Need;
use xtask::project::Project;

use super::root::{Root, Running};
use super::unit;
use super::watcher::{self, Watcher};
use crate::problems::read;

/// The app's package may be as large: docs/decisions/0011 says what is in it.
const LARGEST: u64 = 15_000_000;

/// What is typed into the login page.
const NAME: &str = "Debian";

/// How long a program may take from its start to its first answer; software drawing on a busy machine is slow.
const START: Duration = Duration::from_secs(60);

const TOOLS: Need = Need {
    debian: &[("xvfb", &["Xvfb"]), ("xdotool", &["xdotool"]), ("imagemagick", &["import"])],
    elsewhere: "Xvfb, xdotool and ImageMagick",
};

/// Elements that a call uses, by the plugin that has them: VP8 and Opus both ways, cameras, and the sound server.
const PLUGINS: [&str; 5] =
    ["libgstvpx.so", "libgstopus.so", "libgstvideo4linux2.so", "libgstpulseaudio.so", "libgstapp.so"];

/// Installs the app and the server into a fresh Debian 12 each, uses them, and removes them.
///
/// # Errors
///
/// The first thing that is not as it should be.
pub fn test(project: &Project, app_package: &Path, server_package: &Path) -> Result<()> {
    TOOLS.ensure("trying packages")?;
    app(project, app_package).context("the app's package")?;
    server(project, server_package).context("the server's package")?;
    say("both packages are installed, work and are removed");
    Ok(())
}

fn app(project: &Project, package: &Path) -> Result<()> {
    let size = fs::metadata(package).with_context(|| format!("there is no {}", package.display()))?.len();
    say(format!("{} has {size} bytes", package.display()));
    ensure!(size <= LARGEST, "{} has {size} bytes; {LARGEST} is the most", package.display());

    let root = Root::fresh(project)?;
    root.sh("useradd --create-home --shell /bin/sh --uid 1000 ana")?;
    install(&root, package, "hutong")?;
    let installed = root.files()?;
    is_whole(&root)?;

    say("starting the app there");
    let screen = Screen::open()?;
    let port = free_port()?;
    let log = project.target.join("install-test-app.log");
    let script = format!(
        "install -d -o ana -g ana -m 0700 /run/user/1000; \
         exec setpriv --reuid=ana --regid=ana --init-groups env HOME=/home/ana USER=ana XDG_RUNTIME_DIR=/run/user/1000 \
         DISPLAY={} HUTONG_PORT={} dbus-run-session -- hutong-app",
        screen.display,
        port.port()
    );
    let mut running = root.start(&script, &log)?;
    running.until("the app's own server answers", START, || {
        ensure!(watcher::get(port, "/healthz")?.ends_with("ok"), "no ok");
        Ok(())
    })?;
    let window = running.until("the app's window is there", START, || screen.window("Hutong"))?;
    logs_in(&mut running, &screen, &window, port)?;
    screen.picture(&project.target.join("install-test-app.png"));
    drop(running);

    remove(&root, "hutong", &installed, Some("/home/ana"))
}

/// Whoever is watching the app's server sees the name that was typed into the login page: so the page is there, its wasm runs, it
/// speaks with the app, and the app with its server.
fn logs_in(running: &mut Running, screen: &Screen, window: &str, port: SocketAddr) -> Result<()> {
    let mut watcher = Watcher::log_in(port, "Watcher")?;
    let said = format!("\"name\":\"{NAME}\"");
    running.until("the login page takes a name", START, || {
        screen.log_in(window, NAME)?;
        // Another one each time: a timeout ends the connection's use.
        watcher.wait_for(&said, Duration::from_secs(3)).or_else(|problem| {
            watcher = Watcher::log_in(port, "Watcher")?;
            watcher.wait_for(&said, Duration::from_secs(1)).map_err(|_| problem)
        })
    })
}

fn server(project: &Project, package: &Path) -> Result<()> {
    let root = Root::fresh(project)?;
    install(&root, package, "hutong-server")?;
    let installed = root.files()?;
    let mode = root.sh("stat -c '%a %U' /etc/hutong/server.env")?;
    ensure!(mode.trim() == "640 root", "server.env, which may hold a credential, is {mode}");
    root.sh("test -L /etc/systemd/system/multi-user.target.wants/hutong-server.service").context("not enabled")?;

    say("starting the server there, as its unit does");
    let unit = read(&project.root.join(unit::UNIT))?;
    let said = |key| unit::said(&unit, key);
    let port = free_port()?;
    let log = project.target.join("install-test-server.log");
    // systemd's DynamicUser and StateDirectory, by hand: there is no systemd in a directory.
    let script = format!(
        "install -d -o 61200 -g 61200 -m 0700 /var/lib/hutong; set -a; {}; . {}; HUTONG_LISTEN={port}; \
         exec setpriv --reuid=61200 --regid=61200 --clear-groups --no-new-privs --bounding-set=-all {}",
        said("Environment")?,
        said("EnvironmentFile")?.trim_start_matches('-'),
        said("ExecStart")?
    );
    let mut running = root.start(&script, &log)?;
    running.until("the server answers", START, || {
        ensure!(watcher::get(port, "/healthz")?.ends_with("ok"), "no ok");
        Ok(())
    })?;
    let page = watcher::get(port, "/")?;
    ensure!(page.starts_with("HTTP/1.1 200 ") && page.contains("<script"), "its page is not the web app: {page}");
    let mut first = Watcher::log_in(port, "Ana")?;
    let _second = Watcher::log_in(port, "Bo")?;
    first.wait_for("\"name\":\"Bo\"", START)?;
    root.sh("test \"$(stat -c %a /var/lib/hutong/ticket-key)\" = 600").context("the ticket key")?;
    drop(running);

    remove(&root, "hutong-server", &installed, None)
}

fn install(root: &Root, package: &Path, name: &str) -> Result<()> {
    say(format!("installing {name} with apt into a fresh Debian"));
    root.bring(package, "package.deb").context("cannot bring the package there")?;
    root.sh("apt-get -qq update")?;
    root.sh("apt-get -qq install -y --no-install-recommends /package.deb; rm /package.deb")?;
    Ok(())
}

/// What no start of the app shows: the libraries all found, the plugins that calls need, and what desktops look for.
fn is_whole(root: &Root) -> Result<()> {
    let lacking = root.sh("ldd /usr/bin/hutong-app | grep 'not found' || true")?;
    ensure!(lacking.is_empty(), "libraries are missing: {lacking}");
    for plugin in PLUGINS {
        root.sh(&format!("ls /usr/lib/*/gstreamer-1.0/{plugin}")).context("a plugin that calls need")?;
    }
    let entry = root.sh("cat /usr/share/applications/Hutong.desktop")?;
    for line in ["Exec=hutong-app %u", "Icon=hutong-app", "MimeType=x-scheme-handler/hutong;", "Name[zh]=互通"] {
        ensure!(entry.lines().any(|written| written == line), "the desktop entry has no line {line}:\n{entry}");
    }
    for file in [
        "/usr/share/metainfo/app.hutong.Hutong.metainfo.xml",
        "/usr/share/doc/hutong/copyright",
        "/usr/share/icons/hicolor/128x128/apps/hutong-app.png",
        "/usr/share/icons/hicolor/32x32/apps/hutong-app.png",
    ] {
        root.sh(&format!("test -s {file}")).with_context(|| format!("{file} is missing"))?;
    }
    Ok(())
}

/// Removes a package, and checks that exactly its files are gone, and that what is new is below `kept`.
fn remove(root: &Root, name: &str, installed: &BTreeSet<String>, kept: Option<&str>) -> Result<()> {
    say(format!("removing {name}"));
    let listed = root.sh(&format!("dpkg -L {name}"))?;
    let own: BTreeSet<&str> = listed.lines().collect();
    root.sh(&format!("apt-get -qq purge -y {name}"))?;
    ensure!(root.sh(&format!("dpkg -s {name}")).is_err(), "dpkg still knows {name}");
    let left = root.files()?;
    let path = |line: &str| -> String { line.split_once(' ').map_or(line, |(_, path)| path).to_owned() };
    let paths: BTreeSet<String> = left.iter().map(|line| path(line)).collect();
    // Directories that another package has too stay, as they should.
    let is_shared = |file: &str| root.sh(&format!("dpkg -S {file}")).is_ok();
    let stayed: Vec<&str> =
        own.iter().copied().filter(|file| *file != "/." && paths.contains(*file) && !is_shared(file)).collect();
    ensure!(stayed.is_empty(), "files of {name} stayed: {}", stayed.join(" "));
    let foreign: Vec<String> =
        installed.difference(&left).map(|line| path(line)).filter(|file| !is_of(&own, file, name)).collect();
    ensure!(foreign.is_empty(), "files of others went with {name}: {}", foreign.join(" "));
    let new: Vec<String> = left.difference(installed).map(|line| path(line)).collect();
    let (users, others): (Vec<&String>, Vec<&String>) =
        new.iter().partition(|file| kept.is_some_and(|kept| file.starts_with(kept)));
    ensure!(others.is_empty(), "{name} leaves behind: {others:?}");
    if kept.is_some() {
        ensure!(users.iter().any(|file| file.ends_with("/ticket.key")), "the person's own data is gone: {users:?}");
        say(format!("what is left is the person's own: {} files and directories", users.len()));
    }
    Ok(())
}

/// Whether a file is a package's own: listed by it, or what its scripts had systemd's helper keep of its unit.
fn is_of(own: &BTreeSet<&str>, file: &str, name: &str) -> bool {
    own.contains(file) || file.contains(&format!("/{name}.service"))
}

fn free_port() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// A screen that nobody sees.
#[derive(Debug)]
struct Screen {
    server: Child,
    display: String,
}

impl Screen {
    fn open() -> Result<Self> {
        let mut server = Command::new("Xvfb")
            .args(["-displayfd", "1", "-screen", "0", "1280x900x24", "-nolisten", "tcp"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start Xvfb")?;
        let mut number = String::new();
        let stdout = server.stdout.take().context("Xvfb says nothing")?;
        BufReader::new(stdout).read_line(&mut number)?;
        if number.trim().is_empty() {
            let _ = server.kill();
            bail!("Xvfb opened no screen: it ended with {}", server.wait()?);
        }
        Ok(Self { server, display: format!(":{}", number.trim()) })
    }

    fn xdotool(&self) -> Cmd {
        Cmd::new("xdotool").env("DISPLAY", &self.display)
    }

    /// The window that people see and whose title begins so.
    fn window(&self, title: &str) -> Result<String> {
        let found = self.xdotool().args(["search", "--onlyvisible", "--name", &format!("^{title}")]).output()?;
        Ok(found.lines().next().context("no window")?.to_owned())
    }

    /// Types a name over what the focused field holds, and presses Return.
    fn log_in(&self, window: &str, name: &str) -> Result<()> {
        self.xdotool().args(["windowfocus", window]).output()?;
        self.xdotool().args(["key", "ctrl+a"]).output()?;
        self.xdotool().args(["type", "--delay", "20", name]).output()?;
        self.xdotool().args(["key", "Return"]).output()?;
        Ok(())
    }

    /// A picture of it, for people; where none can be taken the test is none the worse.
    fn picture(&self, file: &Path) {
        if find("import").is_some() {
            let _ = Cmd::new("import").args(["-window", "root"]).arg(file).env("DISPLAY", &self.display).output();
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
