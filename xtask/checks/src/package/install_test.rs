//! Test of the Debian packages: installs, runs and removes them in a fresh Debian 12.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use xtask::exec::{Cmd, find_in_path, status};
use xtask::packages::SystemPackages;
use xtask::project::Project;

use super::debian_root::{DebianRoot, RunningScript};
use super::roster_client::{self, RosterClient};
use super::systemd_unit;
use crate::problems::read;

/// Size limit of the app's package in bytes; see docs/decisions/0011-packages.md.
const MAX_PACKAGE_SIZE: u64 = 15_000_000;

/// Name to type into the login page.
const NAME: &str = "Debian";

/// Timeout of the start of a program: software rendering on a busy machine is slow.
const START_TIMEOUT: Duration = Duration::from_secs(60);

const TOOLS: SystemPackages = SystemPackages {
    debian: &[("xvfb", &["Xvfb"]), ("xdotool", &["xdotool"]), ("imagemagick", &["import"])],
    other_systems: "Xvfb, xdotool and ImageMagick",
};

/// GStreamer plugins that a call needs: VP8, Opus, cameras, the sound server, and the webview's pipelines.
const GSTREAMER_PLUGINS: [&str; 5] =
    ["libgstvpx.so", "libgstopus.so", "libgstvideo4linux2.so", "libgstpulseaudio.so", "libgstapp.so"];

/// Mode and owner of a file that may contain a credential.
const CREDENTIAL_ACCESS: &str = "640 root";

/// Installs, runs and removes the app and the server, each in a fresh Debian 12.
///
/// # Errors
///
/// The first problem.
pub fn run(project: &Project, app_package: &Path, server_package: &Path) -> Result<()> {
    TOOLS.ensure("testing packages")?;
    test_app(project, app_package).context("the app's package failed its test")?;
    test_server(project, server_package).context("the server's package failed its test")?;
    status("both packages install, run and uninstall");
    Ok(())
}

fn test_app(project: &Project, package: &Path) -> Result<()> {
    let size = fs::metadata(package).with_context(|| format!("cannot find {}", package.display()))?.len();
    status(format!("{} has {size} bytes", package.display()));
    ensure!(size <= MAX_PACKAGE_SIZE, "{} has {size} bytes; the limit is {MAX_PACKAGE_SIZE}", package.display());

    let root = DebianRoot::fresh(project)?;
    root.sh("useradd --create-home --shell /bin/sh --uid 1000 ana")?;
    install(&root, package, "hutong")?;
    let installed = root.files()?;
    check_app_files(&root)?;

    status("starting the app in the fresh Debian");
    let display = XvfbDisplay::open()?;
    let port = free_port()?;
    let log = project.target.join("install-test-app.log");
    let script = format!(
        "install -d -o ana -g ana -m 0700 /run/user/1000; \
         exec setpriv --reuid=ana --regid=ana --init-groups env HOME=/home/ana USER=ana XDG_RUNTIME_DIR=/run/user/1000 \
         DISPLAY={} HUTONG_PORT={} dbus-run-session -- hutong-app",
        display.name,
        port.port()
    );
    let mut running = root.start(&script, &log)?;
    running.wait_until("the embedded server responds", START_TIMEOUT, || check_health(port))?;
    let window = running.wait_until("the app's window opens", START_TIMEOUT, || display.window("Hutong"))?;
    log_in(&mut running, &display, &window, port)?;
    display.save_screenshot(&project.target.join("install-test-app.png"));
    drop(running);

    remove(&root, "hutong", &installed, Some("/home/ana"))
}

/// Types a name into the login page, and waits for it on the embedded server: so the page loads, its wasm runs, and page, app and
/// server are connected.
fn log_in(running: &mut RunningScript, display: &XvfbDisplay, window: &str, port: SocketAddr) -> Result<()> {
    let mut client = RosterClient::log_in(port, "Observer")?;
    let text = format!("\"name\":\"{NAME}\"");
    running.wait_until("the login page accepts a name", START_TIMEOUT, || {
        display.log_in(window, NAME)?;
        // A new client each time: after a read timeout the WebSocket is unusable.
        client.wait_for(&text, Duration::from_secs(3)).or_else(|problem| {
            client = RosterClient::log_in(port, "Observer")?;
            client.wait_for(&text, Duration::from_secs(1)).map_err(|_| problem)
        })
    })
}

