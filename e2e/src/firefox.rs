//! Firefox with fake devices, each with its own profile, under `WebDriver` `BiDi`.

use std::{
    fmt::Write as _,
    fs,
    net::{Ipv4Addr, SocketAddr},
    rc::Rc,
    time::Duration,
};

use tempfile::TempDir;
use tokio::{process::Command, time::timeout};

use crate::{
    Result, WindowPlacement,
    bidi::BidiSession,
    network::{Namespace, PortForward},
    paths,
    process::ChildProcess,
    virtual_display::VirtualDisplay,
};

/// Time limit for Firefox to start.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// Preferences of a fresh profile: fake devices, calls on one machine, and no traffic of its own.
const PREFERENCES: &[(&str, &str)] = &[
    ("media.navigator.streams.fake", "true"),
    ("media.navigator.permission.disabled", "true"),
    ("media.autoplay.default", "0"),
    ("media.peerconnection.ice.loopback", "true"),
    ("media.peerconnection.ice.obfuscate_host_addresses", "false"),
    ("media.gmp-manager.updateEnabled", "false"),
    ("app.normandy.enabled", "false"),
    ("app.update.enabled", "false"),
    ("browser.shell.checkDefaultBrowser", "false"),
    ("browser.startup.page", "0"),
    ("browser.safebrowsing.update.enabled", "false"),
    ("captivedetect.canonicalURL", "\"\""),
    ("datareporting.policy.dataSubmissionEnabled", "false"),
    ("extensions.update.enabled", "false"),
    ("network.captive-portal-service.enabled", "false"),
    ("network.connectivity-service.enabled", "false"),
    ("services.settings.server", "\"data:,\""),
    ("toolkit.telemetry.enabled", "false"),
];

/// A running Firefox with one tab. Dropping it kills the browser.
#[derive(Debug)]
pub struct FirefoxBrowser {
    /// Its session.
    pub session: Rc<BidiSession>,
    process: ChildProcess,
    /// Forwards the port of its session, when it runs in a namespace.
    _port_forward: Option<PortForward>,
    _display: Option<VirtualDisplay>,
    _profile: TempDir,
}

impl FirefoxBrowser {
    /// Starts Firefox, in this process's network namespace or another, with a script that runs in each document before
    /// its own.
    ///
    /// # Errors
    ///
    /// Returns an error when it is not installed or does not start.
    pub async fn start(namespace: Option<&Namespace>, window: WindowPlacement, preload: &str) -> Result<Self> {
        let program = paths::installed_program(&["firefox-esr", "firefox"], "`apt-get install firefox-esr`")?;
        let profile = tempfile::Builder::new().prefix("hutong-e2e-").tempdir()?;
        let mut preferences = String::new();
        for (name, value) in PREFERENCES {
            writeln!(preferences, "user_pref(\"{name}\", {value});")?;
        }
        writeln!(preferences, "user_pref(\"intl.accept_languages\", \"en-US\");")?;
        fs::write(profile.path().join("user.js"), preferences)?;
        let mut command = namespace.map_or_else(|| Command::new(&program), |namespace| namespace.command(&program));
        let display = match window {
            WindowPlacement::Headless => {
                command.arg("--headless");
                None
            }
            WindowPlacement::OnVirtualDisplay => {
                let display = VirtualDisplay::start().await?;
                command.env("DISPLAY", display.name()).env_remove("WAYLAND_DISPLAY");
                Some(display)
            }
        };
        command.args(["--no-remote", "--remote-debugging-port=0", "--width=800", "--height=600"]);
        command.arg("--profile").arg(profile.path()).env("HOME", profile.path()).env("MOZ_CRASHREPORTER_DISABLE", "1");
        let mut process = ChildProcess::spawn("firefox", &mut command)?;
        let port = process.wait_for_line(START_TIMEOUT, bidi_port).await?;
        let forward = match namespace {
            Some(namespace) => Some(namespace.expose_port(port).await?),
            None => None,
        };
        let address =
            forward.as_ref().map_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, port)), PortForward::address);
        // Firefox accepts requests for its own port only.
        let session = BidiSession::connect(address, &format!("ws://127.0.0.1:{port}/session"), preload).await?;
        Ok(Self { session: Rc::new(session), process, _port_forward: forward, _display: display, _profile: profile })
    }

    /// The browser's main process.
    #[must_use]
    pub fn pid(&self) -> Option<rustix::process::Pid> {
        self.process.pid()
    }

    /// Closes the browser as closing its last window does, and kills it if that takes more than 5 s.
    pub async fn close(self) {
        // A browser that does not answer is killed by the drop.
        let _ = timeout(Duration::from_secs(5), self.session.send("browser.close", serde_json::json!({}))).await;
    }
}

/// Parses the port in a line such as `WebDriver BiDi listening on ws://127.0.0.1:39271`.
fn bidi_port(line: &str) -> Option<u16> {
    line.split_once("listening on ws://")?.1.trim().rsplit_once(':')?.1.parse().ok()
}
