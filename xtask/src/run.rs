//! `cargo xtask run`: builds and starts the app or the server.

use std::env;

use anyhow::Result;
use xtask::exec::status;
use xtask::packages::DESKTOP;
use xtask::project::Project;
use xtask::web_app::WebAppBuild;

use crate::cargo::{self, EMBEDDED_UI};

/// The program to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunTarget {
    /// The desktop app with its embedded server.
    App,
    /// The server, for browsers.
    Server,
}

impl RunTarget {
    /// The app if there is a display, else the server.
    pub fn for_this_machine() -> Self {
        let is_set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
        if cfg!(target_os = "linux") && !is_set("DISPLAY") && !is_set("WAYLAND_DISPLAY") {
            status("no display found: starting the server instead of the desktop app");
            Self::Server
        } else {
            Self::App
        }
    }
}

/// Builds the web app, then builds and starts `target`.
pub fn run(project: &Project, target: RunTarget, listen: &str, release: bool) -> Result<()> {
    status(announcement(target, release));
    if target == RunTarget::App {
        DESKTOP.ensure("the desktop app")?;
    }
    // The app's server needs the browsers' build too.
    let only = (target == RunTarget::Server).then_some(WebAppBuild::Browser);
    cargo::web_app(project, only, release).run()?;
    let profile = release.then_some("--release");
    match target {
        RunTarget::App => {
            status("building the desktop app with its server");
            let app =
                |step| cargo::host(project).args([step, "--package", "hutong-app"]).args(EMBEDDED_UI).args(profile);
            app("build").run()?;
            status("starting the desktop app");
            app("run").arg("--quiet").replace_process()
        }
        RunTarget::Server => {
            status("building the server");
            let server = |step| cargo::host(project).args([step, "--package", "hutong-server"]).args(profile);
            server("build").run()?;
            status(format!("open http://{listen} in a browser; Ctrl-C stops the server"));
            server("run").args(["--quiet", "--", "--listen", listen]).replace_process()
        }
    }
}

/// The first status line: what follows, and how long it takes. The minutes are for two processors and an empty target directory.
fn announcement(target: RunTarget, release: bool) -> String {
    let (builds, starts, minutes) = match target {
        RunTarget::App => ("the web app, the server and the app", "starting the app", if release { 20 } else { 10 }),
        RunTarget::Server => ("the web app and the server", "starting the server", if release { 8 } else { 4 }),
    };
    format!("building {builds}, then {starts}; takes about {minutes} minutes the first time, later a few seconds")
}