fn test_server(project: &Project, package: &Path) -> Result<()> {
    let root = DebianRoot::fresh(project)?;
    install(&root, package, "hutong-server")?;
    let installed = root.files()?;
    let mode = root.sh("stat -c '%a %U' /etc/hutong/server.env")?;
    ensure!(
        mode.trim() == CREDENTIAL_ACCESS,
        "server.env may contain a credential, so its mode and owner must be {CREDENTIAL_ACCESS}, not {}",
        mode.trim()
    );
    root.sh("test -L /etc/systemd/system/multi-user.target.wants/hutong-server.service")
        .context("the systemd unit is not enabled")?;

    status("starting the server in the fresh Debian, as its systemd unit does");
    let unit = read(&project.root.join(systemd_unit::UNIT))?;
    let value = |key| systemd_unit::value(&unit, key);
    let port = free_port()?;
    let log = project.target.join("install-test-server.log");
    // Emulates systemd's DynamicUser and StateDirectory, since a chroot has no systemd.
    let script = format!(
        "install -d -o 61200 -g 61200 -m 0700 /var/lib/hutong; set -a; {}; . {}; HUTONG_LISTEN={port}; \
         exec setpriv --reuid=61200 --regid=61200 --clear-groups --no-new-privs --bounding-set=-all {}",
        value("Environment")?,
        value("EnvironmentFile")?.trim_start_matches('-'),
        value("ExecStart")?
    );
    let mut running = root.start(&script, &log)?;
    running.wait_until("the server responds", START_TIMEOUT, || check_health(port))?;
    let page = roster_client::get(port, "/")?;
    ensure!(
        page.starts_with("HTTP/1.1 200 ") && page.contains("<script"),
        "the server's page is not the web app: {page}"
    );
    let mut first = RosterClient::log_in(port, "Ana")?;
    let _second = RosterClient::log_in(port, "Bo")?;
    first.wait_for("\"name\":\"Bo\"", START_TIMEOUT)?;
    root.sh("test \"$(stat -c %a /var/lib/hutong/ticket-key)\" = 600")
        .context("/var/lib/hutong/ticket-key does not have mode 600")?;
    drop(running);

    remove(&root, "hutong-server", &installed, None)
}

/// Checks that the server on this port reports itself healthy.
fn check_health(port: SocketAddr) -> Result<()> {
    let response = roster_client::get(port, "/healthz")?;
    ensure!(response.ends_with("ok"), "the server did not answer the health check with ok: {response}");
    Ok(())
}

fn install(root: &DebianRoot, package: &Path, name: &str) -> Result<()> {
    status(format!("installing {name} with apt into a fresh Debian"));
    root.copy_in(package, "package.deb").context("cannot copy the package into the fresh Debian")?;
    root.sh("apt-get -qq update")?;
    root.sh("apt-get -qq install -y --no-install-recommends /package.deb; rm /package.deb")?;
    Ok(())
}

