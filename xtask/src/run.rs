//! `cargo xtask run`: from a fresh clone to the app on the screen.

use std::env;

use anyhow::Result;

use crate::exec::say;
use crate::packages::DESKTOP;
use crate::project::Project;
use crate::test::{EMBEDDED, host_cargo};
use crate::toolchain::WasmToolchain;
use crate::ui;

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
    if what == What::App {
        DESKTOP.ensure("the desktop app")?;
    }
    let toolchain = WasmToolchain::ensure(project)?;
    ui::build(project, &toolchain, &ui::Options { release, out: project.dist() })?;
    let profile = release.then_some("--release");
    match what {
        What::App => {
            say("building the desktop app (several minutes the first time)");
            let app = |step| host_cargo(project).args([step, "--package", "hutong-app"]).args(EMBEDDED).args(profile);
            app("build").run()?;
            say("opening the desktop app");
            app("run").arg("--quiet").become_it()
        }
        What::Server => {
            say("building the server");
            let server = |step| host_cargo(project).args([step, "--package", "hutong-server"]).args(profile);
            server("build").run()?;
            say(format!("open http://{listen} in a browser; Ctrl-C ends the server"));
            server("run").args(["--quiet", "--", "--listen", listen]).become_it()
        }
    }
}
