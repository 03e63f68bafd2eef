//! `cargo xtask run`: from a fresh clone to the app on the screen.

use std::env;

use anyhow::Result;
use xtask::exec::say;
use xtask::packages::DESKTOP;
use xtask::project::Project;

use crate::cargo::{self, EMBEDDED};

/// What is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// The desktop app, with its embedded server.
    App,
    /// The server alone, for browsers.
    Server,
}

impl What {
    /// The app where something can show a window, else the server.
    pub fn for_this_machine() -> Self {
        let is_set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
        if cfg!(target_os = "linux") && !is_set("DISPLAY") && !is_set("WAYLAND_DISPLAY") {
            say("there is no display here, so the server is started instead of the desktop app");
            Self::Server
        } else {
            Self::App
        }
    }
}

/// Builds the web app, and then builds and opens `what`.
pub fn run(project: &Project, what: What, listen: &str, release: bool) -> Result<()> {
    say(promise(what, release));
    if what == What::App {
        DESKTOP.ensure("the desktop app")?;
    }
    cargo::web_app(project, release, &project.dist()).run()?;
    let profile = release.then_some("--release");
    match what {
        What::App => {
            say("building the desktop app with its server");
            let app = |step| cargo::host(project).args([step, "--package", "hutong-app"]).args(EMBEDDED).args(profile);
            app("build").run()?;
            say("opening the desktop app");
            app("run").arg("--quiet").become_it()
        }
        What::Server => {
            say("building the server");
            let server = |step| cargo::host(project).args([step, "--package", "hutong-server"]).args(profile);
            server("build").run()?;
            say(format!("open http://{listen} in a browser; Ctrl-C ends the server"));
            server("run").args(["--quiet", "--", "--listen", listen]).become_it()
        }
    }
}

/// The first line: what will happen, and for how long. The minutes are those of two processors and an empty target directory.
fn promise(what: What, release: bool) -> String {
    let (builds, opens, minutes) = match what {
        What::App => ("the web app, the server and the app", "opening the app", if release { 20 } else { 10 }),
        What::Server => ("the web app and the server", "running the server", if release { 8 } else { 4 }),
    };
    format!("building {builds}, then {opens}; the first time takes about {minutes} minutes, later ones some seconds")
}