/// Checks what starting the app does not show: libraries, GStreamer plugins, and files for the desktop.
fn check_app_files(root: &DebianRoot) -> Result<()> {
    let missing = root.sh("ldd /usr/bin/hutong-app | grep 'not found' || true")?;
    ensure!(missing.is_empty(), "the app needs libraries that are not installed: {missing}");
    for plugin in GSTREAMER_PLUGINS {
        root.sh(&format!("ls /usr/lib/*/gstreamer-1.0/{plugin}"))
            .with_context(|| format!("the GStreamer plugin {plugin}, which calls need, is not installed"))?;
    }
    let entry = root.sh("cat /usr/share/applications/Hutong.desktop")?;
    for line in ["Exec=hutong-app %u", "Icon=hutong-app", "MimeType=x-scheme-handler/hutong;", "Name[zh]=互通"] {
        ensure!(entry.lines().any(|written| written == line), "the desktop entry lacks the line {line}:\n{entry}");
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

/// Removes a package. Checks that exactly its files are gone, and that only files below `kept` are new.
fn remove(root: &DebianRoot, name: &str, installed: &BTreeSet<String>, kept: Option<&str>) -> Result<()> {
    status(format!("removing {name}"));
    let listed = root.sh(&format!("dpkg -L {name}"))?;
    let owned: BTreeSet<&str> = listed.lines().collect();
    root.sh(&format!("apt-get -qq purge -y {name}"))?;
    let is_known = root.sh(&format!("dpkg -s {name}")).is_ok();
    ensure!(!is_known, "dpkg still lists {name} after its removal");
    let remaining = root.files()?;
    let path = |line: &str| -> String { line.split_once(' ').map_or(line, |(_, path)| path).to_owned() };
    let paths: BTreeSet<String> = remaining.iter().map(|line| path(line)).collect();
    // Directories shared with other packages stay.
    let is_shared = |file: &str| root.sh(&format!("dpkg -S {file}")).is_ok();
    let leftover: Vec<&str> =
        owned.iter().copied().filter(|file| *file != "/." && paths.contains(*file) && !is_shared(file)).collect();
    ensure!(leftover.is_empty(), "removing {name} left files of the package behind: {}", leftover.join(" "));
    let foreign: Vec<String> = installed
        .difference(&remaining)
        .map(|line| path(line))
        .filter(|file| !belongs_to(&owned, file, name))
        .collect();
    ensure!(
        foreign.is_empty(),
        "removing {name} also removed files that are not in the package: {}",
        foreign.join(" ")
    );
    let new: Vec<String> = remaining.difference(installed).map(|line| path(line)).collect();
    let (users, others): (Vec<&String>, Vec<&String>) =
        new.iter().partition(|file| kept.is_some_and(|kept| file.starts_with(kept)));
    ensure!(others.is_empty(), "removing {name} left files behind: {others:?}");
    if kept.is_some() {
        ensure!(users.iter().any(|file| file.ends_with("/ticket.key")), "the user's data was removed: {users:?}");
        status(format!("the user's data was kept: {} files and directories", users.len()));
    }
    Ok(())
}

/// Whether a file belongs to a package: listed by dpkg, or created for its unit by systemd's helper.
fn belongs_to(owned: &BTreeSet<&str>, file: &str, name: &str) -> bool {
    owned.contains(file) || file.contains(&format!("/{name}.service"))
}

fn free_port() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// Virtual X display, closed on drop.
#[derive(Debug)]
struct XvfbDisplay {
    server: Child,
    name: String,
}

impl XvfbDisplay {
    fn open() -> Result<Self> {
        let mut server = Command::new("Xvfb")
            .args(["-displayfd", "1", "-screen", "0", "1280x900x24", "-nolisten", "tcp"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start Xvfb")?;
        let mut number = String::new();
        let stdout = server.stdout.take().context("cannot read the display number from Xvfb")?;
        BufReader::new(stdout).read_line(&mut number)?;
        if number.trim().is_empty() {
            let _ = server.kill();
            bail!("Xvfb opened no display; it ended with {}", server.wait()?);
        }
        Ok(Self { server, name: format!(":{}", number.trim()) })
    }

    fn xdotool(&self) -> Cmd {
        Cmd::new("xdotool").env("DISPLAY", &self.name)
    }

    /// ID of the visible window whose title starts with `title`.
    fn window(&self, title: &str) -> Result<String> {
        let found = self.xdotool().args(["search", "--onlyvisible", "--name", &format!("^{title}")]).output()?;
        let window = found.lines().next();
        Ok(window.with_context(|| format!("no visible window has a title that starts with {title}"))?.to_owned())
    }

    /// Replaces the text of the focused field by a name, and presses Return.
    fn log_in(&self, window: &str, name: &str) -> Result<()> {
        self.xdotool().args(["windowfocus", window]).output()?;
        self.xdotool().args(["key", "ctrl+a"]).output()?;
        self.xdotool().args(["type", "--delay", "20", name]).output()?;
        self.xdotool().args(["key", "Return"]).output()?;
        Ok(())
    }

    /// Saves a screenshot if possible, for debugging.
    fn save_screenshot(&self, file: &Path) {
        if find_in_path("import").is_some() {
            let _ = Cmd::new("import").args(["-window", "root"]).arg(file).env("DISPLAY", &self.name).output();
        }
    }
}

impl Drop for XvfbDisplay {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
